"""A conversation instead of a question: guided at the user's last turn, otherwise left as it is."""

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from sg_agent import ScriptedModel, Settings, cot, guided, standard
from sg_agent.errors import DataError

PLAN = "1. Take the pens of Monday.\n2. Add those of Tuesday."
TALK = [SystemMessage("Be brief."), HumanMessage("Hi"), AIMessage("Hello."), HumanMessage("How many pens are there?")]


def ask(
    graph: Any, messages: Sequence[Any], config: Any = None, task: str | None = None, **settings: Any
) -> dict[str, Any]:
    asked = {"messages": messages, **({"task": task} if task else {})}
    output: dict[str, Any] = graph.invoke(asked, config, context=Settings(**settings))
    return output


def seen(model: ScriptedModel, call: int = 0) -> list[tuple[str, Any]]:
    return [(message.type, message.content) for message in model.calls[call]]


def test_a_direct_arm_sends_the_conversation_as_it_is_and_adds_the_reply() -> None:
    solver = ScriptedModel(replies=["Seven pens."])
    output = ask(standard(solver).compile(), TALK)
    assert seen(solver) == [(message.type, message.content) for message in TALK]
    assert [message.text for message in output["messages"]] == [*(m.text for m in TALK), "Seven pens."]
    assert (output["answer"], output["chosen"], output["route"]) == ("Seven pens.", 0, "direct")


def test_the_guide_reads_the_last_turn_and_the_solver_its_guidance_within_the_conversation() -> None:
    guide, solver = ScriptedModel(replies=[PLAN]), ScriptedModel(replies=["Seven."])
    output = ask(guided(guide, solver).compile(), TALK)
    assert "How many pens" in guide.calls[0][-1].text
    assert "Hello" not in "".join(message.text for message in guide.calls[0])
    *earlier, turn = seen(solver)
    assert earlier == [("system", "Be brief."), ("human", "Hi"), ("ai", "Hello.")]
    assert turn[1].startswith("How many pens are there?\n\nGuidance follows the user's message. It is advice")
    assert turn[1].endswith(f"\n\n<guidance>\n{PLAN}\n</guidance>")
    assert output["guidance"] == PLAN
    assert output["messages"][3].text == "How many pens are there?"


def test_chain_of_thought_is_asked_for_in_the_system_message_of_a_first_turn_and_else_in_the_turn() -> None:
    solver = ScriptedModel(replies=["Seven.", "Seven."])
    ask(cot(solver).compile(), [("user", "How many?")])
    assert seen(solver) == [("system", "Think step by step before you answer."), ("human", "How many?")]
    ask(cot(solver).compile(), TALK)
    assert [text for _, text in seen(solver, 1)] == [
        "Be brief.",
        "Hi",
        "Hello.",
        "How many pens are there?\n\nThink step by step before you answer.",
    ]


def test_what_follows_the_turn_is_the_solvers_use_of_tools() -> None:
    call = {"name": "count", "args": {"of": "pens"}, "id": "1", "type": "tool_call"}
    after: list[AnyMessage] = [AIMessage("", tool_calls=[call]), ToolMessage("7", tool_call_id="1")]
    guide, solver = ScriptedModel(replies=[PLAN]), ScriptedModel(replies=["Seven."])
    ask(guided(guide, solver).compile(), [*TALK, *after])
    assert [message.type for message in solver.calls[0]] == ["system", "human", "ai", "human", "ai", "tool"]
    assert "<guidance>" in solver.calls[0][3].text


def test_an_image_stays_in_the_turn() -> None:
    image = {"type": "image", "url": "https://example.org/pens.png"}
    turn = HumanMessage([{"type": "text", "text": "How many pens?"}, image])
    solver = ScriptedModel(replies=["Seven."])
    ask(guided(ScriptedModel(replies=[PLAN]), solver).compile(), [turn])
    assert solver.calls[0][-1].content_blocks[:2] == turn.content
    assert PLAN in solver.calls[0][-1].text.removeprefix("How many pens?\n\n")


def test_a_task_asks_the_last_turn_in_its_form() -> None:
    solver = ScriptedModel(replies=["3 + 4\nAnswer: 7"])
    output = ask(standard(solver).compile(), TALK, task="math")
    assert solver.calls[0][0].text == "Be brief."
    assert "Answer: <number>" in solver.calls[0][-1].text
    assert solver.calls[0][-1].text.endswith("Question: How many pens are there?")
    assert (output["answer"], output["messages"][-1].text) == ("7", "3 + 4\nAnswer: 7")


def test_the_chosen_attempt_is_the_reply() -> None:
    replies = ["Answer: 6", "so\nAnswer: 7", "Answer: 7"]
    solver = ScriptedModel(replies=lambda messages: replies.pop(0))
    output = ask(standard(solver).compile(), TALK, task="math", attempts=3)
    first = min(attempt["index"] for attempt in output["attempts"] if attempt["answer"] == "7")
    assert (output["answer"], output["chosen"]) == ("7", first)
    assert output["messages"][-1].text == output["attempts"][first]["text"]


def test_a_thread_remembers_the_conversation_and_guides_each_turn_once() -> None:
    guide = ScriptedModel(replies=[PLAN, "1. Look at the crates.\n2. Count them."])
    solver = ScriptedModel(replies=["Seven.", "Two."])
    graph = guided(guide, solver).compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    ask(graph, [("user", "How many pens?")], thread)
    output = ask(graph, [("user", "And crates?")], thread)
    assert [message.text for message in output["messages"]] == ["How many pens?", "Seven.", "And crates?", "Two."]
    assert [content for _, content in seen(solver, 1)][:2] == ["How many pens?", "Seven."]
    assert "<guidance>\n1. Look at the crates." in solver.calls[1][-1].text


def test_a_question_on_the_thread_of_a_conversation_is_asked_alone() -> None:
    solver = ScriptedModel(replies=["Seven.", "Answer: 4"])
    graph = standard(solver).compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    ask(graph, [("user", "How many pens?")], thread)
    output = graph.invoke({"question": "What is 2 + 2?", "task": "math"}, thread)
    assert (output["answer"], len(solver.calls[1]), len(output["messages"])) == ("4", 2, 2)


def test_a_graph_over_messages_takes_it_as_a_node() -> None:
    solver = ScriptedModel(replies=["Seven."])
    outer = StateGraph(MessagesState)
    outer.add_node("answer", guided(ScriptedModel(replies=[PLAN]), solver).compile())
    outer.add_edge(START, "answer")
    output = outer.compile().invoke({"messages": [HumanMessage("How many pens?")]})
    assert [message.text for message in output["messages"]] == ["How many pens?", "Seven."]


def test_options_of_the_users_own_reach_the_solver() -> None:
    heard: dict[str, Any] = {}

    class Listening(ScriptedModel):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            heard.update(kwargs, stop=args[1] if len(args) > 1 else kwargs.get("stop"))
            return super()._generate(*args, **kwargs)

    graph = standard(Listening(replies=["Seven."])).compile()
    ask(graph, TALK, solver_options={"stop": ["END"], "top_p": 0.5}, max_tokens=9)
    assert (heard["stop"], heard["top_p"], heard["max_tokens"]) == (["END"], 0.5, 9)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([SystemMessage("Be brief.")], "no turn of the user's"),
        ([HumanMessage("  ")], "last message is empty"),
        ([], "the question is empty"),
    ],
)
def test_a_conversation_without_a_question_is_refused(messages: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ask(standard(ScriptedModel(replies=[])).compile(), messages)
