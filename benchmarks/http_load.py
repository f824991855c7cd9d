"""A load generator for HTTP/1.1 servers: raw asyncio, so that it costs little beside what it measures.

`load` keeps `concurrency` connections busy and gives the time of every reply. Connections are kept alive where the
server keeps them; one that closes is opened again, inside the time of the next request. Every request says another
number where its text has `NUMBER`, so that nothing in between can answer from memory.
"""

import asyncio
import json
import math
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"^HTTP/1\.0|\r\nconnection: *close", re.IGNORECASE)
FIRST_TOKEN = re.compile(rb'"content": ?"(\d{12,})')
NUMBER = "0123456789"
DEADLINE_S = 300


@dataclass
class Load:
    """Replies by status ("broken" without one, "unexpected" without the expected text); the seconds of each good one.

    `first_token_s` is how long the first token of each stream was on its way from the upstream to here.
    """

    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    first_token_s: list[float] = field(default_factory=list)
    reconnects: int = 0

    @property
    def rate(self) -> float:
        """Good replies a second."""
        return len(self.latencies_s) / self.seconds

    @property
    def errors(self) -> int:
        return self.statuses.total() - len(self.latencies_s)

    def ms(self, part: int) -> float:
        """The `part`th percentile of the latency, in milliseconds."""
        return 1000 * percentile(self.latencies_s, part)


def percentile(values: list[float], part: int) -> float:
    return median(values) if part == 50 else quantiles(values, n=100)[part - 1]


@dataclass(frozen=True)
class Request:
    """What is sent again and again, and a text that every good reply holds."""

    port: int
    path: str
    body: dict[str, Any]
    expected: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        body = json.dumps(self.body).encode()
        head = {
            "host": f"127.0.0.1:{self.port}",
            "content-type": "application/json",
            "content-length": str(len(body)),
            **self.headers,
        }
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Client(asyncio.Protocol):
    """One connection: `finished` is set when the reply to what was sent is whole, or will never be."""

    transport: asyncio.Transport

    def __init__(self, found: Load) -> None:
        self.found, self.closed = found, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """The whole reply, head included; what there is of it when the connection ends before."""
        self.reply, self.timed = b"", False
        self.ends_at: int | None = None
        self.finished: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.finished

    def data_received(self, data: bytes) -> None:
        self.reply += data
        if not self.timed and (token := FIRST_TOKEN.search(self.reply)):
            self.found.first_token_s.append((time.monotonic_ns() - int(token[1])) / 1e9)
            self.timed = True
        if self.ends_at is None and (end := self.reply.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.reply, 0, end)
            self.ends_at = end + 4 + int(length[1]) if length else -1
        if self.ends_at == -1:  # a stream: chunked, or to the end of the connection
            whole = self.reply.endswith(b"\r\n0\r\n\r\n")
        else:
            whole = self.ends_at is not None and len(self.reply) >= self.ends_at
        if whole and not self.finished.done():
            self.finished.set_result(self.reply)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.closed = True
        if hasattr(self, "finished") and not self.finished.done():
            self.finished.set_result(self.reply)


async def _worker(request: Request, numbered: Iterator[bytes], found: Load) -> None:
    loop, client = asyncio.get_running_loop(), None
    for encoded in numbered:
        start = time.perf_counter()
        if client is None or client.closed:
            found.reconnects += client is not None
            _, client = await loop.create_connection(lambda: Client(found), "127.0.0.1", request.port)
        reply = await client.ask(encoded)
        status = reply[9:12].decode() or "broken"
        if status == "200" and request.expected not in reply:
            status = "unexpected"
        found.statuses[status] += 1
        if status == "200":
            found.latencies_s.append(time.perf_counter() - start)
        if CLOSES.search(reply, 0, reply.find(b"\r\n\r\n")):
            client.transport.close()
            client.closed = True
    if client:
        client.transport.close()


def _numbered(request: Request, requests: float, seconds: float) -> Iterator[bytes]:
    """The request with ever another number, until there were so many or the time is over. Shared by all connections."""
    encoded, left, until = request.encode(), requests, time.perf_counter() + seconds
    while left > 0 and time.perf_counter() < until:
        left -= 1
        yield encoded.replace(NUMBER.encode(), b"%010d" % random.randrange(10**10))


async def _load(request: Request, requests: float, seconds: float, concurrency: int) -> Load:
    found, numbered = Load(), _numbered(request, requests, seconds)
    start = time.perf_counter()
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(_worker(request, numbered, found))
    found.seconds = time.perf_counter() - start
    return found


def load(request: Request, *, concurrency: int, requests: float = math.inf, seconds: float = math.inf) -> Load:
    """Ask `concurrency` at once, until there were so many requests or so many seconds are over.

    Raises TimeoutError after five minutes.
    """
    return asyncio.run(_load(request, requests, seconds, concurrency))
