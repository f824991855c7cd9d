"""A fallback answers where the solver fails, streamed or not; what was streamed already is never mixed with it."""

import json
from typing import Any

import httpx
import pytest
from faulty_server import Act, faulty_server
from serving import body, guide, serving, solver

from sg_agent.scripted import ScriptedModel

DOWN = "openai:u@http://127.0.0.1:9/v1"


def ask(address: str, model: str = "standard/u", **more: Any) -> httpx.Response:
    return httpx.post(f"{address}/v1/chat/completions", json=body(model, **more), timeout=60)


def chunks(reply: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in reply.text.splitlines() if line]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def contents(reply: httpx.Response, index: int) -> list[str]:
    choices = [choice for chunk in chunks(reply) for choice in chunk.get("choices", [])]
    said = [choice["delta"].get("content") for choice in choices if choice["index"] == index]
    return [text for text in said if text]


def last_choice(reply: httpx.Response) -> dict[str, Any]:
    """How a stream ended that ended well."""
    assert reply.text.rstrip().endswith("data: [DONE]"), reply.text
    choices: list[dict[str, Any]] = [choice for chunk in chunks(reply) for choice in chunk["choices"]]
    return choices[-1]


@pytest.mark.parametrize("arm", ["standard", "guided"])
def test_the_fallback_answers_where_the_solver_is_down(arm: str) -> None:
    with serving(guide=guide(), solvers={"u": DOWN}, fallback=solver("There are 7.")) as address:
        reply = ask(address, f"{arm}/u").json()
        streamed = ask(address, f"{arm}/u", stream=True)
    assert reply["choices"][0]["message"]["content"] == "There are 7."
    assert "fallback" in reply["sg_agent"]["reason"]
    assert "".join(contents(streamed, 0)) == "There are 7."
    assert len(contents(streamed, 0)) > 1, "word by word"
    assert last_choice(streamed)["finish_reason"] == "stop"


@pytest.mark.parametrize("arm", ["standard", "guided"])
def test_a_stream_of_the_fallback_is_completed_as_a_response_too(arm: str) -> None:
    asked = {"model": f"{arm}/u", "input": "How many?", "stream": True}
    with serving(guide=guide(), solvers={"u": DOWN}, fallback=solver("There are 7.")) as address:
        reply = httpx.post(f"{address}/v1/responses", json=asked, timeout=60)
        page = httpx.get(f"{address}/metrics").text
    last = json.loads(reply.text.rstrip().rpartition("data: ")[2])
    assert last["type"] == "response.completed"
    assert last["response"]["output"][-1]["content"][0]["text"] == "There are 7."
    assert f'sg_agent_requests_total{{arm="{arm}",model="u",status="200"}} 1.0' in page


def test_each_attempt_has_its_own_fallback() -> None:
    with serving(solvers={"u": DOWN}, fallback=solver("There are 7.")) as address:
        assert [choice["index"] for choice in ask(address, n=2).json()["choices"]] == [0, 1]
        streamed = ask(address, n=2, stream=True)
    assert ["".join(contents(streamed, index)) for index in (0, 1)] == ["There are 7."] * 2
    assert last_choice(streamed)["finish_reason"] == "stop"


@pytest.mark.parametrize("n", [1, 2])
def test_a_stream_that_broke_off_is_not_continued_by_the_fallback(n: int) -> None:
    with (
        faulty_server(Act("I add the two and", cut=1)) as server,
        serving(solvers={"u": f"openai:u@{server.base_url}"}, fallback=solver("There are 7.")) as address,
    ):
        last = chunks(ask(address, n=n, stream=True))[-1]
    assert last["error"]["code"] == "upstream_error"


def test_a_fallback_that_fails_too_is_an_error_of_the_server() -> None:
    def fail(_: object) -> str:
        raise ConnectionError("gone")

    with serving(solvers={"u": DOWN}, fallback=ScriptedModel(replies=fail)) as address:
        assert ask(address).status_code == 503
