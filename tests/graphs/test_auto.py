"""The auto graph: who answers, what was decided and why, and that escalating happens once."""

import json
from typing import Any

import pytest
from gate_heads import cascading, make
from langchain_core.messages import HumanMessage, ToolCall
from langgraph.checkpoint.memory import InMemorySaver

from sg_agent import ScriptedModel, Settings, auto
from sg_agent.errors import ConfigError, ModelError, RunError
from sg_agent.gate.decision import Decision, GateRoute
from sg_agent.gate.guidance import Guidance
from sg_agent.gate.policy import Always, ByFunction, Learned, Models, Never, Policy
from sg_agent.graphs import GraphOutput, QuestionInput
from sg_agent.rows import Row
from sg_agent.scripted import ScriptedReply

PLAN = "1. Start with the pens.\n2. Add Monday."
QUESTION: QuestionInput = {"question": "There are 3 pens. On Monday 4 came. How many?", "task": "math"}
CHAT: QuestionInput = {"messages": [HumanMessage("There are 3 pens. On Monday 4 came. How many?")]}
ESCALATE = ByFunction(lambda row: "escalate")


def says(text: str) -> ScriptedModel:
    return ScriptedModel(replies=lambda messages: text)


class Cast:
    """A guide, a solver and a stronger one, and the graph over them."""

    def __init__(self, solver: ScriptedModel, *, stronger: ScriptedModel | None = None) -> None:
        self.guide, self.solver, self.stronger = says(PLAN), solver, stronger or says("Answer: 7")

    def ask(
        self, policy: Policy, *, question: QuestionInput = QUESTION, cheap_only: bool = False, **settings: Any
    ) -> Any:
        stronger = None if cheap_only else self.stronger
        graph = auto(self.guide, self.solver, policy=policy, stronger=stronger).compile()
        return graph.invoke(question, context=Settings(**settings))

    @property
    def calls(self) -> tuple[int, int, int]:
        return len(self.guide.calls), len(self.solver.calls), len(self.stronger.calls)


@pytest.mark.parametrize(
    ("policy", "calls", "route"),
    [(Always(), (1, 1, 0), "guided"), (Never(), (0, 1, 0), "direct"), (ESCALATE, (0, 0, 1), "escalate")],
)
def test_the_policy_decides_who_is_asked(policy: Policy, calls: tuple[int, int, int], route: GateRoute) -> None:
    models = Cast(says("Answer: 7"))
    output = models.ask(policy)
    assert (output["answer"], output["route"], output["decision"]["route"]) == ("7", route, route)
    assert models.calls == calls
    assert all(record["decision"] == output["decision"] for record in output["ledger"])
    assert json.loads(json.dumps(output["decision"])) == output["decision"]


def test_direct_is_the_solvers_own_chain_of_thought() -> None:
    assert Cast(says("Answer: 7")).ask(Never())["prompts"].keys() == {"cot"}


@pytest.mark.parametrize("policy", [Always(), Never()])
def test_an_answer_that_cannot_be_read_is_escalated_once(policy: Policy) -> None:
    models = Cast(says("no idea"))
    output = models.ask(policy)
    assert (output["answer"], output["route"], models.calls[1:]) == ("7", "escalate", (1, 1))
    assert output["decision"]["route"] != "escalate"
    assert output["recheck"] == {
        "route": "escalate", "scores": {"agreement": 0.0}, "threshold": 0.5,
        "reason": "no answer could be read, 50% must",
    }  # fmt: skip
    assert output["ledger"][-1]["decision"] == output["recheck"]
    assert output["attempts"][-1]["stronger"]
    assert output["reason"].startswith("escalated: no answer")


def test_attempts_that_do_not_agree_are_escalated_and_those_that_do_are_not() -> None:
    split = Cast(ScriptedModel(replies=[f"Answer: {n}" for n in (1, 2, 3, 3, 4)]))
    output = split.ask(Never(), attempts=5)
    assert (output["answer"], output["recheck"]["scores"], split.calls) == ("7", {"agreement": 0.4}, (0, 5, 1))
    one = Cast(says("Answer: 8"))
    output = one.ask(Never(), attempts=5, stop_early=True)
    assert (output["answer"], output["recheck"]["route"], one.calls) == ("8", "direct", (0, 3, 0))


def test_a_call_of_a_tool_stands_and_so_does_the_stronger_solvers() -> None:
    call = ScriptedReply("", tool_calls=[ToolCall(name="add", args={"a": 3}, id="1")])
    models = Cast(ScriptedModel(replies=[call]))
    output = models.ask(Never(), question=CHAT)
    assert (output["route"], output["chosen"], models.calls) == ("direct", 0, (0, 1, 0))
    assert output["messages"][-1].tool_calls[0]["name"] == "add"
    output = Cast(ScriptedModel(replies=[""]), stronger=ScriptedModel(replies=[call])).ask(Never(), question=CHAT)
    assert (output["route"], output["messages"][-1].tool_calls[0]["name"]) == ("escalate", "add")


