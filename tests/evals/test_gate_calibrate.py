"""The frontier of a gate, and the promises that its threshold can keep."""

import math
import os
import random
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gate_runs import rows, strong_run, telling_run, weak_run

from sg_agent.errors import ConfigError, DataError
from sg_agent.evals.gate.calibrate import Goal, calibrate, lower_bound, unseen, upper_bound
from sg_agent.evals.gate.examples import Examples, read_examples
from sg_agent.evals.gate.fit import fit_gate
from sg_agent.evals.gate.frontier import SECOND_LOOK, Costs, Point, apgr, points
from sg_agent.evals.gate.plot import frontier, reliability
from sg_agent.gate import Gate

ROOT = Path(__file__).parent.parent.parent
DATA = Path(os.environ.get("SG_AGENT_REAL_ANSWERS", ROOT / "shared" / "data" / "gsm8k_real_answers.jsonl"))
ASKED = rows(700)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Gate, Examples]:
    """A gate between direct and guided, and all questions."""
    examples = read_examples([weak_run(tmp_path_factory.mktemp("two"), ASKED).path])
    return fit_gate(examples, hold_out=0.6).gate, examples


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Gate, Examples]:
    weak = weak_run(tmp_path_factory.mktemp("weak"), ASKED).path
    examples = read_examples([weak], [strong_run(tmp_path_factory.mktemp("strong"), ASKED).path])
    return fit_gate(examples, hold_out=0.6).gate, examples


def of(found: list[Point], family: str) -> list[Point]:
    return [one for one in found if one["family"] == family]


def test_the_frontier_runs_from_direct_to_guided_between_chance_and_oracle(two: tuple[Gate, Examples]) -> None:
    gate, examples = two
    found = points(gate, unseen(gate, examples), {})
    auto, (oracle,) = of(found, "auto"), of(found, "oracle")
    assert auto[0]["accuracy"] == of(found, "always direct")[0]["accuracy"]
    assert auto[-1]["accuracy"] == of(found, "always guided")[0]["accuracy"]
    best = max(one["accuracy"] for one in auto)
    assert of(found, "random")[-1]["accuracy"] < best < oracle["accuracy"]
    assert oracle["breaks"] == 0


def test_a_cascade_pays_for_both_answers(three: tuple[Gate, Examples]) -> None:
    gate, examples = three
    found = of(
        points(gate, unseen(gate, examples), {"direct": 0.001, "escalate": 0.009, "guided": 0.002}), "cascade direct"
    )
    assert found[0]["usd_per_1000"] == pytest.approx(1.0)
    assert found[-1]["usd_per_1000"] == pytest.approx(10.0)


def test_few_breaks_are_promised_with_a_bound(two: tuple[Gate, Examples]) -> None:
    gate, examples = two
    made, report = calibrate(gate, examples, Goal(max_breaks=0.1), {})
    promise = report["promise"]
    assert promise
    assert promise["kept"]
    assert promise["break_rate_upper"] <= 0.1
    assert promise["breaks"] / promise["breakable"] < promise["break_rate_upper"]
    assert promise["accuracy"] > of(report["points"], "always direct")[0]["accuracy"]
    assert (made.threshold, made.start, made.promise) == (promise["threshold"], None, promise)


def test_a_promise_of_few_breaks_holds_on_fresh_questions(two: tuple[Gate, Examples], tmp_path: Path) -> None:
    gate, examples = two
    made, report = calibrate(gate, examples, Goal(max_breaks=0.1), {})
    fresh = read_examples([weak_run(tmp_path, rows(2000, seed=77), seed=78).path])
    alone = [one for one in fresh.items if one.right["direct"]]
    broken = sum(not one.right[made.decide(one.row)["route"]] for one in alone)
    assert report["promise"]
    assert broken / len(alone) <= 0.1


def test_what_cannot_be_promised_stays_direct_and_says_what_it_needs(two: tuple[Gate, Examples]) -> None:
    gate, examples = two
    made, report = calibrate(gate, examples, Goal(max_breaks=0.001), {})
    promise = report["promise"]
    assert promise
    assert (promise["family"], promise["breaks"], made.start) == ("always direct", 0, "direct")
    assert not promise["kept"]
    assert "2995 questions that direct gets right are needed" in promise["note"]
    assert made.decide(examples.items[0].row)["route"] == "direct"


