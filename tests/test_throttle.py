"""Overload: waited out, never an error record while the server recovers, and not asked about when it cannot."""

import asyncio
import random
import selectors
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_server import ChatServer, Refusal, chat_server

from sg_agent import limit
from sg_agent import throttle as throttling
from sg_agent.errors import RunError
from sg_agent.evals.config import EvalConfig
from sg_agent.evals.run import run_eval
from sg_agent.faults import overloaded, retry_after
from sg_agent.throttle import Throttle

# Inspect AI leaves streams to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")


class Refused(Exception):
    """As the clients of providers raise it."""

    def __init__(self, status: int, *, code: str | None = None, **headers: str) -> None:
        super().__init__(f"status {status}")
        self.status_code, self.code = status, code
        self.response = httpx.Response(status, headers={name.replace("_", "-"): text for name, text in headers.items()})


class Server:
    """Refuses the first calls, each for its reason."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = [*refusals]
        self.times: list[float] = []

    async def ask(self) -> str:
        self.times.append(time.monotonic())
        await asyncio.sleep(0.001)
        if self.refusals:
            raise self.refusals.pop(0)
        return "reply"


@pytest.mark.parametrize("status", [429, 502, 503, 504, 529])
async def test_a_refused_call_is_made_again(status: int) -> None:
    server = Server(Refused(status, retry_after_ms="10"), Refused(status, retry_after_ms="10"))
    assert await Throttle(f"again-{status}", 4).call(server.ask) == "reply"
    assert len(server.times) == 3


async def test_all_calls_wait_as_long_as_retry_after_says() -> None:
    server, throttle = Server(Refused(429, retry_after_ms="300")), Throttle("waits", 4)
    first = asyncio.create_task(throttle.call(server.ask))
    await asyncio.sleep(0.1)
    assert await throttle.call(server.ask) == await first == "reply"
    assert min(server.times[1:]) - server.times[0] >= 0.3


async def test_a_refusal_between_answers_holds_up_nobody_else() -> None:
    server, throttle = Server(Refused(429)), Throttle("alone", 1)
    first = asyncio.create_task(throttle.call(server.ask))
    await asyncio.sleep(0.05)
    start = time.monotonic()
    assert await throttle.call(server.ask) == "reply"  # the refused one holds no place while it waits
    assert time.monotonic() - start < 0.5
    assert await first == "reply"
    assert server.times[2] - server.times[0] >= throttling.FIRST_PAUSE_S


class Jumping(selectors.SelectSelector):
    """Waits for no timer: its clock, in seconds, jumps to when the next is due."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing will ever happen"
        self.now += timeout
        return super().select(0)


class Simulated(asyncio.SelectorEventLoop):
    """An event loop by that clock: how long something takes does not depend on the machine."""

    def __init__(self, clock: Jumping) -> None:
        self.time = clock.monotonic  # type: ignore[method-assign]
        super().__init__(clock)


def test_a_healthy_server_that_refuses_one_call_in_ten_is_kept_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, drawn = Jumping(), random.Random(0)
    monkeypatch.setattr(throttling, "time", clock)
    monkeypatch.setattr(limit, "time", clock)
    monkeypatch.setattr(throttling, "random", random.Random(1))
    throttle = Throttle("one in ten", 20)

    async def ask() -> str:
        await asyncio.sleep(0.01)
        if drawn.random() < 0.1:
            raise Refused(429)
        return "reply"

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(throttle.call(ask) for _ in range(2000)))

    with asyncio.Runner(loop_factory=lambda: Simulated(clock)) as runner:
        assert runner.run(all_of_them()) == ["reply"] * 2000
    assert throttle.load.refused > 150
    assert clock.now < 10  # 1 s by itself, and the last ones' pauses; 90 s if all calls paused each time
    assert throttle.load.limit > 10


async def test_one_refusal_after_the_other_makes_all_calls_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "FIRST_PAUSE_S", 0.3)
    server, throttle = Server(*(Refused(503) for _ in range(throttling.REFUSES_ALL))), Throttle("nobody", 20)
    refused = [asyncio.create_task(throttle.call(server.ask)) for _ in range(throttling.REFUSES_ALL)]
    await asyncio.sleep(0.05)
    assert await asyncio.gather(throttle.call(server.ask), *refused) == ["reply"] * (throttling.REFUSES_ALL + 1)
    assert min(server.times[throttling.REFUSES_ALL :]) - server.times[0] >= 0.3
    assert throttle.load.limit < 20


async def test_without_retry_after_the_pause_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "FIRST_PAUSE_S", 0.05)
    server = Server(Refused(429), Refused(429), Refused(429))
    await Throttle("doubles", 1).call(server.ask)
    gaps = [later - earlier for earlier, later in zip(server.times, server.times[1:], strict=False)]
    assert gaps[0] >= 0.05
    assert gaps[1] >= 0.1
    assert gaps[2] >= 0.2


