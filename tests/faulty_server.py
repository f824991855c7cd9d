"""A chat completions server on the loopback that adds numbers, and fails as hosted ones do, at rates that a test sets.

Asked "what is 12 + 30?", it answers "Answer: 42"; the model `guide` writes a plan. Whether a call fails is drawn from
the seed, the question and how often it was asked before: the same whatever the order of the calls, and fresh for one
that is made again.
"""

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

from chat_server import completion

SUM = re.compile(r"(\d+) \+ (\d+)")
PLAN = "1. Read both numbers.\n2. Add the second to the first."
FAULTS: Mapping[str, float] = {
    "429": 0.05,
    "429 with Retry-After": 0.05,
    "500": 0.05,
    "hang": 0.03,
    "cut": 0.02,
    "malformed": 0.02,
    "empty": 0.01,
}
RETRY_AFTER_S = 1


class FaultyServer:
    """`faults` are shares of the calls; `given` counts what was done, `connections` are those open now."""

    def __init__(self, faults: Mapping[str, float], seed: int) -> None:
        self.faults, self.seed = faults, seed
        self.given: Counter[str] = Counter()
        self.connections: set[asyncio.StreamWriter] = set()
        self.port = 0
        self._asked: Counter[str] = Counter()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        for writer in self.connections:
            writer.transport.abort()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = re.search(rb"content-length: (\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                if not await self._answer(json.loads(body), reader, writer):
                    break
                await writer.drain()
        self.connections.discard(writer)
        writer.close()

    async def _answer(self, asked: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        fault, text = self._draw(asked), answer_to(asked)
        self.given[fault or "answered"] += 1
        match fault:
            case "429" | "429 with Retry-After" | "500":
                retry = {"retry-after": str(RETRY_AFTER_S)} if "After" in fault else {}
                writer.write(_http(int(fault[:3]), b'{"error": {"message": "ordered by the test"}}', retry))
            case "hang":
                await reader.read()  # until the other side gives up
                return False
            case "cut":
                whole = _stream(asked["model"], text) if asked.get("stream") else _whole(asked["model"], text)
                writer.write(whole[: len(whole) * 2 // 3])
                return False
            case "malformed" if asked.get("stream"):
                writer.write(_chunked([b'data: {"id": "call", "choices": [{"index"\n\n', b"data: [DONE]\n\n"]))
            case "malformed":
                writer.write(_http(200, b'{"id": "call", "choices": [{"index"', {}))
            case _:
                said = "" if fault == "empty" else text
                writer.write(_stream(asked["model"], said) if asked.get("stream") else _whole(asked["model"], said))
        return True

    def _draw(self, asked: dict[str, Any]) -> str | None:
        call = f"{asked['model']} {sum_in(asked)}"
        self._asked[call] += 1
        drawn = Random(f"{self.seed} {call} {self._asked[call]}").random()
        for fault, share in self.faults.items():
            if (drawn := drawn - share) < 0:
                return fault
        return None


def sum_in(asked: dict[str, Any]) -> tuple[int, int]:
    """The two numbers of the question in a request."""
    found = SUM.search(json.dumps(asked["messages"]))
    assert found, asked
    return int(found[1]), int(found[2])


def answer_to(asked: dict[str, Any]) -> str:
    """The right reply."""
    return PLAN if asked["model"] == "guide" else f"I add the two. Answer: {sum(sum_in(asked))}"


def _http(status: int, body: bytes, headers: dict[str, str]) -> bytes:
    told = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _whole(model: str, text: str) -> bytes:
    return _http(200, json.dumps(completion(model, text)).encode(), {})


def _stream(model: str, text: str) -> bytes:
    def event(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
        body = {"id": "call", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": choices}
        return b"data: " + json.dumps({**body, "usage": usage}).encode() + b"\n\n"

    words = re.findall(r"\S+\s*", text) or [""]
    deltas = [event([{"index": 0, "delta": {"role": "assistant", "content": word}}]) for word in words]
    last = event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    return _chunked([*deltas, last, event([], completion(model, text)["usage"]), b"data: [DONE]\n\n"])


def _chunked(events: list[bytes]) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(f"{len(event):x}\r\n".encode() + event + b"\r\n" for event in [*events, b""])


@contextmanager
def faulty_server(faults: Mapping[str, float] = FAULTS, *, seed: int = 0) -> Iterator[FaultyServer]:
    """A server that runs meanwhile, on a thread of its own."""
    server, ready, stop = FaultyServer(faults, seed), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(ready, stop),))
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
