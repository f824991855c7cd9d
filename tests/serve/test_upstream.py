"""A hosted solver behind the server: what passes through, what its failures become, what a client's leaving stops.

How its overload is waited out is in test_overload.py.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import OpenAI
from serving import TURN, body, serving
from upstream import Upstream, upstream

from sg_agent.scripted import ScriptedModel

TOOL = {"type": "function", "function": {"name": "count", "description": "Counts.", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "count", "arguments": '{"what": "pens"}'}}


@pytest.fixture
def solver() -> Iterator[Upstream]:
    with upstream() as server:
        yield server


@pytest.fixture
def address(solver: Upstream) -> Iterator[str]:
    with serving(solvers={"u": solver.spec}, patience_s=0) as address:
        yield f"{address}/v1/chat/completions"


def test_parameters_reach_the_solver_as_they_are(solver: Upstream, address: str) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
    given = {
        "stop": ["END"], "max_completion_tokens": 9, "temperature": 0.3, "seed": 5, "top_p": 0.9, "tools": [TOOL],
        "tool_choice": "auto", "response_format": schema, "presence_penalty": 0.5, "top_k": 4, "user": "someone",
    }  # fmt: skip
    reply = httpx.post(address, json=body("guided/u", **given))
    assert reply.status_code == 200, reply.text
    (seen,) = solver.asked
    assert {name: seen.get(name) for name in given} == given
    assert "sg_agent" not in seen
    assert reply.json()["usage"]["by_role"]["solver"] == {**USAGE_SEEN, "prompt_tokens_details": {"cached_tokens": 0}}


USAGE_SEEN = {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55}


def test_an_unknown_cost_has_no_header(address: str) -> None:
    reply = httpx.post(address, json=body("standard/u"))
    assert "x-sg-agent-cost-usd" not in reply.headers
    assert reply.json()["sg_agent"]["cost_usd"] is None


def test_tool_calls_come_back_whole_and_streamed(solver: Upstream, address: str) -> None:
    solver.message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    with OpenAI(base_url=address.removesuffix("/chat/completions"), api_key="none", max_retries=0) as client:
        sdk: Any = client
        reply = sdk.chat.completions.create(model="guided/u", messages=[TURN], tools=[TOOL])
        (choice,) = reply.choices
        assert choice.finish_reason == "tool_calls"
        assert choice.message.tool_calls
        whole = choice.message.tool_calls[0].model_dump()
        assert (whole["id"], whole["function"]["name"]) == ("call_1", "count")
        assert json.loads(whole["function"]["arguments"]) == {"what": "pens"}
        chunks = list(sdk.chat.completions.create(model="guided/u", messages=[TURN], tools=[TOOL], stream=True))
    calls = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or []]
    assert calls[0].id == "call_1"
    assert json.loads("".join(call.function.arguments or "" for call in calls if call.function)) == {"what": "pens"}
    assert [c.finish_reason for chunk in chunks for c in chunk.choices][-1] == "tool_calls"


def test_a_tool_loop_goes_on_without_paying_the_guide_again(solver: Upstream, address: str) -> None:
    turns = [TURN, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    turns.append({"role": "tool", "tool_call_id": "call_1", "content": "7"})
    first = httpx.post(address, json=body("guided/u", tools=[TOOL])).json()
    second = httpx.post(address, json=body("guided/u", tools=[TOOL], messages=turns)).json()
    assert first["usage"]["by_role"]["guide"]["total_tokens"] > 0
    assert second["usage"]["by_role"]["guide"]["total_tokens"] == 0
    assert [turn["role"] for turn in solver.asked[1]["messages"]][-3:] == ["user", "assistant", "tool"]


def test_words_are_sent_on_as_the_solver_writes_them(solver: Upstream, address: str) -> None:
    solver.pause_s = 0.3
    came: list[float] = []
    with httpx.stream("POST", address, json=body("standard/u", stream=True)) as reply:
        for line in reply.iter_lines():
            came += [time.monotonic()] if '"content":"' in line else []
    assert len(came) == 4
    assert max(b - a for a, b in zip(solver.sent_at, came, strict=True)) < 0.25


@pytest.mark.parametrize(
    ("upstream_status", "status", "code"),
    [(400, 400, "solver_refused"), (401, 502, "upstream_refused"), (404, 502, "upstream_refused"),
     (500, 502, "upstream_error"), (503, 503, "upstream_unavailable"), (504, 504, "upstream_timeout")],
)  # fmt: skip
def test_a_solvers_failures_have_their_status(
    solver: Upstream, address: str, upstream_status: int, status: int, code: str
) -> None:
    solver.status = upstream_status
    for stream in (False, True):
        reply = httpx.post(address, json=body("standard/u", stream=stream), timeout=30)
        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


def test_a_solver_that_is_down_does_not_stop_the_server() -> None:
    with serving(solvers={"u": "openai:x@http://127.0.0.1:9/v1"}) as address:
        reply = httpx.post(f"{address}/v1/chat/completions", json=body("standard/u"), timeout=30)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "upstream_unavailable")
        assert "--solver" in reply.json()["error"]["message"]
        assert httpx.get(f"{address}/readyz").status_code == 200


def test_a_guide_that_is_down_leaves_the_question_to_the_solver(solver: Upstream) -> None:
    with serving(guide="openai:x@http://127.0.0.1:9/v1", solvers={"u": solver.spec}) as address:
        reply = httpx.post(f"{address}/v1/chat/completions", json=body("guided/u"), timeout=30).json()
    assert reply["sg_agent"]["route"] == "direct"
    assert "the guide failed" in reply["sg_agent"]["reason"]


def test_what_a_failed_guide_said_is_for_nobody_elses_eyes(solver: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    secret = RuntimeError("401 Incorrect key sk-SECRET: see http://10.0.0.7")
    with serving(guide=ScriptedModel(replies=lambda _: secret), solvers={"u": solver.spec}) as address:
        whole, streamed = (
            httpx.post(f"{address}/v1/chat/completions", json=body("guided/u", stream=stream), timeout=30).text
            for stream in (False, True)
        )
    for text in (whole, streamed):
        assert '"the guide failed: RuntimeError"' in text
        assert "SECRET" not in text
    assert "SECRET" not in caplog.text


def test_a_request_over_its_deadline_is_a_504_and_stops_the_solver(solver: Upstream) -> None:
    solver.pause_s = 2
    with serving(solvers={"u": solver.spec}, timeout_s=0.5) as address:
        for stream in (False, True):
            solver.hung_up.clear()
            reply = httpx.post(f"{address}/v1/chat/completions", json=body("standard/u", stream=stream))
            assert (reply.status_code, reply.json()["error"]["code"]) == (504, "timeout")
            assert solver.hung_up.wait(5)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_stops_the_solver(solver: Upstream, stream: bool) -> None:
    solver.pause_s = 1
    with serving(solvers={"u": solver.spec}) as address:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{address}/v1/chat/completions", json=body("standard/u", stream=stream), timeout=0.6)
        assert solver.hung_up.wait(5)
        time.sleep(0.3)
        page = httpx.get(f"{address}/metrics").text
    assert 'sg_agent_requests_total{arm="standard",model="u",status="499"} 1.0' in page
    assert "sg_agent_in_flight 0.0" in page


def test_a_client_that_goes_away_in_the_middle_of_a_stream_stops_the_solver(solver: Upstream) -> None:
    solver.words, solver.pause_s = [f" {i}" for i in range(50)], 0.2
    with serving(solvers={"u": solver.spec}) as address:
        with httpx.stream("POST", f"{address}/v1/chat/completions", json=body("standard/u", stream=True)) as reply:
            next(reply.iter_lines())
        assert solver.hung_up.wait(5)
    assert len(solver.sent_at) < 20


def test_a_stream_that_breaks_off_ends_in_an_error(solver: Upstream, address: str) -> None:
    solver.break_after = 2
    reply = httpx.post(address, json=body("standard/u", stream=True), timeout=30)
    lines = [line.removeprefix("data: ") for line in reply.text.splitlines() if line]
    assert json.loads(lines[-1])["error"]["code"] == "upstream_error"
    assert "[DONE]" not in lines
