"""Calls under way to one model: fewer while it says that it is overloaded, more again while it does not.

A refused call (429, 502, 503, 504, 529) is made again: after its Retry-After, else each time after twice as long.
All calls to the model pause meanwhile when the server asks for it, since Retry-After is about any new request (RFC
6585), or when it refuses one call after the other. Refusals here and there, between answers, hold up nobody else.
"""

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from sg_agent.errors import RunError
from sg_agent.faults import overloaded, retry_after
from sg_agent.limit import AdaptiveLimit

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
PATIENCE_S = 300.0
MOST_REFUSALS = 50
MOST_BELIEVED = 5  # after as many pauses in a row, a Retry-After is no longer taken for enough
REFUSES_ALL = 5  # refusals without an answer between them; of calls refused one in ten at random, 1 in 100,000

ReplyT = TypeVar("ReplyT")


class Load(NamedTuple):
    """What a throttle has seen so far, and what it allows now."""

    answered: int
    refused: int
    in_flight: int
    limit: int


@dataclass
class Tries:
    """How often one call was refused before it was answered."""

    refused: int = 0


@dataclass
class Asker:
    """Who waits for calls to throttled models: until when (`time.monotonic()`), and how often they were made again."""

    waits_until: float = math.inf
    repeats: int = 0


asking: ContextVar[Asker | None] = ContextVar("asking", default=None)
"""Whom the running code's calls are made for."""


class Throttle:
    """At most `most` calls to the model `name` at a time, from one event loop.

    A refused call is made again until the model has refused it 50 times, or has answered no call at all for
    `patience_s` seconds. Then calls fail at once, since nobody waits for an outage of hours, but for one try in 30
    seconds. A call whose asker would be gone before a pause is over fails at once too.
    """

    def __init__(self, name: str, most: int, *, patience_s: float = PATIENCE_S) -> None:
        self.name = name
        self.patience_s = patience_s
        self._limit = AdaptiveLimit(most)
        self._answers = self._refusals = 0
        self._paused_at = self._paused_until = 0.0
        self._pauses = self._in_a_row = 0
        self._silent_since: float | None = None
        self._given_up: RunError | None = None
        self._last: RunError | None = None
        self._closed_until = 0.0

    @property
    def load(self) -> Load:
        """The counts, for metrics: every refused call was, or will be, made again."""
        return Load(self._answers, self._refusals, self._limit.in_flight, self._limit.now)

    async def call(self, ask: Callable[[], Awaitable[ReplyT]], tries: Tries | None = None) -> ReplyT:
        """The reply of `ask`, as soon as the model takes the call. Raises RunError when patience is over."""

        async def parts() -> AsyncGenerator[ReplyT]:
            yield await ask()

        (reply,) = [part async for part in self.stream(parts, tries)]
        return reply

    async def stream(
        self, ask: Callable[[], AsyncGenerator[ReplyT]], tries: Tries | None = None
    ) -> AsyncGenerator[ReplyT]:
        """What `ask` streams; it has its place to the end. An error after the first part is raised as it is."""
        tries, asker = tries or Tries(), asking.get() or Asker()
        while True:
            async with self._limit.place():
                await self._wait(asker)
                self._check_open()
                asker.repeats += bool(tries.refused)
                started, begun = time.monotonic(), False
                try:
                    async with aclosing(ask()) as parts:
                        async for part in parts:
                            if not begun:
                                begun = True
                                self._answered()
                            yield part
                except Exception as error:
                    if begun or not overloaded(error):
                        raise
                    tries.refused += 1
                    again_at = self._refused(error, started, tries)
                else:
                    return
            await self._rest(again_at, asker)

    def _check_open(self) -> None:
        if self._given_up and (now := time.monotonic()) >= self._closed_until:
            self._closed_until = now + LONGEST_PAUSE_S  # the others do not join this try
        elif self._given_up:
            raise RunError(str(self._given_up)) from self._given_up

    async def _wait(self, asker: Asker) -> None:
        """Until the pause of all calls is over."""
        while self._paused_until > time.monotonic():
            await self._rest(self._paused_until, asker)

    async def _rest(self, until: float, asker: Asker) -> None:
        """Sleep until then, and a little longer, so that not all calls come back at once."""
        if until >= asker.waits_until:
            raise RunError(str(self._last)) from self._last
        await asyncio.sleep((until - time.monotonic()) * random.uniform(1.0, 1.2))

    def _answered(self) -> None:
        self._answers += 1
        self._in_a_row = 0
        self._silent_since = self._given_up = None
        self._pauses = max(0, self._pauses - 1)
        self._limit.answered()

    def _refused(self, error: Exception, started: float, tries: Tries) -> float:
        """When the call may be made again. Raises RunError when patience is over."""
        self._refusals += 1
        self._in_a_row += 1
        now, asked = time.monotonic(), retry_after(error)
        refuses_all = bool(asked) or self._in_a_row >= REFUSES_ALL
        if refuses_all:
            self._limit.refused()
        else:
            self._limit.lower()
        self._silent_since = started if self._silent_since is None else self._silent_since
        failure = self._last = RunError(f"{self.name} is overloaded, {tries.refused} calls in vain: {error}")
        failure.__cause__ = error
        if max(now - self._silent_since, asked or 0) > self.patience_s:
            self._given_up, self._paused_until, self._closed_until = failure, now, now + LONGEST_PAUSE_S
            raise failure
        if tries.refused >= MOST_REFUSALS:
            raise failure
        if refuses_all:
            self._pause_all(now, asked, started)
        return now + _pause(tries.refused, asked)

    def _pause_all(self, now: float, asked: float | None, started: float) -> None:
        if started >= self._paused_at:  # else one more of the burst that is being waited out
            self._pauses += 1
            self._paused_at = now
            self._paused_until = now + _pause(self._pauses, asked)
        elif asked:
            self._paused_until = max(self._paused_until, now + asked)


def _pause(times: int, asked: float | None) -> float:
    """The seconds to wait after as many refusals: what was asked for, else twice as long as the last time."""
    own = min(FIRST_PAUSE_S * 2 ** (times - 1), LONGEST_PAUSE_S)
    return asked if asked and times <= MOST_BELIEVED else max(own, asked or 0.0)
