"""The guide graph: by itself, and as a node of somebody else's graph."""

import asyncio
from typing import Any, TypedDict

import pytest
from langchain_core.messages import HumanMessage
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import CachePolicy

from sg_agent import ScriptedModel, Settings, guide
from sg_agent.errors import BudgetSpent, ConfigError, DataError
from sg_agent.graphs import QuestionInput

PLAN = "1. Start with the pens.\n2. Add Monday."
QUESTION: QuestionInput = {"question": "There are 3 pens. On Monday 4 came. How many?", "task": "math"}


def always(reply: str | Exception) -> ScriptedModel:
    return ScriptedModel(replies=lambda messages: reply)


def test_the_output_is_checked_guidance_and_what_it_took() -> None:
    output = guide(always(PLAN)).compile().invoke(QUESTION)
    assert output.keys() == {"guidance", "reason", "prompts", "ledger"}
    assert output["guidance"] == PLAN
    assert output["reason"] == "guidance passed the check (draft 1 of the guide)"
    assert output["prompts"].keys() == {"guide"}
    assert [(record["role"], "run" in record) for record in output["ledger"]] == [("guide", False)]


def test_a_draft_that_does_not_pass_is_written_once_more() -> None:
    output = guide(ScriptedModel(replies=["Answer: 7", PLAN])).compile().invoke(QUESTION)
    assert (output["guidance"], len(output["ledger"])) == (PLAN, 2)


async def test_guidance_that_is_invalid_twice_is_none_and_the_reason_says_why() -> None:
    output = await guide(ScriptedModel(replies=["Answer: 7", ""])).compile().ainvoke(QUESTION)
    assert (output["guidance"], output["reason"]) == (None, "guidance was not usable: guidance is empty")


def test_a_guide_that_is_down_raises_nothing() -> None:
    output = guide(always(RuntimeError("no route"))).compile().invoke(QUESTION)
    assert (output["guidance"], output["reason"]) == (None, "the guide failed: RuntimeError: «no route»")
    assert output["ledger"][0]["error"] == "RuntimeError: no route"


@pytest.mark.parametrize("error", [ConfigError("no such template"), BudgetSpent("spent")])
def test_user_errors_and_a_spent_budget_are_raised(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        guide(always(error)).compile().invoke(QUESTION)


def test_an_empty_question_is_refused() -> None:
    with pytest.raises(DataError, match="the question is empty"):
        guide(always(PLAN)).compile().invoke({"question": " "})


def test_guidance_from_a_cache_is_free() -> None:
    model, cache = always(PLAN), InMemoryCache[object]()
    graph = guide(model, cache_policy=CachePolicy()).compile(cache=cache)
    first, second = graph.invoke(QUESTION), graph.invoke(QUESTION)
    assert [first["ledger"][0]["cached"], second["ledger"][0]["cached"], len(model.calls)] == [False, True, 1]


async def test_a_timeout_leaves_no_guidance() -> None:
    slow = ScriptedModel(replies=lambda messages: PLAN, latency_s=30)
    output = await asyncio.wait_for(guide(slow, timeout=0.05).compile().ainvoke(QUESTION), 20)
    assert output["guidance"] is None
    assert "NodeTimeoutError" in output["reason"]


class Mine(TypedDict, total=False):
    question: str
    guidance: str | None
    reason: str
    answer: str


class MyContext(TypedDict):
    tenant: str


def test_it_is_a_node_of_a_graph_with_a_state_and_a_context_of_its_own() -> None:
    graph: StateGraph[Mine, MyContext] = StateGraph(Mine, MyContext)
    graph.add_node("guide", guide(always(PLAN)).compile())
    graph.add_node("solve", lambda state: {"answer": f"by {state['guidance']}"})
    graph.add_edge(START, "guide")
    graph.add_edge("guide", "solve")
    graph.add_edge("solve", END)
    compiled = graph.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    for question in ("How many pens?", "How many lamps?"):
        output = compiled.invoke({"question": question}, config, context={"tenant": "a"})
        assert (output["guidance"], output["answer"]) == (PLAN, f"by {PLAN}")


def test_it_can_be_called_from_a_node_of_a_conversation() -> None:
    model = always(PLAN)
    ask = guide(model).compile()

    def advise(state: MessagesState) -> dict[str, Any]:
        text = ask.invoke({"question": state["messages"][-1].text}, context=Settings(guide_max_tokens=64))["guidance"]
        return {"messages": [HumanMessage(f"<guidance>{text}</guidance>")]}

    graph = StateGraph(MessagesState)
    graph.add_node(advise)
    graph.add_edge(START, "advise")
    output = graph.compile().invoke({"messages": [HumanMessage("How many pens?")]})
    assert [message.text for message in output["messages"]] == ["How many pens?", f"<guidance>{PLAN}</guidance>"]
    assert "How many pens?" in model.calls[0][-1].text
