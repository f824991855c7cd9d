"""Connections to hosted models: aiohttp's, through the transport that OpenAI's client has for many requests at once.

The pool that the client has by default looks at every idle connection twice a request.
"""

from typing import Any

import aiohttp
import httpx2
from openai import DefaultAioHttpClient


class Connections(DefaultAioHttpClient):
    """What fails is told by httpx's own errors: the transport takes every broken connection for a timeout."""

    async def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        """As httpx's `AsyncClient.send`. Raises its errors."""
        try:
            return await super().send(request, **how)
        except httpx2.TimeoutException as error:
            raise _by_cause(error, request) from error.__cause__


def _by_cause(error: httpx2.TimeoutException, request: httpx2.Request) -> httpx2.TransportError:
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientConnectorError):
        return httpx2.ConnectError(str(cause), request=request)
    if isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, aiohttp.ServerTimeoutError):
        return httpx2.RemoteProtocolError(str(cause), request=request)
    return error
