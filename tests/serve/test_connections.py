"""Connections to hosted models: what fails is told as it was, and a kept connection that is gone is replaced."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import openai
import pytest

from sg_agent.faults import transient, unbilled
from sg_agent.serve.connections import Connections

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
COMPLETION = json.dumps(
    {"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "7"}}]}
).encode()


@asynccontextmanager
async def asked(answer: Answer) -> AsyncIterator[openai.AsyncOpenAI]:
    """A client of a server that does `answer` for every request, and then hangs up."""
    handled = set[asyncio.Task[None]]()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        handled.add(task)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length))
        await answer(writer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(connection, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with client(f"http://127.0.0.1:{port}/v1") as made:
            yield made
        await asyncio.gather(*handled)


def client(base_url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=0.5, http_client=Connections())


async def ask(model: openai.AsyncOpenAI) -> str | None:
    reply = await model.chat.completions.create(model="m", messages=[{"role": "user", "content": "How many?"}])
    return reply.choices[0].message.content


async def whole(writer: asyncio.StreamWriter) -> None:
    kept = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: keep-alive\r\ncontent-length: "
    writer.write(kept + str(len(COMPLETION)).encode() + b"\r\n\r\n" + COMPLETION)
    await writer.drain()


async def test_a_kept_connection_that_the_server_has_closed_is_replaced() -> None:
    async with asked(whole) as model:
        for _ in range(3):
            assert await ask(model) == "7"
            await asyncio.sleep(0.05)


async def test_a_server_that_is_down_was_never_asked() -> None:
    async with client("http://127.0.0.1:9/v1") as model:
        with pytest.raises(openai.APIConnectionError) as caught:
            await ask(model)
    assert not isinstance(caught.value, openai.APITimeoutError)
    assert isinstance(caught.value.__cause__, httpx2.ConnectError)
    assert (transient(caught.value), unbilled(caught.value)) == (True, True)


async def nothing(writer: asyncio.StreamWriter) -> None:
    """Hang up."""


async def a_part(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{")
    await writer.drain()


@pytest.mark.parametrize("answer", [nothing, a_part])
async def test_a_call_that_broke_off_may_have_been_billed_and_is_no_timeout(answer: Answer) -> None:
    async with asked(answer) as model:
        with pytest.raises(openai.APIConnectionError) as caught:
            await ask(model)
    assert not isinstance(caught.value, openai.APITimeoutError)
    assert (transient(caught.value), unbilled(caught.value)) == (True, False)


async def test_a_call_that_takes_too_long_is_a_timeout() -> None:
    async def hang(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)

    async with asked(hang) as model:
        with pytest.raises(openai.APITimeoutError) as caught:
            await ask(model)
    assert (transient(caught.value), unbilled(caught.value)) == (True, False)