def test_a_budget_is_kept_on_questions_that_did_not_pick_it(three: tuple[Gate, Examples]) -> None:
    gate, examples = three
    costs: Costs = {"direct": 0.001, "guided": 0.002, "escalate": 0.01}
    made, report = calibrate(gate, examples, Goal(max_cost=6), costs)
    promise = report["promise"]
    assert promise
    assert promise["usd_per_1000"] is not None
    assert promise["usd_per_1000"] <= 6
    assert promise["accuracy"] > of(report["points"], "always guided")[0]["accuracy"]
    assert promise["n"] < report["n"]
    assert promise["family"].startswith("cascade")
    assert (made.start, made.cascade) == (promise["family"].removeprefix("cascade "), promise["threshold"])


def test_the_cheapest_way_to_an_accuracy_is_picked(two: tuple[Gate, Examples]) -> None:
    gate, examples = two
    report = calibrate(gate, examples, Goal(min_accuracy=0.8), {"direct": 0.001, "guided": 0.004})[1]
    promise = report["promise"]
    assert promise
    assert promise["accuracy_lower"] < promise["accuracy"]
    assert promise["usd_per_1000"] is not None
    assert promise["usd_per_1000"] < 4


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> tuple[Gate, Examples]:
    """A gate that looks at what the guide has written."""
    examples = read_examples([telling_run(tmp_path_factory.mktemp("telling"), ASKED).path])
    return fit_gate(examples, hold_out=0.6).gate, examples


def test_guidance_that_is_dropped_is_paid_for_with_the_answer_alone(telling: tuple[Gate, Examples]) -> None:
    gate, examples = telling
    held_out = unseen(gate, examples)
    calls = sum(example.guide_calls for example in held_out)
    found = points(gate, held_out, {})
    first, second = ({one["threshold"]: one for one in of(found, family)}[-0.26] for family in ("auto", SECOND_LOOK))
    dropped = second["shares"]["direct"] * len(held_out)
    assert dropped > 50
    assert (first["shares"]["direct"], first["guide_calls"], second["guide_calls"]) == (0, calls, calls)
    # a call of the guide is $0.002, one of the solver $0.001, with guidance and without
    assert first["usd_per_1000"] == second["usd_per_1000"] == pytest.approx(1 + 2 * calls / len(held_out))
    assert second["breaks"] < first["breaks"] / 2
    priced = of(points(gate, held_out, {"direct": 0.001, "guided": 0.004}), SECOND_LOOK)[63]
    share = priced["shares"]["direct"]
    assert priced["threshold"] == -0.26
    assert priced["usd_per_1000"] == pytest.approx(1000 * (0.004 + 0.001 * share))


def test_a_promise_by_the_second_look_holds_on_fresh_questions(telling: tuple[Gate, Examples], tmp_path: Path) -> None:
    made, report = calibrate(*telling, Goal(max_breaks=0.2), {})
    promise = report["promise"]
    assert promise
    assert (promise["family"], promise["kept"], made.looks_again) == (SECOND_LOOK, True, True)
    best = max(one["accuracy"] for one in of(report["points"], "auto"))
    assert promise["accuracy"] > best
    fresh = read_examples([telling_run(tmp_path, rows(2000, seed=77), seed=78).path]).items
    broken, alone = 0, sum(one.right["direct"] for one in fresh)
    for one in fresh:
        route = made.decide(one.row)["route"]
        looked = made.reconsider(one.row, one.guidance) if route == "guided" and one.guidance else None
        broken += one.right["direct"] and not one.right[looked["route"] if looked else route]
    assert broken / alone <= 0.2
    assert made.reference
    assert {"reconsidered:direct", "reconsidered:guided"} <= made.reference.scores.keys()


def test_a_gate_that_needs_log_probabilities_keeps_guidance_without(
    telling: tuple[Gate, Examples], tmp_path: Path
) -> None:
    gate, _ = telling
    silent = read_examples([telling_run(tmp_path, rows(100, seed=4), logprobs=False).path])
    assert not of(points(gate, silent.items, {}), SECOND_LOOK)
    for one in silent.items:
        found = one.guidance and gate.reconsider(one.row, one.guidance)
        assert not found or (found["route"], "not given: the guidance is kept" in found["reason"]) == ("guided", True)


