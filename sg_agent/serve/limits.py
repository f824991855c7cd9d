"""What is let in: requests at a time, bytes of a body, and nothing new once the server is stopping."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request

from sg_agent.serve.answering import Run
from sg_agent.serve.errors import ApiError

READ_ANYWAY = 64 * 2**20  # of a body that is refused: clients read no reply while they send
PATIENCE_S = 10.0


@dataclass
class Places:
    """The requests under way in this process, and what is done for nobody who waits."""

    most: int
    in_flight: int = 0
    draining: bool = False
    runs: set[Run] = field(default_factory=set)
    background: set[Run] = field(default_factory=set)

    @contextmanager
    def take(self) -> Iterator[None]:
        """A place for one request. Raises ApiError when there is none, or when the server is stopping."""
        if self.draining:
            raise stopping()
        if self.in_flight >= self.most:
            message = f"{self.most} requests are under way, the most that the server takes; try again"
            raise ApiError(503, message, "overloaded", retry_after_s=1)
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    async def drain(self, grace_s: float) -> None:
        """Let nothing more in, wait for what is under way, and after `grace_s` seconds call it off."""
        self.draining = True
        end = asyncio.get_running_loop().time() + grace_s
        while (self.in_flight or self.background) and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - only while stopping
            await asyncio.sleep(0.05)
        for run in [*self.runs, *self.background]:
            run.cancel(stopping())


def stopping() -> ApiError:
    """What is told while the server stops."""
    return ApiError(503, "the server is stopping; ask again, another will answer", "stopping", retry_after_s=1)


async def read_body(request: Request, most: int) -> bytes:
    """The whole body. Raises ApiError for one of more than `most` bytes, which are counted, not kept."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ApiError(415, "send the body as it is, without content-encoding", "unsupported_encoding")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= most:
            parts.append(part)
        elif size > READ_ANYWAY:
            break
    if size > most:
        message = f"the request is larger than {most} bytes; shorten it (the server's --max-body-mb)"
        raise ApiError(413, message, "request_too_large")
    return b"".join(parts)


async def discard_body(request: Request) -> None:
    """Read what is left of a refused request, within bounds, so that its sender gets to read the refusal."""
    size = 0
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for part in request.stream():
                size += len(part)
                if size > READ_ANYWAY:
                    return
    except (TimeoutError, ClientDisconnect, RuntimeError):  # the last: it has been read already
        return