async def test_one_burst_is_one_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "FIRST_PAUSE_S", 0.1)
    server, throttle = Server(*(Refused(429) for _ in range(20))), Throttle("burst", 20)
    start = time.monotonic()
    assert await asyncio.gather(*(throttle.call(server.ask) for _ in range(20))) == ["reply"] * 20
    assert time.monotonic() - start < 5  # twenty doublings would take a day


@pytest.mark.parametrize(
    "error", [Refused(429, code="insufficient_quota"), Refused(400), Refused(500), ValueError("no status")]
)
async def test_what_waiting_does_not_heal_is_raised_at_once(error: Exception) -> None:
    with pytest.raises(type(error)):
        await Throttle("at-once", 4).call(Server(error).ask)


async def test_patience_ends_when_the_model_answers_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "FIRST_PAUSE_S", 0.01)
    server, throttle = Server(*(Refused(429) for _ in range(1000))), Throttle("silent", 4, patience_s=0.2)
    with pytest.raises(RunError, match=r"silent is overloaded, .* calls in vain: status 429"):
        await throttle.call(server.ask)
    asked = len(server.times)
    with pytest.raises(RunError, match="silent is overloaded") as raised:
        await throttle.call(server.ask)
    assert len(server.times) == asked
    assert overloaded(raised.value), "a budget must see that the call was refused, and so free"


async def test_a_model_that_was_given_up_is_tried_again_later_and_then_serves_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(throttling, "LONGEST_PAUSE_S", 0.2)
    server, throttle = Server(Refused(429, retry_after="86400")), Throttle("back", 4)
    for _ in range(2):
        with pytest.raises(RunError, match="is overloaded"):
            await throttle.call(server.ask)
    assert len(server.times) == 1
    await asyncio.sleep(0.25)
    assert await throttle.call(server.ask) == "reply"
    assert await asyncio.gather(*(throttle.call(server.ask) for _ in range(3))) == ["reply"] * 3
    assert throttle.load[:3] == (4, 1, 0)


async def test_a_wait_beyond_all_patience_is_not_begun() -> None:
    start = time.monotonic()
    with pytest.raises(RunError, match="is overloaded"):
        await Throttle("too-long", 4).call(Server(Refused(429, retry_after="86400")).ask)
    assert time.monotonic() - start < 5


async def test_calls_in_flight_go_down_and_come_back_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "COOLDOWN_S", 0.0)
    throttle, in_flight = Throttle("down-and-up", 8), list[int]()
    now = 0

    async def ask() -> str:
        nonlocal now
        now += 1
        in_flight.append(now)
        await asyncio.sleep(0.001)
        now -= 1
        return "reply"

    async def refuse() -> str:
        if not refusals:
            return await ask()
        raise refusals.pop()

    refusals = [Refused(429, retry_after_ms="1") for _ in range(3)]
    await asyncio.gather(throttle.call(refuse), throttle.call(refuse), throttle.call(refuse))
    in_flight.clear()
    await asyncio.gather(*(throttle.call(ask) for _ in range(200)))
    assert max(in_flight[:4]) <= 2
    assert max(in_flight) == 8


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after_ms": "250", "retry_after": "1"}, 0.25),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(Refused(429, **headers)) == seconds


def test_a_cause_tells_of_the_overload() -> None:
    error = RuntimeError("wrapped")
    error.__cause__ = Refused(429, retry_after="3")
    assert overloaded(error)
    assert retry_after(error) == 3.0


class Crowded:
    """A server that takes `most` calls at a time and refuses the rest."""

    def __init__(self, most: int) -> None:
        self.places = threading.Semaphore(most)
        self.refused = 0

    def reply(self, body: dict[str, Any]) -> str | Refusal:
        if not self.places.acquire(blocking=False):
            self.refused += 1
            return Refusal(429, {"retry-after-ms": "50"})
        time.sleep(0.02)
        self.places.release()
        return "Answer: 1"


@contextmanager
def crowded(most: int) -> Iterator[tuple[Crowded, ChatServer]]:
    world = Crowded(most)
    with chat_server(world.reply) as server:
        yield world, server


def test_a_crowded_server_leaves_no_error_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "COOLDOWN_S", 0.2)
    with crowded(2) as (world, server):
        spec = f"openai:solver@{server.base_url}"
        config = EvalConfig(
            "depot", arms=("standard", "cot"), solver=spec, limit=12, concurrency=12, out=tmp_path / "run"
        )
        result = run_eval(config)
    assert world.refused > 0
    assert [(arm["n"], arm["errors"]) for arm in result["arms"].values()] == [(12, 0), (12, 0)]
    assert len(server.asked) == 24 + world.refused
