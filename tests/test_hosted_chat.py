"""Our ChatOpenAI beside LangChain's own: what either sends, reads and raises is the same."""

import json
from typing import Any

import openai
import pytest
from faulty_server import Act, FaultyServer, faulty_server
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI as LangChainsChatOpenAI

from sg_agent.hosted import ChatOpenAI

WEATHER = {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": {}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
TALK: list[BaseMessage] = [SystemMessage("Be brief."), HumanMessage("How many?")]
COUNTED = {
    "prompt_tokens": 50,
    "completion_tokens": 5,
    "total_tokens": 55,
    "prompt_tokens_details": {"cached_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def replied(*messages: dict[str, Any], **more: Any) -> Act:
    choices = [
        {"index": number, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
        for number, message in enumerate(messages)
    ]
    return Act(body=json.dumps({"id": "call", "model": "m-2026", "choices": choices, **more}))


def both(server: FaultyServer, **settings: Any) -> list[LangChainsChatOpenAI]:
    settings = {"model": "m", "base_url": server.base_url, "api_key": "none", "max_retries": 0, **settings}
    return [LangChainsChatOpenAI(**settings), ChatOpenAI(**settings)]


def told(result: ChatResult) -> list[dict[str, Any]]:
    """What LangChain reads of a reply, without the empty fields that its client's types add to it."""

    def said(value: Any) -> Any:
        return (
            {key: said(each) for key, each in value.items() if each not in (None, "")}
            if isinstance(value, dict)
            else value
        )

    assert result.llm_output is not None
    whole = [{**each.message.model_dump(), "info": each.generation_info} for each in result.generations]
    return [said({key: value for key, value in one.items() if key != "id"}) for one in (*whole, result.llm_output)]


REPLIES = {
    "plain": replied(
        {"content": "Answer: 7", "refusal": None}, usage=COUNTED, system_fingerprint="fp", service_tier="flex"
    ),
    "refused": replied({"content": None, "refusal": "I will not."}, usage=COUNTED),
    "tools": replied({"content": None, "tool_calls": [CALL, {**CALL, "id": "c2"}]}, usage=COUNTED),
    "several": replied({"content": "Answer: 7"}, {"content": "Answer: 8"}),
    "reasoning of a server that has it": replied({"content": "7", "reasoning_content": "3 and 4"}),
}


@pytest.mark.parametrize("act", REPLIES.values(), ids=list(REPLIES))
@pytest.mark.parametrize(
    "settings",
    [{}, {"temperature": 0.5, "seed": 3, "max_tokens": 9}, {"extra_body": {"top_k": 4}}, {"logprobs": True}],
    ids=str,
)
async def test_a_reply_is_asked_for_and_read_as_langchain_does(act: Act, settings: dict[str, Any]) -> None:
    with faulty_server(act) as server:
        results = [
            await model._agenerate(TALK, stop=["\n\n"], tools=[WEATHER], n=2) for model in both(server, **settings)
        ]
    theirs, ours = map(told, results)
    assert ours == theirs
    assert server.asked[0] == server.asked[1]


BROKEN = {
    "an error in place of choices": Act(body='{"error": {"message": "no"}}'),
    "choices null": Act(body='{"choices": null}'),
    "a list": Act(body="[1]"),
    "a page": Act(body="<html>", headers={"content-type": "text/html"}),
    "cut": Act(body='{"choices": [{"mess'),
    "key": Act(status=401),
    "gone": Act(status=404),
    "busy": Act(status=429),
    "down": Act(status=503),
    "too long": Act(status=400, error={"message": "context_length_exceeded"}),
}


@pytest.mark.parametrize("act", BROKEN.values(), ids=list(BROKEN))
async def test_a_fault_is_told_as_langchain_does(act: Act) -> None:
    raised = []
    with faulty_server(act) as server:
        for model in both(server):
            with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is what the test compares
                await model._agenerate(TALK)
            raised.append((type(caught.value), str(caught.value).partition("Full response keys")[0]))
    assert raised[0] == raised[1]


async def test_a_reply_without_choices_is_an_error() -> None:
    with faulty_server(Act(body="{}")) as server, pytest.raises(KeyError, match="choices"):
        await both(server)[1].ainvoke(TALK)


async def test_a_question_that_is_too_long_is_told_in_langchains_words() -> None:
    with faulty_server(BROKEN["too long"]) as server, pytest.raises(ContextOverflowError):
        await both(server)[1].ainvoke(TALK)


async def test_a_server_that_is_down_is_a_broken_connection() -> None:
    model = ChatOpenAI(model="m", base_url="http://127.0.0.1:9/v1", api_key="none", max_retries=0)  # type: ignore[arg-type]
    with pytest.raises(openai.APIConnectionError):
        await model.ainvoke("How many?")


async def test_the_form_of_a_reply_and_its_headers_are_langchains_own_business() -> None:
    with faulty_server(replied({"content": '{"n": 7}'})) as server:
        asked = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
        formed = await both(server)[1].ainvoke(TALK, response_format=asked)
        (headed,) = (await both(server, include_response_headers=True)[1]._agenerate(TALK)).generations
    assert isinstance(formed, AIMessage)
    assert formed.text == '{"n": 7}'
    assert server.asked[0]["response_format"] == asked
    assert (headed.generation_info or {})["headers"]["content-type"] == "application/json"