def test_attempts_in_a_conversation_never_agree_word_for_word_and_are_not_doubted_for_it() -> None:
    models = Cast(ScriptedModel(replies=["There are 7.", "I count 7.", "Seven it is."]))
    output = models.ask(Never(), question=CHAT, attempts=3)
    assert (output["recheck"]["route"], models.calls) == ("direct", (0, 3, 0))


def test_what_was_promised_without_a_cascade_is_of_answers_that_stand() -> None:
    class Unchecked(Learned):
        def check(self, models: Models) -> None:
            return

    gate = make(start="direct", promise={"goal": "max_breaks"})
    models = Cast(ScriptedModel(replies=["Answer: 7", "Answer: 7", "Answer: 1", "Answer: 2", "Answer: 3"]))
    output = models.ask(Unchecked(gate), attempts=5)
    assert (output["answer"], output["route"], models.calls) == ("7", "direct", (0, 5, 0))


def test_without_a_stronger_solver_nothing_is_rechecked() -> None:
    output = Cast(says("no idea")).ask(Never(), cheap_only=True)
    assert (output["answer"], output["recheck"], output["route"]) == (None, None, "direct")


def test_a_cascade_escalates_what_its_gate_doubts() -> None:
    class Unchecked(Learned):
        def check(self, models: Models) -> None:
            return

    doubted, trusted = Cast(says("3 + 4 = 8. #### 8")), Cast(says("3 + 4 = 7. #### 7"))
    policy = Unchecked(cascading())
    assert doubted.ask(policy)["route"] == "escalate"
    assert trusted.ask(policy)["route"] == "direct"
    assert (doubted.calls, trusted.calls) == ((0, 1, 1), (0, 1, 0))


def test_a_stronger_solver_that_fails_leaves_the_answer_at_hand() -> None:
    broken = ScriptedModel(replies=lambda messages: RuntimeError("cut"))
    output = Cast(ScriptedModel(replies=["Answer: 1", "Answer: 2", "Answer: 3"]), stronger=broken).ask(
        Never(), attempts=3
    )
    assert output["answer"] in ("1", "2", "3")
    assert output["route"] == "direct"
    assert "gave no answer: the one at hand stays" in output["reason"]
    with pytest.raises(RunError, match="the solver failed: RuntimeError: cut"):
        Cast(says("x"), stronger=broken).ask(ESCALATE)


def test_when_the_solver_fails_the_stronger_one_is_asked() -> None:
    output = Cast(ScriptedModel(replies=lambda messages: RuntimeError("cut"))).ask(Never(), attempts=2)
    assert (output["answer"], output["route"]) == ("7", "escalate")
    assert sum(record["error"] is not None for record in output["ledger"]) == 2


def broken_policy(row: Row) -> Decision:
    raise ValueError(f"no idea of {row.task}")


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (ByFunction(broken_policy), "ValueError: «no idea of math»"),
        (ByFunction(lambda row: "sideways"), "unknown route 'sideways'"),  # type: ignore[arg-type, return-value]
        (ESCALATE, "no stronger solver"),
    ],
)
def test_a_policy_that_fails_leaves_the_question_guided_and_says_why(policy: Policy, why: str) -> None:
    output = Cast(says("Answer: 7")).ask(policy, cheap_only=True)
    assert (output["answer"], output["route"], output["decision"]["route"]) == ("7", "guided", "guided")
    assert why in output["decision"]["reason"]


def test_a_recheck_that_fails_does_not_pay_for_the_stronger_solver() -> None:
    class Broken(Never):
        def recheck(self, *args: Any) -> Decision | None:
            raise KeyError("x")

    models = Cast(says("Answer: 7"))
    output = models.ask(Broken())
    assert (models.calls, output["recheck"]["route"]) == ((0, 1, 0), "direct")
    assert "KeyError" in output["recheck"]["reason"]


class Doubting(Always):
    """Drops guidance, or says what it is told to, and remembers what it has seen."""

    def __init__(self, said: GateRoute | Exception = "direct") -> None:
        self.said, self.seen = said, list[Guidance]()

    def reconsider(self, row: Row, guidance: Guidance) -> Decision | None:
        assert row.question == QUESTION["question"]
        self.seen.append(guidance)
        if isinstance(self.said, Exception):
            raise self.said
        return {"route": self.said, "scores": {"direct": 0.8, "guided": 0.4}, "threshold": 0.1, "reason": "P(right)"}


