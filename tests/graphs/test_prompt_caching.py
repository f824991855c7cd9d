"""What a hosted solver is sent begins as the call before did, as far as it can: providers cache the longest prefix."""

from collections.abc import Callable
from itertools import takewhile
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver

from sg_agent import GuidanceMiddleware, ScriptedModel, Settings, auto, cot, guided, standard
from sg_agent.gate.decision import GateRoute
from sg_agent.gate.policy import ByFunction
from sg_agent.graphs.build import Graph
from sg_agent.rows import Row, Task

PLANS = ["1. Take the pens.\n2. Add the lamps.", "1. Look at the crates.\n2. Count them."]
REPLY = "So it is.\nAnswer: 7"
TALK = [SystemMessage("Be brief."), HumanMessage("How many pens are there?")]
TASKS: tuple[Task, ...] = ("math", "boolean", "multiple_choice", "multihop_qa", "open")


def guide() -> ScriptedModel:
    written = list(PLANS)
    return ScriptedModel(replies=lambda _: written.pop(0))


ARMS: dict[str, Callable[[ScriptedModel], Graph]] = {
    "standard": standard,
    "cot": cot,
    "guided": lambda solver: guided(guide(), solver),
}


def sent(messages: list[BaseMessage]) -> str:
    """What a provider reads, each block of a message behind its role."""
    return "".join(f"<{message.type}>{block}" for message in messages for block in blocks(message))


def blocks(message: BaseMessage) -> list[str]:
    return [message.content] if isinstance(message.content, str) else [str(block) for block in message.content]


def shared(solver: ScriptedModel, first: int = 0, second: int = 1) -> str:
    """How two calls begin alike."""
    pairs = zip(sent(solver.calls[first]), sent(solver.calls[second]), strict=False)
    return "".join(one for one, other in takewhile(lambda pair: pair[0] == pair[1], pairs))


def ask(graph: Graph, asked: Any, **how: Any) -> None:
    graph.compile().invoke(asked, **how)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("arm", ARMS)
def test_questions_of_a_task_share_all_that_is_not_theirs(arm: str, task: Task) -> None:
    solver = ScriptedModel(replies=[REPLY, REPLY])
    for question in ("Ann had 3 pens?", "Bob had 4 lamps?"):
        choices = {"choices": ["7", "8"]} if task == "multiple_choice" else {}
        ask(ARMS[arm](solver), {"question": question, "task": task, **choices})
    rules = solver.calls[0][0]
    assert rules.type == "system"
    assert shared(solver) == f"<system>{rules.text}<human>Question: "
    if arm == "guided":
        assert solver.calls[0][1].text.index("Ann") < solver.calls[0][1].text.index("<guidance>")


def test_questions_over_the_same_passages_share_them_too() -> None:
    passages = [{"title": "Ann", "text": "Ann lives in Kent."}]
    guides = ScriptedModel(replies=["1. Ann lives in Kent.\n2. Kent is a town."] * 2)
    solver = ScriptedModel(replies=[REPLY, REPLY])
    for question in ("Where does Ann live?", "Is it in Kent?"):
        ask(guided(guides, solver), {"question": question, "context": passages, "task": "multihop_qa"})
    assert shared(solver).endswith("<human>Passages:\nAnn: Ann lives in Kent.\n\nQuestion: ")


def test_examples_are_shared() -> None:
    example = Row(id="e", question="2 and 2?", answer="4", task="math", guidance=PLANS[0]).model_dump()
    solver = ScriptedModel(replies=[REPLY, REPLY])
    for question in ("Ann had 3 pens?", "Bob had 4 lamps?"):
        graph = guided(ScriptedModel(replies=[PLANS[0]]), solver)
        ask(graph, {"question": question, "task": "math"}, context=Settings(examples=[example]))
    assert shared(solver).endswith("Answer: 4<human>Question: ")


@pytest.mark.parametrize("arm", ARMS)
def test_the_next_turn_of_a_conversation_shares_all_but_the_guidance_of_the_last(arm: str) -> None:
    solver = ScriptedModel(replies=["Seven.", "Two.", "Nine."])
    graph = ARMS[arm](solver) if arm != "guided" else guided(ScriptedModel(replies=[*PLANS, PLANS[0]]), solver)
    talk = graph.compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    for turn in ("How many pens are there?", "And crates?", "And in all?"):
        talk.invoke({"messages": [HumanMessage(turn)]}, thread)
    assert shared(solver, 1, 2) == "<human>How many pens are there?<ai>Seven.<human>And crates?"


def test_a_turn_that_goes_another_way_shares_the_conversation_before_it() -> None:
    ways: list[GateRoute] = ["direct", "guided"]

    every_other = ByFunction(lambda _: ways.pop(0))
    solver = ScriptedModel(replies=["Seven.", "Two."])
    graph = auto(ScriptedModel(replies=[PLANS[0]]), solver, policy=every_other)
    talk = [*TALK, AIMessage("Seven."), HumanMessage("And crates?")]
    ask(graph, {"messages": talk})
    ask(graph, {"messages": [*talk, AIMessage("Two."), HumanMessage("In all?")]})
    assert "<guidance>" in solver.calls[1][-1].text
    assert "<guidance>" not in sent(solver.calls[0])
    assert shared(solver).startswith(sent(talk))


def test_an_image_of_a_turn_is_shared_and_guidance_follows_it() -> None:
    image = {"type": "image", "url": "https://example.org/pens.png"}
    turn = HumanMessage([{"type": "text", "text": "How many pens?"}, image])
    solver = ScriptedModel(replies=["Seven.", "Two."])
    graph = guided(guide(), solver)
    talk = [*TALK, AIMessage("?"), turn]
    ask(graph, {"messages": talk})
    ask(graph, {"messages": [*talk, AIMessage("Seven."), HumanMessage("And crates?")]})
    assert shared(solver).startswith(sent(talk))


def test_an_agents_turns_share_all_but_the_guidance_of_the_last() -> None:
    solver = ScriptedModel(replies=["Seven.", "Two."])
    agent = create_agent(solver, [], system_prompt="Be brief.", middleware=[GuidanceMiddleware(guide())])
    output = agent.invoke({"messages": [HumanMessage("How many pens?")]})
    agent.invoke({"messages": [*output["messages"], HumanMessage("And crates?")]})
    assert "<guidance>" in solver.calls[0][-1].text
    assert shared(solver) == "<system>Be brief.<human>How many pens?"
