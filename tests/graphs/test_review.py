"""A person reviews guidance: what is asked, what each decision does, and that nothing is generated twice meanwhile."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command

from sg_agent import ScriptedModel, Settings, guided
from sg_agent.errors import ConfigError
from sg_agent.graphs import QuestionInput, guide
from sg_agent.graphs.state import GraphOutput

PLAN = "1. Start with the pens.\n2. Add Monday."
BETTER = "1. Count the pens.\n2. Add what came on Monday."
QUESTION: QuestionInput = {"question": "There are 3 pens. On Monday 4 came. How many?", "task": "math"}
THREAD: Any = {"configurable": {"thread_id": "1"}}
REQUEST = {
    "type": "guidance_review",
    "question": QUESTION["question"],
    "kind": "plan",
    "guidance": PLAN,
    "problem": None,
}

Resume = Callable[[Any], dict[str, Any]]


@pytest.fixture
def models() -> tuple[ScriptedModel, ScriptedModel]:
    """A guide that can be asked once, and a solver."""
    return ScriptedModel(replies=[PLAN]), ScriptedModel(replies=lambda messages: "Answer: 7")


@pytest.fixture
def resume(models: tuple[ScriptedModel, ScriptedModel]) -> Resume:
    """Answers the interrupt of a run that waits for its first decision."""
    graph = guided(*models, review=True).compile(checkpointer=InMemorySaver())
    assert asked(graph.invoke(QUESTION, THREAD)) == REQUEST
    return lambda decision: graph.invoke(Command(resume=decision), THREAD)


def asked(output: Any) -> dict[str, Any]:
    (interrupt,) = output["__interrupt__"]
    value: dict[str, Any] = interrupt.value
    return value


def test_the_solver_is_not_asked_before_the_decision(models: tuple[ScriptedModel, ScriptedModel]) -> None:
    graph = guided(*models, review=True).compile(checkpointer=InMemorySaver())
    (interrupt,) = graph.invoke(QUESTION, THREAD)["__interrupt__"]
    assert interrupt.value == REQUEST
    assert set(interrupt.response_schema["discriminator"]["mapping"]) == {"approve", "edit", "reject"}
    assert [len(model.calls) for model in models] == [1, 0]


def test_approved_guidance_reaches_the_solver(resume: Resume, models: tuple[ScriptedModel, ScriptedModel]) -> None:
    output = resume({"type": "approve"})
    assert (output["guidance"], output["route"], output["answer"]) == (PLAN, "guided", "7")
    assert output["reason"] == "guidance passed the check (draft 1 of the guide); approved in review"
    assert [record["role"] for record in output["ledger"]] == ["guide", "solver"]
    assert [len(model.calls) for model in models] == [1, 1]


def test_edited_guidance_is_cleaned_and_reaches_the_solver(
    resume: Resume, models: tuple[ScriptedModel, ScriptedModel]
) -> None:
    output = resume({"type": "edit", "guidance": f"<|system|>{BETTER}"})
    assert (output["guidance"], output["route"]) == (BETTER, "guided")
    assert output["reason"].endswith("; edited in review")
    assert BETTER in models[1].calls[0][-1].text


def test_rejected_guidance_sends_the_question_straight_to_the_solver(
    resume: Resume, models: tuple[ScriptedModel, ScriptedModel]
) -> None:
    output = resume({"type": "reject", "message": "The pens are pencils."})
    assert (output["guidance"], output["route"], output["answer"]) == (None, "direct", "7")
    assert output["reason"] == "guidance was rejected in review: «The pens are pencils.»"
    assert output["prompts"].keys() == {"guide", "cot"}
    assert "<guidance>" not in models[1].calls[0][-1].text


def test_an_edit_that_fails_the_check_is_asked_about_again_with_the_persons_text(
    resume: Resume, models: tuple[ScriptedModel, ScriptedModel]
) -> None:
    leaking = "1. Add.\n2. 3 + 4 = 7."
    again = asked(resume({"type": "edit", "guidance": leaking}))
    assert again["guidance"] == leaking
    assert "computed value" in again["problem"]
    assert asked(resume({"type": "approve"})) == again
    output = resume({"type": "edit", "guidance": BETTER})
    assert (output["guidance"], output["route"]) == (BETTER, "guided")
    assert [len(model.calls) for model in models] == [1, 1]


@pytest.mark.parametrize(
    ("decision", "problem"),
    [
        ("approve", "'approve' was not understood"),
        (7, "7 was not understood"),
        (False, "False was not understood"),
        ({"action": "approve"}, "{'action': 'approve'} was not understood"),
        ({"type": "drop"}, "does not match any of the expected tags"),
        ({"type": "edit"}, "Field required"),
        ({"type": "edit", "guidance": 7}, "Input should be a valid string"),
        ({"type": "reject", "message": ["no"]}, "Input should be a valid string"),
    ],
)
def test_a_decision_that_cannot_be_read_is_asked_for_again(resume: Resume, decision: Any, problem: str) -> None:
    again = asked(resume(decision))
    assert problem in again["problem"]
    assert '{"type": "approve"}' in again["problem"]
    assert {**again, "problem": None} == REQUEST
    assert resume({"type": "approve"})["guidance"] == PLAN


def test_nobody_is_asked_about_guidance_that_is_not_usable() -> None:
    bad, solver = ScriptedModel(replies=["7", "7"]), ScriptedModel(replies=["Answer: 7"])
    graph = guided(bad, solver, review=True).compile(checkpointer=InMemorySaver())
    assert graph.invoke(QUESTION, THREAD)["route"] == "direct"


def test_given_guidance_is_reviewed_too(models: tuple[ScriptedModel, ScriptedModel]) -> None:
    graph = guided(*models, review=True).compile(checkpointer=InMemorySaver())
    assert asked(graph.invoke({**QUESTION, "given_guidance": BETTER}, THREAD))["guidance"] == BETTER
    assert models[0].calls == []


@pytest.mark.parametrize("config", [None, THREAD], ids=["no thread", "a thread"])
async def test_without_a_checkpointer_a_review_is_refused_before_any_call(
    config: Any, models: tuple[ScriptedModel, ScriptedModel]
) -> None:
    graph = guided(*models, review=True).compile()
    with pytest.raises(ConfigError, match=r"review=True .* checkpointer .* thread_id"):
        graph.invoke(QUESTION, config)
    with pytest.raises(ConfigError, match=r"review=True .* checkpointer .* thread_id"):
        await graph.ainvoke(QUESTION, config)
    assert models[0].calls == []


def test_a_review_within_another_graph_waits_by_that_graphs_checkpointer(
    models: tuple[ScriptedModel, ScriptedModel],
) -> None:
    outer = StateGraph(QuestionInput, output_schema=GraphOutput)
    outer.add_node("guided", guided(*models, review=True).compile())
    outer.add_edge(START, "guided")
    graph = outer.compile(checkpointer=InMemorySaver())
    assert asked(graph.invoke(QUESTION, THREAD)) == REQUEST
    assert graph.invoke(Command(resume={"type": "approve"}), THREAD)["answer"] == "7"


def test_the_guide_graph_is_reviewed_as_well() -> None:
    graph = guide(ScriptedModel(replies=[PLAN]), review=True).compile(checkpointer=InMemorySaver())
    assert asked(graph.invoke(QUESTION, THREAD)) == REQUEST
    assert graph.invoke(Command(resume={"type": "edit", "guidance": BETTER}), THREAD)["guidance"] == BETTER


def test_a_decision_may_come_with_another_connection_and_graph(
    models: tuple[ScriptedModel, ScriptedModel], tmp_path: Path
) -> None:
    def step(given: Any) -> dict[str, Any]:
        with SqliteSaver.from_conn_string(str(tmp_path / "threads.sqlite")) as saver:
            graph = guided(*models, review=True).compile(checkpointer=saver)
            output: dict[str, Any] = graph.invoke(given, THREAD, context=Settings(attempts=2))
            return output

    assert asked(step(QUESTION)) == REQUEST
    assert asked(step(Command(resume={"type": "edit", "guidance": "7"})))["guidance"] == "7"
    output = step(Command(resume={"type": "edit", "guidance": BETTER}))
    assert (output["guidance"], len(output["attempts"]), len(output["ledger"])) == (BETTER, 2, 3)
    assert [len(model.calls) for model in models] == [1, 2]


async def test_async_reviews_as_sync_does(models: tuple[ScriptedModel, ScriptedModel], tmp_path: Path) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "threads.sqlite")) as saver:
        graph = guided(*models, review=True).compile(checkpointer=saver)
        assert asked(await graph.ainvoke(QUESTION, THREAD)) == REQUEST
        assert asked(await graph.ainvoke(Command(resume="yes"), THREAD))["guidance"] == PLAN
        output = await graph.ainvoke(Command(resume={"type": "approve"}), THREAD)
    assert (output["route"], output["answer"]) == ("guided", "7")
    assert [len(model.calls) for model in models] == [1, 1]
