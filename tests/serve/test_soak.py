"""Two thousand requests while the models fail as hosted ones do: each ends well or in an error as OpenAI gives it, in
time; nothing is left behind; and what the server counted is what its clients saw."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import pytest
import uvicorn
from faulty_server import faulty_server
from prometheus_client.parser import text_string_to_metric_families
from sums import FAULTS, HANG_S, FaultyAdder

from sg_agent.serve.app import create_app
from sg_agent.serve.config import ServeConfig

REQUESTS, IN_FLIGHT, WARM_UP = 2000, 50, 100
TIMEOUT_S, CALL_TIMEOUT_S, SLACK_S, CLIENT_S = 10.0, 4.0, 2.0, 120.0
STATUS = {
    "timeout": 504,
    "upstream_timeout": 504,
    "rate_limit_exceeded": 429,
    "upstream_error": 502,
    "upstream_unavailable": 503,
}
"""The status of each error that may come, which a stream that has begun cannot tell."""


@dataclass(frozen=True)
class Seen:
    """A request as its client saw it: status 200 is a right answer."""

    arm: str
    status: int
    seconds: float
    retries: int


@asynccontextmanager
async def server(base_url: str) -> AsyncIterator[str]:
    """The server in this event loop, so that its tasks can be counted."""
    models: dict[str, Any] = {"guide": f"openai:guide@{base_url}", "solvers": {"s": f"openai:solver@{base_url}"}}
    config = ServeConfig(**models, timeout_s=TIMEOUT_S, call_timeout_s=CALL_TIMEOUT_S, guide_timeout_s=CALL_TIMEOUT_S)
    app = create_app(config)
    running = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    task = asyncio.create_task(running.serve())
    while not running.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    finally:
        running.should_exit = True
        await task


async def ask(client: httpx.AsyncClient, number: int) -> Seen:
    """One request; raises AssertionError for a reply that is neither right nor an error as it should be."""
    arm, stream = ("guided", "standard")[number % 2], number % 4 > 1
    a, b, start = number, number % 97, time.monotonic()
    asked = {"model": f"{arm}/s", "stream": stream, "messages": [{"role": "user", "content": f"what is {a} + {b}?"}]}
    reply = await client.post("/v1/chat/completions", json=asked)
    seconds = time.monotonic() - start
    text, told, error = read_stream(reply.text) if stream and reply.status_code == 200 else read_whole(reply.json())
    if error is None:
        assert reply.status_code == 200
        assert text.strip().endswith(f"Answer: {a + b}"), reply.text
        return Seen(arm, 200, seconds, told["retries"])
    assert set(error) == {"message", "type", "param", "code"}, error
    assert error["message"]
    assert error["type"] in ("server_error", "rate_limit_error"), error
    status = STATUS[error["code"]]
    assert reply.status_code in ((200, status) if stream else (status,))
    return Seen(arm, status, seconds, 0)


def read_whole(body: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any] | None]:
    if "error" in body:
        return "", {}, body["error"]
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "stop", body
    return choice["message"]["content"], body["sg_agent"], None


def read_stream(body: str) -> tuple[str, dict[str, Any], dict[str, Any] | None]:
    events = [line.removeprefix("data: ") for line in body.splitlines() if line]
    if events[-1] != "[DONE]":
        return "", {}, json.loads(events[-1])["error"]
    chunks = [json.loads(event) for event in events[:-1]]
    deltas = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]
    return "".join(deltas), chunks[-1]["sg_agent"], None


async def ask_all(client: httpx.AsyncClient, numbers: range) -> list[Seen]:
    places = asyncio.Semaphore(IN_FLIGHT)

    async def placed(number: int) -> Seen:
        async with places:
            return await ask(client, number)

    return await asyncio.gather(*map(placed, numbers))


@asynccontextmanager
async def lag() -> AsyncIterator[list[float]]:
    """The seconds by which this event loop was late meanwhile: the machine may have other work."""
    late = [0.0]

    async def watch() -> None:
        while True:
            start = time.monotonic()
            await asyncio.sleep(0.05)
            late.append(time.monotonic() - start - 0.05)

    task = asyncio.create_task(watch())
    try:
        yield late
    finally:
        task.cancel()


def open_things() -> dict[str, int]:
    """What could leak."""
    process = psutil.Process()
    connections = process.net_connections("tcp")
    return {
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "files": process.num_fds(),
        "connections": sum(each.status != "LISTEN" for each in connections),
    }


async def settled(most: dict[str, int]) -> dict[str, int]:
    """What is still open beyond `most`, after waiting for it to close."""
    until = time.monotonic() + HANG_S + 5
    while True:
        left = {name: count for name, count in open_things().items() if count > most[name]}
        if not left or time.monotonic() > until:
            return left
        await asyncio.sleep(0.2)


def counted(page: str) -> dict[str, Counter[tuple[str, ...]]]:
    """The samples of /metrics by name: their arm and status where they have one."""
    found: dict[str, Counter[tuple[str, ...]]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = tuple(sample.labels[name] for name in ("arm", "status") if name in sample.labels)
            found.setdefault(sample.name, Counter())[labels] += round(sample.value)
    return found


@pytest.mark.slow
async def test_every_request_ends_well_or_in_a_proper_error_and_is_counted_once() -> None:
    adder = FaultyAdder(seed=0)
    with faulty_server(by=adder) as upstream:
        async with server(upstream.base_url) as address:
            async with httpx.AsyncClient(base_url=address, timeout=CLIENT_S) as client:
                warm = await ask_all(client, range(REQUESTS, REQUESTS + WARM_UP))
            assert not await settled({**open_things(), "connections": 0})
            before = open_things()
            async with httpx.AsyncClient(base_url=address, timeout=CLIENT_S) as client:
                async with lag() as lags:
                    seen = await ask_all(client, range(REQUESTS))
                page = (await client.get("/metrics")).text
            assert not await settled(before)
    assert set(adder.given) == {*FAULTS, "answered"}
    assert max(each.seconds for each in seen) < TIMEOUT_S + SLACK_S + 10 * max(lags)
    check_counts([*warm, *seen], counted(page))
    ended = Counter(each.status for each in seen)
    assert ended[200] > 0.9 * (REQUESTS - ended[504]), ended  # by retries: 15 % of the calls are refused


def check_counts(seen: list[Seen], metrics: dict[str, Counter[tuple[str, ...]]]) -> None:
    by_arm = Counter((each.arm,) for each in seen)
    assert metrics["sg_agent_requests_total"] == Counter((each.arm, str(each.status)) for each in seen)
    assert metrics["sg_agent_request_seconds_count"] == by_arm
    assert metrics["sg_agent_guide_outcomes_total"] == by_arm
    assert metrics["sg_agent_retries_total"].total() == sum(each.retries for each in seen)
    assert metrics["sg_agent_in_flight"].total() == 0
