"""A chat completions server that answers at once and always the same, in a process of its own: no work worth measuring.

The model `guide` gets a plan, any other an answer. A stream waits `STREAM_PAUSE_S` before each of its tokens and its
first token is the time at which it left, in nanoseconds of the machine's monotonic clock: whoever receives it knows how
long it took. GET /stats counts the completions given so far.
"""

import asyncio
import json
import multiprocessing
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

PLAN, ANSWER = "1. Find what is there at first.\n2. Follow what comes and goes.", "One step, then another.\nAnswer: 12"
STREAM_PAUSE_S, STREAM_TOKENS = 0.02, 4
USAGE = {"prompt_tokens": 50, "completion_tokens": 12, "total_tokens": 62}
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
STREAMED = re.compile(rb'"stream": ?true')
GUIDE = re.compile(rb'"model": ?"guide"')


def _message(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"id": "call", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}
    return _http(json.dumps(body).encode())


def _http(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _chunk(text: bytes) -> bytes:
    return f"{len(text):x}\r\n".encode() + text + b"\r\n"


def _event(delta: dict[str, str], finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
    choices = [] if usage else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "call", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return _chunk(b"data: " + json.dumps({**body, "usage": usage}).encode() + b"\n\n")


REPLIES = {True: _message(PLAN), False: _message(ANSWER)}
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STREAM_TAIL = _event({}, "stop") + _event({}, usage=USAGE) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One connection. Requests are framed by their content-length, which every client of chat completions sends."""

    served = 0
    transport: asyncio.Transport
    stream: asyncio.Task[None] | None = None
    buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self.stream:
            self.stream.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n") + 4) > 3:
            found = LENGTH.search(self.buffer, 0, end)
            if len(self.buffer) < end + (length := int(found[1]) if found else 0):
                return
            head, body = self.buffer[:end], self.buffer[end : end + length]
            self.buffer = self.buffer[end + length :]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            self.transport.write(_http(json.dumps({"served": Upstream.served, "data": []}).encode()))
            return
        Upstream.served += 1
        guide = GUIDE.search(body) is not None
        if STREAMED.search(body):
            self.stream = asyncio.get_running_loop().create_task(self.tokens(PLAN if guide else None))
        else:
            self.transport.write(REPLIES[guide])

    async def tokens(self, plan: str | None) -> None:
        self.transport.write(STREAM_HEAD)
        for number in range(STREAM_TOKENS if plan is None else 1):
            await asyncio.sleep(STREAM_PAUSE_S)
            text = plan or (str(time.monotonic_ns()) if number == 0 else f" word{number}")
            self.transport.write(_event({"role": "assistant", "content": text}))
        self.transport.write(STREAM_TAIL)


async def _serve(port: Connection) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0, backlog=1024)
    port.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _run(port: Connection) -> None:
    asyncio.run(_serve(port))


@contextmanager
def fake_upstream() -> Iterator[int]:
    """The port of a server that runs meanwhile, in another process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(there,), daemon=True)
    process.start()
    there.close()  # so that the end of a process that fails is seen
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()