def test_guidance_may_be_dropped_once_it_is_written() -> None:
    models, policy = Cast(says("Answer: 7")), Doubting()
    output = models.ask(policy, attempts=2)
    assert (output["answer"], output["route"], output["guidance"], models.calls) == ("7", "direct", None, (1, 2, 0))
    assert policy.seen == [Guidance(PLAN)]
    assert output["reason"] == "guidance was dropped: the policy's own: «P(right)»"
    assert (output["decision"]["route"], output["reconsidered"]["route"]) == ("guided", "direct")
    led = [(record["role"], record["decision"]["route"]) for record in output["ledger"]]
    assert led == [("guide", "guided"), ("solver", "direct"), ("solver", "direct")]
    assert not any(PLAN in str(messages) for messages in models.solver.calls)
    assert set(output["prompts"]) == {"guide", "cot"}


def test_guidance_that_is_kept_is_used_and_the_look_is_in_the_output() -> None:
    output = Cast(says("Answer: 7")).ask(Doubting("guided"))
    assert (output["route"], output["guidance"], output["reconsidered"]["scores"]["guided"]) == ("guided", PLAN, 0.4)
    assert output["ledger"][-1]["decision"] == output["reconsidered"]
    assert Cast(says("Answer: 7")).ask(Always())["reconsidered"] is None


def test_an_answer_without_the_dropped_guidance_may_be_escalated() -> None:
    output = Cast(says("no idea")).ask(Doubting())
    assert (output["answer"], output["route"], output["recheck"]["route"]) == ("7", "escalate", "escalate")
    assert output["ledger"][-1]["decision"] == output["recheck"]


def test_only_guidance_that_passed_the_check_is_looked_at() -> None:
    policy, bad = Doubting(), Cast(says("Answer: 7"))
    bad.guide = says("The answer is 7.")
    output = bad.ask(policy)
    assert (policy.seen, output["reconsidered"], bad.calls) == ([], None, (2, 1, 0))
    again = Cast(says("Answer: 7"))
    again.guide = ScriptedModel(replies=["The answer is 7.", PLAN])
    assert (again.ask(policy)["route"], policy.seen, again.calls) == ("direct", [Guidance(PLAN)], (2, 1, 0))
    given = Cast(says("Answer: 7")).ask(policy, question={**QUESTION, "given_guidance": PLAN})
    assert (given["route"], given["reconsidered"], len(policy.seen)) == ("guided", None, 1)


@pytest.mark.parametrize(
    ("said", "why"), [(KeyError("x"), "KeyError: «'x'»; the guidance is kept"), ("escalate", "it chose 'escalate'")]
)
def test_a_second_look_that_fails_keeps_the_guidance(said: GateRoute | Exception, why: str) -> None:
    output = Cast(says("Answer: 7")).ask(Doubting(said))
    assert (output["route"], output["guidance"], output["reconsidered"]["route"]) == ("guided", PLAN, "guided")
    assert output["reconsidered"]["reason"].startswith("the policy failed: ")
    assert why in output["reconsidered"]["reason"]


def test_guidance_that_comes_with_the_question_is_used() -> None:
    models = Cast(says("Answer: 7"))
    output = models.ask(Never(), question={**QUESTION, "given_guidance": PLAN})
    assert (output["route"], output["guidance"], models.calls) == ("guided", PLAN, (0, 1, 0))


async def test_async_gives_what_sync_gives() -> None:
    graph = auto(says(PLAN), says("no idea"), policy=Doubting(), stronger=says("Answer: 7")).compile()
    first, second = graph.invoke(QUESTION), await graph.ainvoke(QUESTION)
    for output in (first, second):
        for record in output["ledger"]:
            record["latency_s"] = 0.0
    assert first == second


def test_a_thread_forgets_the_decisions_on_the_question_before() -> None:
    graph = auto(
        says(PLAN), ScriptedModel(replies=["no idea", "Answer: 8"]), policy=Never(), stronger=says("Answer: 7")
    ).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    outputs: list[GraphOutput] = [graph.invoke(QUESTION, config) for _ in range(2)]  # type: ignore[misc]
    assert [output["route"] for output in outputs] == ["escalate", "direct"]
    assert [output["answer"] for output in outputs] == ["7", "8"]


def test_bad_input_is_refused_by_the_factory() -> None:
    with pytest.raises(ConfigError, match=r"share of the attempts, 0 to 1, not 1\.5"):
        auto(says(PLAN), says("x"), policy=Always(), stronger=says("x"), agreement=1.5)
    with pytest.raises(ModelError, match="fitted for the guide 'openai:guide'"):
        auto(says(PLAN), says("x"), policy=Learned(cascading()), stronger=says("x"))
