"""Without keys the server answers this machine alone: no page of another website may ask it with the user's browser.

A browser sends such requests to the loopback like any other. It says where they come from in Sec-Fetch-Site; and where
a foreign name was made to mean this machine (DNS rebinding), the Host header has that name.
"""

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sg_agent.serve.config import LOOPBACK
from sg_agent.serve.errors import ApiError


class OwnSite:
    """ASGI middleware that refuses with 403 what a browser sends for another site."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "http" and (refused := _refused(scope["method"], Headers(scope=scope))):
            return await JSONResponse(refused.body, refused.status)(scope, receive, send)
        return await self._app(scope, receive, send)


def _refused(method: str, headers: Headers) -> ApiError | None:
    if method == "POST" and headers.get("sec-fetch-site") == "cross-site":  # a link to the page may be followed
        return ApiError(
            403, "pages of other websites may not use this server; give it keys to allow them", "cross_site"
        )
    host = headers.get("host", "")
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name not in LOOPBACK:
        message = f"this server is asked as localhost or 127.0.0.1, not as {host[:100]!r}; other names need --keys"
        return ApiError(403, message, "unknown_host")
    return None
