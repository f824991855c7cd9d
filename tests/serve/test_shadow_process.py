"""Shadows of the command itself: killed while they are written, stopped while they run, feedback between workers."""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_server import ChatServer, chat_server
from serve_command import command

from sg_agent.gate.live import LiveFolder

PLAN = "1. Add what came.\n2. Subtract what went."
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="no such signals")]


class Pair:
    """A guide and a solver of HTTP; the guide takes `guide_s`, which only shadows of `cot` wait for."""

    def __init__(self) -> None:
        self.guide_s = 0.0
        self.guiding = threading.Event()

    def __call__(self, asked: dict[str, Any]) -> str:
        if asked["model"] != "guide":
            return "Answer: 7"
        self.guiding.set()
        time.sleep(self.guide_s)
        return PLAN


@pytest.fixture
def pair() -> Iterator[tuple[Pair, ChatServer]]:
    reply = Pair()
    with chat_server(reply) as server:
        yield reply, server


def flags(server: ChatServer, folder: Path, *more: str) -> list[str]:
    prices = folder / "prices.yaml"
    prices.write_text("".join(f'- {{model: "openai:{name}", input: 0, output: 0}}\n' for name in ("guide", "solver")))
    models = ["--guide", f"openai:guide@{server.base_url}", "--solver", f"s=openai:solver@{server.base_url}"]
    shadow = ["--shadow", "1", "--shadow-max-usd", "1", "--shadow-out", str(folder / "out"), "--prices", str(prices)]
    return [*models, *shadow, *more]


def ask(address: str) -> str:
    turn = {"role": "user", "content": f"There are 3 kumquats. {time.monotonic()} came. How many?"}
    asked = {"model": "cot/s", "messages": [turn], "max_tokens": 9, "sg_agent": {"task": "math"}}
    reply = httpx.post(f"{address}/v1/chat/completions", json=asked, timeout=60)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["id"])


def lines(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (folder / "out" / "solver-s").glob("*.jsonl"))


def until_lines(folder: Path, count: int) -> None:
    end = time.monotonic() + 30
    while lines(folder) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_kill_9_leaves_whole_lines_and_the_next_server_goes_on(pair: tuple[Pair, ChatServer], tmp_path: Path) -> None:
    answered: list[str] = []
    for _ in range(2):
        with command(*flags(pair[1], tmp_path)) as server:
            before, stop = lines(tmp_path), threading.Event()

            def keep_asking(address: str = server.address, stop: threading.Event = stop) -> None:
                while not stop.is_set():
                    try:
                        answered.append(ask(address))
                    except httpx.TransportError:
                        return

            asking = threading.Thread(target=keep_asking)
            asking.start()
            until_lines(tmp_path, before + 20)
            server.process.send_signal(signal.SIGKILL)
            stop.set()
            asking.join()
    journals = sorted((tmp_path / "out" / "solver-s").glob("*.jsonl"))
    assert len(journals) == 2
    shadowed, _ = LiveFolder(tmp_path / "out" / "solver-s").lines()
    assert len(shadowed) >= 40
    assert len(set(shadowed) - set(answered)) <= 2  # whose reply the kill cut off
    with command(*flags(pair[1], tmp_path)) as server:  # ids are known over the kills
        told = httpx.post(f"{server.address}/v1/feedback", json={"id": answered[0], "answer": "7"})
        assert told.status_code == 200
        assert "kumquats" not in "".join(server.log)


def test_a_signal_lets_shadows_end_and_the_grace_calls_them_off(pair: tuple[Pair, ChatServer], tmp_path: Path) -> None:
    reply, server_of = pair
    for guide_s, grace, written in ((2.0, "20", 1), (25.0, "0.5", 1)):
        reply.guide_s = guide_s
        reply.guiding.clear()
        with command(*flags(server_of, tmp_path, "--grace", grace)) as server:
            ask(server.address)
            assert reply.guiding.wait(10)
            start = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - start < 10
        assert lines(tmp_path) == written


def test_feedback_may_reach_another_worker(pair: tuple[Pair, ChatServer], tmp_path: Path) -> None:
    with command(*flags(pair[1], tmp_path, "--workers", "2")) as server:
        ids = [ask(server.address) for _ in range(12)]
        statuses = [
            httpx.post(f"{server.address}/v1/feedback", json={"id": one, "correct": True}).status_code for one in ids
        ]
        until_lines(tmp_path, 12 + 8)  # a shadow may be left out where others run
        assert server.stop() == 0
    assert statuses == [200] * 12
    journals = [path.read_text().splitlines() for path in (tmp_path / "out" / "solver-s").glob("*.jsonl")]
    assert len(journals) == 2
    assert all({json.loads(line)["kind"] for line in found} == {"shadow", "feedback"} for found in journals)
    shadowed, feedback = LiveFolder(tmp_path / "out" / "solver-s").lines()
    assert set(feedback) == set(ids) >= set(shadowed)


def test_without_shadows_workers_share_the_ids_too(pair: tuple[Pair, ChatServer], tmp_path: Path) -> None:
    given = flags(pair[1], tmp_path)
    with command(*given[:4], "--workers", "2") as server:
        ids = [ask(server.address) for _ in range(10)]
        said = [httpx.post(f"{server.address}/v1/feedback", json={"id": one, "correct": True}) for one in ids]
        assert server.stop() == 0
    assert {reply.status_code for reply in said} == {200}
