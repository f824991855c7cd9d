"""How every request with a body is let in: by a known key, to a place, its body within bounds of size and time."""

import asyncio
from contextlib import ExitStack

from starlette.requests import Request

from sg_agent.serve.errors import ApiError
from sg_agent.serve.keys import Key
from sg_agent.serve.limits import read_body
from sg_agent.serve.record import Record
from sg_agent.serve.service import Service


async def let_in(
    service: Service, request: Request, record: Record, held: ExitStack, most: int
) -> tuple[Key | None, bytes]:
    """The key, where the server has keys, and the body, of `most` bytes. `held` gives the place back.

    Raises ApiError, and ClientDisconnect for a client that went away before it had sent it all.
    """
    key = None
    if service.admission:
        key = service.admission.known(request.headers.get("authorization"))
        record.key = key.name
        service.admission.spending.admit(key)
    held.enter_context(service.places.take())
    try:
        async with asyncio.timeout(service.config.timeout_s):
            return key, await read_body(request, most)
    except TimeoutError as error:
        raise ApiError(408, "the request did not arrive in time; send it again", "timeout") from error
