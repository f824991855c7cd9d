"""Policies: what they choose, what they refuse, and what they say of it."""

from typing import Any

import pytest
from gate_heads import EASY, HARD, cascading, head, make

from sg_agent.errors import ConfigError, ModelError
from sg_agent.gate import CheapAnswer
from sg_agent.gate.policy import Always, ByFunction, ByTask, Learned, Models, Never, Policy, WithinBudget
from sg_agent.gate.routing import with_signals
from sg_agent.models import load_model
from sg_agent.rows import Row

PAIR = Models("openai:guide", "openai:solver")
BOOLEAN = Row(id="1", question="Is it so?", answer="yes", task="boolean")


def test_each_policy_chooses_its_route_and_says_why() -> None:
    by_task = ByTask({"math": "direct"}, default="guided")
    cases: list[tuple[Policy, Row, str, str]] = [
        (Always(), EASY, "guided", "always"),
        (Never(), HARD, "direct", "never"),
        (by_task, EASY, "direct", "task math"),
        (by_task, BOOLEAN, "guided", "task boolean"),
        (Learned(make()), EASY, "direct", "P(right)"),
        (Learned(make()), HARD, "guided", "P(right)"),
        (ByFunction(lambda row: "direct" if row.task == "boolean" else "guided"), BOOLEAN, "direct", "function"),
    ]
    for policy, row, route, why in cases:
        decision = policy.decide(row)
        assert decision["route"] == route
        assert why in decision["reason"]


def test_a_gate_for_other_models_is_refused() -> None:
    for policy in (Learned(make()), WithinBudget(1.0, gate=make(usd={"direct": 0.0}))):
        policy.check(PAIR)
        with pytest.raises(ModelError, match="fitted for the solver 'openai:solver', and here it is 'openai:other'"):
            policy.check(Models("openai:guide", "openai:other"))


def test_escalating_needs_somebody_to_escalate_to() -> None:
    for policy in (Learned(cascading()), ByTask({"math": "escalate"}), WithinBudget(9, {"escalate": 5, "direct": 1})):
        with pytest.raises(ConfigError, match="stronger solver"):
            policy.check(PAIR)


@pytest.mark.parametrize(
    ("make_policy", "message"),
    [
        (lambda: WithinBudget(-1), "0 or more, not -1"),
        (lambda: WithinBudget(float("nan")), "0 or more, not nan"),
        (lambda: WithinBudget(1, {"direct": -2}), "cost of 'direct' .* not -2"),
        (lambda: WithinBudget(1, {"guided": 3, "direct": 2}), "cheapest is 'direct' at \\$2"),
        (lambda: WithinBudget(1, gate=make(usd={"direct": 0.004, "guided": 0.003})), "cheapest is 'guided' at \\$3"),
        (lambda: ByTask({"maths": "direct"}), "unknown task 'maths'"),  # type: ignore[dict-item]
        (lambda: ByTask({"math": "dirct"}), "unknown route 'dirct'; accepted: direct, guided, escalate"),  # type: ignore[dict-item]
    ],
)
def test_what_cannot_be_kept_is_refused_at_once(make_policy: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_policy()


def test_a_budget_takes_the_best_route_that_it_can_pay() -> None:
    costs: Any = {"direct": 1, "guided": 2, "escalate": 10}
    assert [WithinBudget(usd, costs).decide(EASY)["route"] for usd in (1, 2, 9, 10)] == [
        "direct", "guided", "guided", "escalate",
    ]  # fmt: skip
    gate = make(usd={"direct": 0.001, "guided": 0.002})
    assert [WithinBudget(1, gate=gate).decide(row)["route"] for row in (EASY, HARD)] == ["direct", "direct"]
    assert [WithinBudget(2, gate=gate).decide(row)["route"] for row in (EASY, HARD)] == ["direct", "guided"]


class Known:
    """What is known of every question."""

    name = "mine"

    def __call__(self, row: Row) -> dict[str, float]:
        return {"state0": 9.0 if row is HARD else -9.0}


def test_a_budget_gives_its_gate_the_signals_that_it_was_fitted_with() -> None:
    heads = {"direct": head("signal:state0", -1.0, 0.0), "guided": head("characters", 0.0, 0.0)}
    gate = make(heads=heads, usd={"direct": 0.001, "guided": 0.002})
    told = WithinBudget(2, gate=gate, signals=Known())
    assert [told.decide(row)["route"] for row in (EASY, HARD)] == ["direct", "guided"]
    assert "within $2" in told.decide(HARD)["reason"]
    for usd, route in ((2, "guided"), (1, "direct")):  # which is all that it can pay
        untold = WithinBudget(usd, gate=gate).decide(EASY)
        assert (untold["route"], untold["scores"]) == (route, {})
        assert f"signals that are not given (signal:state0): {route}, to be safe" in untold["reason"]


def test_a_guide_in_this_process_gives_a_policy_the_signals_of_its_gate() -> None:
    guide = load_model("embedded:guide")
    gate = make()
    fitted = gate.model_copy(update={"passport": gate.passport.model_copy(update={"signals": "guide"})})
    for policy in (Learned(fitted), WithinBudget(1, gate=fitted)):
        given = with_signals(policy, guide)
        assert isinstance(given, Learned | WithinBudget)
        assert given.signals
        assert given.signals.name == "guide"
    for policy in (Learned(gate), WithinBudget(1), WithinBudget(1, gate=gate)):
        assert with_signals(policy, guide) is policy


def test_without_a_known_cost_questions_are_guided_and_the_reason_says_so() -> None:
    for policy in (WithinBudget(1), WithinBudget(1, gate=make(usd={"direct": None}))):
        decision = policy.decide(EASY)
        assert (decision["route"], "cost of no route is known" in decision["reason"]) == ("guided", True)
    with pytest.warns(UserWarning, match="budget of .1 without costs: the cost of no route is known"):
        WithinBudget(1).check(PAIR)


def test_a_budget_escalates_only_what_it_can_pay_on_top() -> None:
    costs: Any = {"direct": 1, "escalate": 10}
    wrong = CheapAnswer("", None)
    assert WithinBudget(11, costs).recheck(EASY, "direct", wrong) is None  # left to the agreement
    kept = WithinBudget(10.5, costs).recheck(EASY, "direct", wrong)
    unknown = WithinBudget(10.5, {"direct": 1}).recheck(EASY, "direct", wrong)
    assert kept
    assert unknown
    assert (kept["route"], "$11" in kept["reason"]) == ("direct", True)
    assert (unknown["route"], "not known" in unknown["reason"]) == ("direct", True)


def test_a_learned_policy_rechecks_as_its_gate_does() -> None:
    doubted = Learned(cascading()).recheck(HARD, "direct", CheapAnswer("3 + 4 = 8. #### 8", "8"))
    assert doubted
    assert doubted["route"] == "escalate"


@pytest.mark.parametrize("said", ["sideways", None, {"route": "direct"}, 3])
def test_a_function_that_returns_no_route_is_told_so(said: Any) -> None:
    with pytest.raises(ConfigError, match=r"accepted|must return a route"):
        ByFunction(lambda row: said).decide(EASY)