@pytest.mark.parametrize(
    ("goal", "costs", "message"),
    [
        (Goal(max_cost=0.5), {"direct": 0.002, "guided": 0.004}, r"the cheapest is 'direct' at \$2"),
        (Goal(max_cost=5), {"guided": None}, "the price of guided is unknown.*--cost guided=USD.*policy 'always'"),
        (Goal(min_accuracy=1.0), {}, "nothing reaches an accuracy of 100.0%: the best is"),
        (Goal(max_breaks=1.5), {}, "max_breaks must be a fraction from 0 to 1"),
        (Goal(min_accuracy=-1), {}, "min_accuracy must be a fraction"),
        (Goal(max_cost=math.inf), {}, "max_cost must be dollars"),
        (Goal(max_cost=1, max_breaks=0.1), {}, "one goal at a time: max_cost and max_breaks"),
    ],
)
def test_goals_that_cannot_be_are_refused(
    two: tuple[Gate, Examples], goal: Goal, costs: dict[Any, float | None], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        calibrate(*two, goal, costs)


def test_runs_of_other_models_and_questions_it_was_fitted_on_are_refused(
    two: tuple[Gate, Examples], tmp_path: Path
) -> None:
    gate, examples = two
    other = read_examples([weak_run(tmp_path, rows(30, seed=3), solver="openai:other").path])
    with pytest.raises(ConfigError, match="fitted on another solver"):
        unseen(gate, other)
    edited = replace(examples, prompts=("v1/solver/math@def456",))
    with pytest.raises(ConfigError, match="another prompt 'v1/solver/math'"):
        unseen(gate, edited)
    assert unseen(gate, replace(examples, prompts=("v1/cot/math@def456",)))
    everything = sorted(example.hash for example in examples.items)
    seen = gate.model_copy(update={"passport": gate.passport.model_copy(update={"questions": everything})})
    with pytest.raises(DataError, match="0 of 700 questions are new to the gate"):
        unseen(seen, examples)


def test_bounds_are_clopper_and_pearsons() -> None:
    assert upper_bound(0, 299) == pytest.approx(1 - 0.05 ** (1 / 299))
    assert upper_bound(0, 299) < 0.01 < upper_bound(0, 298)
    assert (upper_bound(5, 5), upper_bound(0, 0), lower_bound(0, 9)) == (1, 1, 0)
    assert lower_bound(10, 10) == pytest.approx(0.05 ** (1 / 10))


def test_apgr_is_half_by_chance_and_higher_for_who_knows() -> None:
    dice = random.Random(0)
    weak = [dice.random() < 0.5 for _ in range(1000)]
    strong = [dice.random() < 0.9 for _ in range(1000)]
    shuffled = [apgr([dice.random() for _ in weak], weak, strong) for _ in range(50)]
    assert sum(shuffled) / 50 == pytest.approx(0.5, abs=0.02)
    assert apgr([s - w for w, s in zip(weak, strong, strict=True)], weak, strong) > 0.85
    with pytest.raises(ValueError, match="the stronger route is right on"):
        apgr([0.0, 0.0], [True, True], [True, False])


def test_the_plots_stand_alone(three: tuple[Gate, Examples]) -> None:
    gate, examples = three
    report = calibrate(gate, examples, Goal(), {})[1]
    for chart in (frontier(report["points"], None), reliability(gate)):
        assert chart.startswith('<svg class="chart"')
        assert 'xmlns="http://www.w3.org/2000/svg"' in chart
        assert "<style>" in chart


@pytest.mark.slow
def test_real_replies_are_routed_as_well_as_the_benchmark_says() -> None:
    if not DATA.is_file():
        pytest.skip(f"{DATA} is not here; set SG_AGENT_REAL_ANSWERS to a copy of it")
    script = runpy.run_path(str(ROOT / "benchmarks" / "apgr.py"))
    questions = script["read"](DATA)
    marks = [question.label for question in questions]
    for reply, least in ((False, 0.62), (True, 0.75)):
        found = script["gains"](questions, marks, 0, reply=reply)
        assert apgr(found, [weak for weak, _ in marks], [strong for _, strong in marks]) >= least
