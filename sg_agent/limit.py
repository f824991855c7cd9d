"""How many calls may be under way at a time: fewer when the server refuses some, slowly more while it does not."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

COOLDOWN_S = 5.0  # at most one halving in this time: a burst of refusals is one overload
STEP = 0.1  # of `most`, added after as many answers as the limit allows


class AdaptiveLimit:
    """At most `now` of the places are taken at a time, `now` between 1 and `most`. For the tasks of one event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.in_flight = 0
        self._limit = float(most)
        self._halved_at = -COOLDOWN_S
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def now(self) -> int:
        """How many may be under way."""
        return int(self._limit)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold one place, first come first served."""
        await self._take()
        try:
            yield
        finally:
            self.in_flight -= 1
            self._wake()

    def answered(self) -> None:
        """Allow a little more."""
        self._limit = min(self.most, self._limit + max(1.0, STEP * self.most) / self._limit)
        self._wake()

    def lower(self) -> None:
        """Allow one fewer."""
        self._limit = max(1.0, self._limit - 1.0)

    def refused(self) -> None:
        """Allow half as many, unless that was just done."""
        if (now := time.monotonic()) - self._halved_at >= COOLDOWN_S:
            self._halved_at = now
            self._limit = max(1.0, self._limit / 2)

    async def _take(self) -> None:
        if self.in_flight < self.now and not self._waiting:
            self.in_flight += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # its turn had come: the next one's has
                self.in_flight -= 1
                self._wake()
            raise

    def _wake(self) -> None:
        """Give the free places to those who wait; a place is taken here, so that nobody can slip in between."""
        while self._waiting and self.in_flight < self.now:
            turn = self._waiting.popleft()
            if not turn.done():  # else it was cancelled while it waited
                self.in_flight += 1
                turn.set_result(None)
