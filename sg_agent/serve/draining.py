"""On SIGTERM or Ctrl-C the server says that it is not ready and finishes what is in flight; then uvicorn stops."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from types import FrameType
from typing import Any

from sg_agent.serve.limits import Places


@contextmanager
def draining_on_signals(places: Places, grace_s: float) -> Iterator[None]:
    """Meanwhile signals drain the places before they reach uvicorn; a second Ctrl-C reaches it at once."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    async def drain(stop: Any, number: int) -> None:
        await places.drain(grace_s)
        stop(number, None)

    def handle(number: int, frame: FrameType | None) -> None:
        if not places.draining:
            places.draining = True
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
    parent = loop.create_task(_stop_without_parent(starter)) if (starter := parent_process()) else None
    try:
        yield
    finally:
        if parent:
            parent.cancel()
        for replaced, previous in before.items():
            signal.signal(replaced, previous)


async def _stop_without_parent(parent: Any) -> None:
    """A worker whose parent was killed would serve on, and nobody could stop it by the parent's id."""
    while parent.is_alive():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)
