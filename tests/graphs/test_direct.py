"""The standard and cot graphs, and streaming of all three."""

from typing import Any

import pytest

from sg_agent import ScriptedModel, cot, guided, standard
from sg_agent.graphs import QuestionInput

QUESTION: QuestionInput = {"question": "How many?", "task": "math"}


@pytest.mark.parametrize(("factory", "phase", "words"), [(standard, "standard", "only"), (cot, "cot", "step by step")])
def test_a_direct_arm_asks_the_solver_once_with_its_own_prompt(factory: Any, phase: str, words: str) -> None:
    solver = ScriptedModel(replies=lambda messages: "Answer: 7")
    output = factory(solver).compile().invoke(QUESTION)
    assert (output["answer"], output["route"], output["guidance"]) == ("7", "direct", None)
    assert output["prompts"].keys() == {phase}
    assert words in solver.calls[0][0].text


def streamed(chunks: list[Any]) -> list[tuple[str, str]]:
    return [(metadata["langgraph_node"], message.text) for message, metadata in chunks if message.text]


def test_guidance_tokens_stream_before_answer_tokens() -> None:
    graph = guided(
        ScriptedModel(replies=lambda messages: "1. Look.\n2. Count."),
        ScriptedModel(replies=lambda messages: "Answer: 7"),
    ).compile()
    parts = streamed(list(graph.stream(QUESTION, stream_mode="messages")))
    nodes = [node for node, _ in parts]
    assert nodes == ["guide"] * nodes.count("guide") + ["solve"] * nodes.count("solve")
    assert nodes.count("guide") > 1
    assert "".join(text for node, text in parts if node == "guide") == "1. Look.\n2. Count."
    assert "".join(text for node, text in parts if node == "solve") == "Answer: 7"


async def test_async_streams_the_same_tokens() -> None:
    graph = guided(
        ScriptedModel(replies=lambda messages: "1. Look.\n2. Count."),
        ScriptedModel(replies=lambda messages: "Answer: 7"),
    ).compile()
    parts = streamed([chunk async for chunk in graph.astream(QUESTION, stream_mode="messages")])
    assert parts == streamed(list(graph.stream(QUESTION, stream_mode="messages")))
