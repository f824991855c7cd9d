"""On SIGTERM or Ctrl-C the server says that it is not ready and finishes what is in flight; then uvicorn stops."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from sg_agent.serve.limits import Gate


@contextmanager
def draining_on_signals(gate: Gate, grace_s: float) -> Iterator[None]:
    """Meanwhile signals drain the gate before they reach uvicorn; a second Ctrl-C reaches it at once."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    async def drain(stop: Any, number: int) -> None:
        await gate.drain(grace_s)
        stop(number, None)

    def handle(number: int, frame: FrameType | None) -> None:
        if not gate.draining:
            gate.draining = True
            loop.call_soon_threadsafe(lambda: tasks.add(loop.create_task(drain(before[number], number))))
        elif number == signal.SIGINT:
            before[number](number, frame)

    before: dict[int, Any] = {}
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            if callable(previous := signal.getsignal(number)):
                signal.signal(number, handle)
                before[number] = previous
    except ValueError:  # not the main thread: whoever runs the server there also stops it
        pass
    try:
        yield
    finally:
        for replaced, previous in before.items():
            signal.signal(replaced, previous)
