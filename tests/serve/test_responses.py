"""The Responses API as the official SDK sees it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import BadRequestError, OpenAI
from serving import PLAN, serving, solver
from upstream import Upstream, upstream

from sg_agent.scripted import ScriptedModel, ScriptedReply

QUESTION = "There are 3 pens. 4 came. How many?"
TOOL = {
    "type": "function",
    "name": "count",
    "description": "Counts.",
    "parameters": {"type": "object"},
    "strict": False,
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "count", "arguments": '{"what": "pens"}'}}


@pytest.fixture(scope="module")
def hosted() -> Iterator[Upstream]:
    with upstream() as server:
        yield server


@pytest.fixture(scope="module")
def address(hosted: Upstream) -> Iterator[str]:
    with serving(solvers={"s": solver(), "u": hosted.spec}) as address:
        yield address


@pytest.fixture(scope="module")
def sdk(address: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_guidance_is_a_reasoning_item_and_the_reply_a_message(sdk: Any) -> None:
    response = sdk.responses.create(model="guided/s", input=QUESTION, instructions="Be brief.")
    reasoning, message = response.output
    assert reasoning.type == "reasoning"
    assert reasoning.summary[0].text == PLAN
    assert message.type == "message"
    assert response.output_text == "There are 7 pens."
    assert response.status == "completed"
    assert response.usage
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0


def test_a_stream_has_the_official_order_and_ends_in_the_whole_response(sdk: Any) -> None:
    events = list(sdk.responses.create(model="guided/s", input=QUESTION, stream=True))
    kinds = [event.type for event in events]
    item = ["response.output_item.added", "response.output_item.done"]
    assert kinds == [
        "response.created",
        "response.in_progress",
        item[0],
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        item[1],
        item[0],
        "response.content_part.added",
        *["response.output_text.delta"] * 4,
        "response.output_text.done",
        "response.content_part.done",
        item[1],
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "There are 7 pens."


def test_the_sdks_own_accumulator_reads_the_stream(sdk: Any) -> None:
    with sdk.responses.stream(model="guided/s", input=QUESTION) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert final.output_text == "There are 7 pens."


def test_calls_of_tools_go_out_and_their_results_come_back(sdk: Any, hosted: Upstream) -> None:
    hosted.message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    response = sdk.responses.create(model="guided/u", input=QUESTION, tools=[TOOL])
    call = response.output[-1]
    assert call.type == "function_call"
    assert (call.call_id, call.name, call.arguments) == ("call_1", "count", '{"what": "pens"}')
    assert hosted.asked[-1]["tools"][0]["function"]["name"] == "count"
    events = list(sdk.responses.create(model="guided/u", input=QUESTION, tools=[TOOL], stream=True))
    (done,) = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert done.arguments == '{"what": "pens"}'
    hosted.message = None
    turns = [
        {"role": "user", "content": QUESTION},
        *[item.model_dump(exclude_none=True) for item in response.output],
        {"type": "function_call_output", "call_id": "call_1", "output": "7"},
    ]
    final = sdk.responses.create(model="guided/u", input=turns, tools=[TOOL])
    assert final.output_text == "There are 7 pens."
    assert [turn["role"] for turn in hosted.asked[-1]["messages"]][-3:] == ["user", "assistant", "tool"]


def test_a_text_format_is_the_solvers_response_format(sdk: Any, hosted: Upstream) -> None:
    form = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    sdk.responses.create(model="standard/u", input=QUESTION, text={"format": form}, max_output_tokens=20)
    seen = hosted.asked[-1]
    assert seen["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
    }
    assert seen["max_completion_tokens"] == 20


def test_a_cut_reply_is_incomplete() -> None:
    cut = ScriptedModel(replies=lambda _: ScriptedReply("so far", "length"))
    with serving(solvers={"s": cut}) as address:
        reply = httpx.post(f"{address}/v1/responses", json={"model": "s", "input": QUESTION}).json()
    assert (reply["status"], reply["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


@pytest.mark.parametrize(
    "given",
    [
        {"previous_response_id": "resp_1"},
        {"store": True},
        {"background": True},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        {"input": [{"role": "robot", "content": "x"}]},
        {"input": []},
        {"tools": [{"type": "web_search"}]},
    ],
)
def test_what_needs_state_or_is_not_known_is_refused_by_name(sdk: Any, given: dict[str, object]) -> None:
    with pytest.raises(BadRequestError) as refused:
        sdk.responses.create(**{"model": "s", "input": QUESTION, **given})
    assert str(next(iter(given))) in refused.value.message or given == {"input": []}


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
def test_no_page_loads_scripts_from_elsewhere(path: str, address: str) -> None:
    reply = httpx.get(f"{address}{path}")
    assert (reply.status_code, "see /openapi.json" in reply.json()["error"]["message"]) == (404, True)


def test_both_endpoints_are_in_the_openapi_page(address: str) -> None:
    page = httpx.get(f"{address}/openapi.json").json()
    schemas = page["components"]["schemas"]
    for path in ("/v1/chat/completions", "/v1/responses"):
        schema = page["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert {"model", "sg_agent"} <= set(schemas[schema["$ref"].rpartition("/")[2]]["properties"])
    assert set(re.findall('"#/components/schemas/([^"]*)"', json.dumps(page))) <= set(schemas)
