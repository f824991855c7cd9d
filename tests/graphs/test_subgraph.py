"""`guided` and `guide` inside a graph of another state: called by a node that maps the state, or as a node itself."""

from collections import Counter
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from typing_extensions import TypedDict

from sg_agent import ScriptedModel, Settings, guided
from sg_agent.graphs import guide

PLAN = "1. Start with the pens.\n2. Add Monday."
BODY = "There are 3 pens. On Monday 4 came. How many?"
THREAD: Any = {"configurable": {"thread_id": "1"}}


class Ticket(TypedDict, total=False):
    """A state that shares no key with ours."""

    body: str
    reply: str | None


class Prepared(TypedDict, total=False):
    """A state that shares `question` and `guidance`, and has `reason`s of its own."""

    question: str
    guidance: str | None
    urgent: bool


def always(text: str) -> ScriptedModel:
    return ScriptedModel(replies=lambda messages: text)


def desk(
    guide_model: ScriptedModel, solver: ScriptedModel, *, review: bool = False, attempts: int = 2
) -> StateGraph[Ticket]:
    """A ticket is answered by `guided`, which a node calls as the function that it is."""
    answering = guided(guide_model, solver, review=review).compile()
    settings = Settings(attempts=attempts)

    def answer(ticket: Ticket) -> Ticket:
        asked = answering.invoke({"question": ticket["body"], "task": "math"}, context=settings)
        return {"reply": asked["answer"]}

    async def answer_async(ticket: Ticket) -> Ticket:
        asked = await answering.ainvoke({"question": ticket["body"], "task": "math"}, context=settings)
        return {"reply": asked["answer"]}

    graph = StateGraph(Ticket)
    graph.add_node("answer", RunnableLambda(answer, answer_async))
    graph.add_edge(START, "answer")
    return graph


def test_a_node_maps_a_state_of_other_keys() -> None:
    solver = always("Answer: 7")
    assert desk(always(PLAN), solver).compile().invoke({"body": BODY}) == {"body": BODY, "reply": "7"}
    assert len(solver.calls) == 2


async def test_it_does_so_async() -> None:
    assert (await desk(always(PLAN), always("Answer: 7")).compile().ainvoke({"body": BODY}))["reply"] == "7"


def test_a_state_of_the_same_keys_takes_the_graph_as_a_node() -> None:
    graph = StateGraph(Prepared)
    graph.add_node("guide", guide(always(PLAN)).compile())
    graph.add_edge(START, "guide")
    output = graph.compile().invoke({"question": BODY, "urgent": True})
    assert output == {"question": BODY, "guidance": PLAN, "urgent": True}


def test_the_tokens_of_guide_and_solver_stream_out_of_the_subgraph() -> None:
    graph = desk(always(PLAN), always("Answer: 7")).compile()
    said: Counter[tuple[str, str]] = Counter()
    stream: Any = graph.stream({"body": BODY}, stream_mode="messages", subgraphs=True)
    for namespace, (chunk, metadata) in stream:
        assert namespace[0].startswith("answer:")
        said[metadata["langgraph_node"], chunk.text.strip()] += 1
    assert said["guide", "Start"] == said["guide", "Monday."] == 1
    assert said["solve", "7"] == 2


def test_a_review_inside_stops_the_graph_around_it_and_its_thread_covers_both() -> None:
    guide_model, solver = ScriptedModel(replies=[PLAN]), always("Answer: 7")
    graph = desk(guide_model, solver, review=True).compile(checkpointer=InMemorySaver())
    (interrupt,) = graph.invoke({"body": BODY}, THREAD)["__interrupt__"]
    assert interrupt.value["guidance"] == PLAN
    inner = graph.get_state(THREAD, subgraphs=True).tasks[0].state
    assert getattr(inner, "next", None) == ("review",)
    (again,) = graph.invoke(Command(resume="yes"), THREAD)["__interrupt__"]
    assert "'yes' was not understood" in again.value["problem"]
    assert graph.invoke(Command(resume={"type": "approve"}), THREAD)["reply"] == "7"
    assert (len(guide_model.calls), len(solver.calls)) == (1, 2)


async def test_a_review_inside_is_decided_async() -> None:
    guide_model, solver = ScriptedModel(replies=[PLAN]), always("Answer: 7")
    graph = desk(guide_model, solver, review=True).compile(checkpointer=InMemorySaver())
    (interrupt,) = (await graph.ainvoke({"body": BODY}, THREAD))["__interrupt__"]
    decision: Any = Command(resume={interrupt.id: {"type": "reject"}})
    assert (await graph.ainvoke(decision, THREAD))["reply"] == "7"
    assert "<guidance>" not in solver.calls[0][-1].text
    assert len(guide_model.calls) == 1


class StoppedOnce(ScriptedModel):
    """Ctrl-C arrives during its first call."""

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        reply = super()._generate(*args, **kwargs)
        if len(self.calls) == 1:
            raise KeyboardInterrupt
        return reply


def test_the_thread_of_the_graph_around_it_keeps_the_guidance_of_a_run_that_was_stopped() -> None:
    guide_model, solver = ScriptedModel(replies=[PLAN]), StoppedOnce(replies=lambda messages: "Answer: 7")
    graph = desk(guide_model, solver, attempts=1).compile(checkpointer=InMemorySaver())
    with pytest.raises(KeyboardInterrupt):
        graph.invoke({"body": BODY}, THREAD)
    assert graph.invoke(None, THREAD)["reply"] == "7"
    assert PLAN in solver.calls[1][-1].text
    assert len(guide_model.calls) == 1
