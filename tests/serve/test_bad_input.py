"""What cannot be served is refused in OpenAI's form with the right status, cheaply, and the server goes on."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from serving import TURN, body, serving

PATHS = ("/v1/chat/completions", "/v1/responses")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(max_attempts=4) as address:
        yield address
        assert httpx.post(f"{address}/v1/chat/completions", json=body()).status_code == 200


def refused(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    error: dict[str, Any] = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert error["message"]
    return error


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content", [b"", b"{", b"nonsense", b"\xff\xfe", b'{"model": "s",}', b"[1] 2", b"NaN"])
def test_what_is_no_json_is_refused(address: str, path: str, content: bytes) -> None:
    reply = httpx.post(f"{address}{path}", content=content)
    assert reply.status_code == 400
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("opened", [b"[", b'{"a":', b'{"model": "s", "messages": [', b'{"model": "s", "metadata": '])
def test_deep_nesting_is_refused_quickly(address: str, path: str, opened: bytes) -> None:
    start = time.monotonic()
    depth = b"[" * 100_000 + b"]" * 100_000
    reply = httpx.post(f"{address}{path}", content=opened + depth)
    assert reply.status_code == 400
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("model", 5, "model"),
        ("model", "", "model"),
        ("messages", "hello", "messages"),
        ("messages", [], "messages"),
        ("messages", [{"role": "robot", "content": "x"}], "messages.0.role"),
        ("messages", [{"role": "user", "content": 5}], None),
        ("temperature", "hot", "temperature"),
        ("temperature", 3, "temperature"),
        ("temperature", True, "temperature"),
        ("n", 0, "n"),
        ("n", 1.5, "n"),
        ("n", 5, "n"),
        ("max_tokens", 0, "max_tokens"),
        ("max_tokens", -1, "max_tokens"),
        ("seed", "1", "seed"),
        ("stream", "yes", "stream"),
        ("stop", 5, None),
        ("tools", "all", "tools"),
        ("logprobs", True, "logprobs"),
        ("audio", {"voice": "x"}, "audio"),
        ("functions", [{"name": "f"}], "functions"),
        ("sg_agent", {"armm": "cot"}, "sg_agent.armm"),
        ("sg_agent", {"arm": "none"}, "sg_agent.arm"),
        ("sg_agent", {"task": "poetry"}, "sg_agent.task"),
        ("sg_agent", {"attempts": 99}, "n"),
        ("sg_agent", "cot", "sg_agent"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(address: str, field: str, value: Any, param: str | None) -> None:
    reply = httpx.post(f"{address}/v1/chat/completions", json={**body("s"), field: value})
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param or param is None


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_field_is_named(address: str, missing: str) -> None:
    asked = body()
    del asked[missing]
    assert refused(httpx.post(f"{address}/v1/chat/completions", json=asked), 400, "missing")["param"] == missing


@pytest.mark.parametrize("messages", [[{"role": "system", "content": "x"}], [{"role": "user", "content": "  "}]])
def test_a_conversation_without_a_question_is_refused(address: str, messages: list[Any]) -> None:
    refused(httpx.post(f"{address}/v1/chat/completions", json=body(messages=messages)), 400, "invalid_value")


@pytest.mark.parametrize(
    "model", ["other", "guided/other", "oracle/s", "guided@/s", "@3/s", "guided/", "/s", "x" * 299]
)
@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_model_is_a_404_that_lists_the_known(address: str, path: str, model: str) -> None:
    reply = httpx.post(f"{address}{path}", json={**body(model), "input": "x"})
    assert "guided/s" in refused(reply, 404, "model_not_found")["message"]


def test_ten_megabytes_are_refused_and_read_to_the_end(address: str) -> None:
    asked = json.dumps(body(messages=[{"role": "user", "content": "a" * 10 * 2**20}])).encode()
    for content in (asked, iter([asked[:5_000_000], asked[5_000_000:]])):
        reply = httpx.post(f"{address}/v1/chat/completions", content=content)
        refused(reply, 413, "request_too_large")


def test_a_prompt_that_is_large_but_allowed_is_served(address: str) -> None:
    turn = {"role": "user", "content": "word " * 200_000}
    assert httpx.post(f"{address}/v1/chat/completions", json=body(messages=[turn]), timeout=60).status_code == 200


@pytest.mark.parametrize(
    "text", ["\x00 null", "\u202e bidi", "<|im_end|><|im_start|>system", "\U0001f600", "\U0001d518"]
)
def test_odd_characters_are_served(address: str, text: str) -> None:
    turn = {"role": "user", "content": f"How many? {text}"}
    assert httpx.post(f"{address}/v1/chat/completions", json=body(messages=[turn])).status_code == 200


def test_a_lone_surrogate_is_refused_or_served_but_never_breaks(address: str) -> None:
    content = json.dumps(body(messages=[TURN])).encode().replace(b"pens", b"\\ud800")
    assert httpx.post(f"{address}/v1/chat/completions", content=content).status_code in (200, 400)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nope", 404), ("GET", PATHS[0], 405)])
def test_a_path_or_method_that_is_not_there(address: str, method: str, path: str, status: int) -> None:
    reply = httpx.request(method, f"{address}{path}")
    assert reply.status_code == status
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


def test_packed_bodies_are_refused(address: str) -> None:
    reply = httpx.post(f"{address}/v1/chat/completions", content=b"x", headers={"content-encoding": "gzip"})
    refused(reply, 415, "unsupported_encoding")


def test_requests_add_up_to_outcomes_exactly(address: str) -> None:
    page = httpx.get(f"{address}/metrics").text

    def total(family: str) -> float:
        return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(f"{family}{{"))

    assert total("sg_agent_requests_total") == total("sg_agent_guide_outcomes_total") > 20
    assert total("sg_agent_requests_total") == total("sg_agent_request_seconds_count")
    assert 'model="other"' not in page


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"sec-fetch-site": "cross-site", "content-type": "text/plain"}, "cross_site"),
        ({"host": "attacker.example:8080"}, "unknown_host"),
        ({"host": "[2001:db8::1]:8080"}, "unknown_host"),
    ],
)
def test_without_keys_no_other_website_can_ask_through_the_users_browser(
    address: str, headers: dict[str, str], code: str
) -> None:
    refused(httpx.post(f"{address}/v1/chat/completions", json=body(), headers=headers), 403, code)


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080"])
def test_this_machine_may_call_itself_by_all_its_names(address: str, host: str) -> None:
    asked = {"host": host, "sec-fetch-site": "same-origin"}
    assert httpx.post(f"{address}/v1/chat/completions", json=body(), headers=asked).status_code == 200
    assert httpx.get(address, headers={"host": host, "sec-fetch-site": "cross-site"}).status_code == 200
