"""The guide as a tool: asked when the solver says so, never more often than allowed in a turn of the user's."""

from pathlib import Path
from typing import Any

import pytest
from agents import ADD, MARKED, PLAN, THREAD, add, calling, guiding
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, SummarizationMiddleware
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from sg_agent import GuidanceMiddleware, ScriptedModel, consult_tool
from sg_agent.errors import ConfigError, DataError
from sg_agent.scripted import Scripted

ASK = ("consult_guide", {"question": "How many pens are there after Monday?"})


def consulted(output: Any) -> list[ToolMessage]:
    """What the tool replied, in order."""
    return [message for message in output["messages"] if message.type == "tool" and message.name == "consult_guide"]


def test_the_solver_asks_and_is_shown_guidance() -> None:
    guide, solver = guiding(), ScriptedModel(replies=[calling(ASK), "7"])
    tool = consult_tool(guide)
    output = create_agent(solver, [add, tool]).invoke({"messages": [HumanMessage("How many?")]})
    (reply,) = consulted(output)
    assert MARKED in reply.text
    assert reply.artifact["guidance"] == PLAN
    assert [record["role"] for record in reply.artifact["ledger"]] == ["guide"]
    assert guide.calls[0][-1].text == "Question: How many pens are there after Monday?"
    assert solver.offered == [["add", "consult_guide"]] * 2
    assert tool.tool_call_schema.model_json_schema()["properties"].keys() == {"question"}  # type: ignore[union-attr]
    assert "twice" in tool.description


@pytest.mark.parametrize("most", [1, 2])
async def test_calls_beyond_the_cap_are_refused_also_when_they_are_made_at_once(most: int) -> None:
    replies: list[Scripted] = [calling(ASK, ("add", {"a": 3, "b": 4}), ASK, ASK), calling(ASK), "7"]
    for run in ("sync", "async"):
        guide = guiding()
        agent: Any = create_agent(ScriptedModel(replies=replies), [add, consult_tool(guide, max_uses_per_turn=most)])
        asked = {"messages": "How many?"}
        output = agent.invoke(asked) if run == "sync" else await agent.ainvoke(asked)
        assert [MARKED in reply.text for reply in consulted(output)] == [True] * most + [False] * (4 - most)
        assert (len(guide.calls), consulted(output)[-1].artifact) == (most, None)
        said = f"There is no guidance: the guide can be asked {'once' if most == 1 else 'twice'} in a turn, and was."
        assert consulted(output)[-1].text.startswith(said)


def test_each_turn_of_a_thread_may_ask_anew(tmp_path: Path) -> None:
    guide, solver = guiding(), ScriptedModel(replies=[calling(ASK), calling(ASK), "7"] * 2)
    with SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
        for _ in range(2):
            agent = create_agent(solver, [consult_tool(guide, max_uses_per_turn=1)], checkpointer=saver)
            output = agent.invoke({"messages": [HumanMessage("How many?")]}, THREAD)
    assert [MARKED in reply.text for reply in consulted(output)] == [True, False] * 2
    assert len(guide.calls) == 2


def test_a_call_that_a_person_declined_counts_and_the_cap_holds_over_an_interrupt() -> None:
    guide, solver = guiding(), ScriptedModel(replies=[calling(ASK, ASK), calling(ASK), "7"])
    review = HumanInTheLoopMiddleware(interrupt_on={"consult_guide": True})
    agent = create_agent(solver, [consult_tool(guide)], middleware=[review], checkpointer=InMemorySaver())
    agent.invoke({"messages": [HumanMessage("How many?")]}, THREAD)
    decided: list[Any] = [[{"type": "reject"}, {"type": "approve"}], [{"type": "approve"}]]
    for decisions in decided:
        output = agent.invoke(Command(resume={"decisions": decisions}), THREAD)
    assert [MARKED in reply.text for reply in consulted(output)].count(True) == len(guide.calls) == 1


def test_where_the_turn_was_summarized_the_guide_is_not_asked_again() -> None:
    guide, solver = guiding(), ScriptedModel(replies=[calling(ASK), ADD, calling(ASK), "7"])
    summary = SummarizationMiddleware(
        ScriptedModel(replies=lambda messages: "Pens were asked for."), trigger=("messages", 4), keep=("messages", 2)
    )
    agent = create_agent(solver, [add, consult_tool(guide, max_uses_per_turn=1)], middleware=[summary])
    output = agent.invoke({"messages": [HumanMessage("How many?")]})
    assert "it cannot be known how often" in consulted(output)[-1].text
    assert len(guide.calls) == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (RuntimeError("no route"), "the guide failed: RuntimeError"),
        (DataError("the prompt has 9999 tokens"), "the guide cannot take this: the prompt has 9999 tokens"),
    ],
)
def test_a_guide_that_fails_is_said_in_a_sentence(reply: Exception, reason: str) -> None:
    solver = ScriptedModel(replies=[calling(ASK), "7"])
    agent = create_agent(solver, [consult_tool(ScriptedModel(replies=[reply]))])
    output = agent.invoke({"messages": [HumanMessage("How many?")]})
    assert consulted(output)[0].text == f"There is no guidance: {reason}. Go on without."
    assert output["messages"][-1].text == "7"


def test_beside_the_middleware_its_calls_are_in_the_same_ledger() -> None:
    guide, solver = guiding(), ScriptedModel(replies=[calling(ASK, ASK), "7"])
    agent = create_agent(solver, [consult_tool(guide)], middleware=[GuidanceMiddleware(guide)])
    output: dict[str, Any] = agent.invoke({"messages": [HumanMessage("How many?")]})
    assert [record["role"] for record in output["guidance_ledger"]] == ["guide"] * 3


def test_it_works_in_a_tool_node_of_ones_own_graph() -> None:
    guide = guiding()
    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode([consult_tool(guide, max_uses_per_turn=1)]))
    graph.add_edge(START, "tools")
    graph.add_edge("tools", END)
    call = AIMessage("", tool_calls=list(calling(ASK, ASK).tool_calls))
    output = graph.compile().invoke({"messages": [HumanMessage("How many?"), call]})
    assert [MARKED in reply.text for reply in consulted(output)] == [True, False]


def test_a_cap_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_uses_per_turn must be at least 1, not 0"):
        consult_tool(guiding(), max_uses_per_turn=0)
