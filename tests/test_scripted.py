"""The scripted model."""

import asyncio
import time

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolCall

from sg_agent.scripted import ScriptedModel, ScriptedReply


def test_replies_come_in_order_and_calls_are_recorded() -> None:
    model = ScriptedModel(replies=["one", "two words"])
    assert [model.invoke("a").text, model.invoke("b c d").text] == ["one", "two words"]
    assert [call[0].text for call in model.calls] == ["a", "b c d"]


def test_a_call_beyond_the_script_fails() -> None:
    model = ScriptedModel(replies=[])
    with pytest.raises(AssertionError, match="call 1 of a model scripted for 0"):
        model.invoke("a")


def test_a_function_replies_to_the_messages() -> None:
    def echo(messages: list[BaseMessage]) -> str:
        return messages[-1].text.upper()

    assert ScriptedModel(replies=echo).invoke([HumanMessage("hello")]).text == "HELLO"


async def test_an_exception_in_the_script_is_raised() -> None:
    model = ScriptedModel(replies=[TimeoutError("slow"), "ok"])
    with pytest.raises(TimeoutError, match="slow"):
        await model.ainvoke("a")
    assert (await model.ainvoke("a")).text == "ok"


def test_usage_counts_words_and_a_reply_may_be_truncated() -> None:
    reply = ScriptedModel(replies=[ScriptedReply("a b c", finish="length")]).invoke("two words")
    assert reply.usage_metadata == {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}
    assert reply.response_metadata["finish_reason"] == "length"


async def test_a_stream_goes_word_by_word() -> None:
    model = ScriptedModel(replies=["one two\n three ", "one two\n three "])
    chunks = [chunk async for chunk in model.astream("a")]
    assert [chunk.text for chunk in chunks] == ["one", " two", "\n three", " ", ""]
    full = sum(chunks[1:], chunks[0])
    assert full.usage_metadata == {"input_tokens": 1, "output_tokens": 3, "total_tokens": 4}
    assert "".join(chunk.text for chunk in model.stream("a")) == full.text


async def test_latency_delays_calls_without_blocking_the_loop() -> None:
    model = ScriptedModel(replies=["x"] * 11, latency_s=0.1)
    start = time.perf_counter()
    replies: list[AIMessage] = await asyncio.gather(*[model.ainvoke("a") for _ in range(10)])
    assert len(replies) == 10
    assert 0.1 <= time.perf_counter() - start < 0.8
    model.invoke("a")
    assert time.perf_counter() - start >= 0.2


def test_a_reply_may_call_tools_and_the_tools_that_were_offered_are_recorded() -> None:
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    calls = [ToolCall(name="add", args={"a": i, "b": 2}, id=str(i), type="tool_call") for i in range(2)]
    model = ScriptedModel(replies=[ScriptedReply("Let me add.", tool_calls=calls)] * 2 + ["3"])
    assert model.bind_tools([add]).invoke("a").tool_calls == calls
    chunks = list(model.bind_tools([add]).stream("a"))
    full = sum(chunks[1:], chunks[0])
    assert isinstance(full, AIMessageChunk)
    assert (full.text, full.tool_calls) == ("Let me add.", calls)
    model.invoke("a")
    assert model.offered == [["add"], ["add"], []]
