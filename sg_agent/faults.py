"""What a failed call says: whether asking again may help, whether the server is overloaded, how long it wants to rest.

Clients of providers have errors of their own, so these are told by what they carry: a status, a response, a cause.
"""

import email.utils
import time
from collections.abc import Iterator, Mapping
from json import JSONDecodeError

from langgraph.errors import NodeTimeoutError

from sg_agent.errors import SgAgentError

TRANSIENT_STATUS = {408, 409, 425, 429}
OVERLOADED = {429, 502, 503, 504, 529}
FOR_GOOD = {"insufficient_quota", "billing_hard_limit_reached"}  # 429s that no waiting heals
LINE_ERRORS = {"TransportError", "APIConnectionError"}  # bases in httpx, httpx2, openai and anthropic
NEVER_SENT = {"ConnectError", "ConnectTimeout", "ClientConnectorError"}  # as httpx and aiohttp name them
BROKEN_OFF = {"RemoteProtocolError", "ReadError"}
BROKEN = ConnectionError | TimeoutError | NodeTimeoutError | JSONDecodeError  # the last: a reply that was cut


def transient(error: BaseException | None) -> bool:
    """Whether asking again may help: broken lines and replies, timeouts, 408, 409, 425, 429, 5xx; at any depth."""
    for cause in _causes(error):
        if isinstance(cause, SgAgentError):
            return False
        if isinstance(cause, BROKEN) or _is_line_error(cause):
            return True
        if (status := http_status(cause)) is not None:
            return (status in TRANSIENT_STATUS or status >= 500) and getattr(cause, "code", None) not in FOR_GOOD
    return False


def unseen_by_client(error: BaseException) -> bool:
    """Whether a transient error came to pass where a client's own retries do not look: while a reply was read."""
    if isinstance(error, BROKEN):
        return True
    return any(type(cause).__name__ in BROKEN_OFF for cause in _causes(error))


def overloaded(error: BaseException | None) -> bool:
    """Whether the server refused the call for having too much to do, at any depth of cause."""
    for cause in _causes(error):
        if (status := http_status(cause)) is not None:
            return status in OVERLOADED and getattr(cause, "code", None) not in FOR_GOOD
    return False


def unbilled(error: BaseException | None) -> bool:
    """Whether a call failed before anything was generated: refused with an HTTP status, or never sent.

    LangChain puts the response on errors that reading it raised, so a status below 400 refuses nothing.
    """
    return any((http_status(cause) or 0) >= 400 or type(cause).__name__ in NEVER_SENT for cause in _causes(error))


def retry_after(error: BaseException | None) -> float | None:
    """The seconds that the server asks to wait, None where it says nothing that can be read."""
    for cause in _causes(error):
        headers: Mapping[str, str] | None = getattr(getattr(cause, "response", None), "headers", None)
        if headers is not None:
            return _seconds(headers.get("retry-after-ms"), 0.001) or _seconds(headers.get("retry-after"), 1.0)
    return None


def http_status(error: BaseException) -> int | None:
    """The HTTP status that an error carries, wherever its client library puts it.

    The 400 that aiohttp's parser gives to a reply that was cut is its own.
    """
    if type(error).__module__ == "aiohttp.http_exceptions":
        return None
    places = (error, getattr(error, "response", None))
    found = (getattr(place, name, None) for place in places for name in ("status_code", "code"))
    return next((status for status in found if isinstance(status, int) and 100 <= status < 600), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _is_line_error(error: BaseException) -> bool:
    return any(base.__name__ in LINE_ERRORS for base in type(error).__mro__)


def _seconds(value: str | None, unit: float) -> float | None:
    """A header's number, or its date, as seconds from now."""
    if value is None:
        return None
    try:
        return max(0.0, float(value) * unit)
    except ValueError:
        date = email.utils.parsedate_tz(value)
        return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())
