"""Errors as OpenAI's API gives them, and which of them a failed run is. Messages say what to do and hold no secret."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from sg_agent.errors import BudgetSpent, SgAgentError, SolverError, UserError
from sg_agent.faults import http_status, retry_after

REFUSED_BY_UPSTREAM = {401, 403, 404}  # ours to mend, not the client's


class ApiError(SgAgentError):
    """What a client is told: an HTTP status, OpenAI's error object and headers such as Retry-After."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        param: str | None = None,
        kind: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.kind = kind or ("invalid_request_error" if status < 500 else "server_error")
        self.headers = {} if retry_after_s is None else {"retry-after": str(max(1, round(retry_after_s)))}

    @property
    def body(self) -> dict[str, Any]:
        """The error object."""
        told = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": told}


def bad_request(message: str, *, param: str | None = None, code: str = "invalid_value") -> ApiError:
    """A 400: the request cannot be served as it is."""
    return ApiError(400, message, code, param=param)


def invalid(error: ValidationError) -> ApiError:
    """A body that is no request: the first thing that is wrong with it."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return bad_request(
            f"the body is no valid JSON: {first['msg'].removeprefix('Invalid JSON: ')}", code="json_invalid"
        )
    param = ".".join(map(str, first["loc"])) or None
    return bad_request(f"{param or 'body'}: {first['msg']}", param=param, code=str(first["type"]))


def gone() -> ApiError:
    """499, as nginx has it: nobody reads it but the log."""
    return ApiError(499, "the client closed the connection", "client_gone")


def api_error(error: BaseException, failures: list[BaseException]) -> ApiError:
    """What a client is told about a run that ended in `error`; `failures` are those of its model calls, in order."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, UserError):
        return bad_request(str(error))
    if isinstance(error, BudgetSpent):
        return ApiError(429, str(error), "insufficient_quota", kind="insufficient_quota")
    if isinstance(error, SolverError):
        return _upstream(failures[-1] if failures else error)
    return ApiError(500, f"the server failed ({type(error).__name__}); its log says more", "internal_error")


def _upstream(error: BaseException) -> ApiError:
    """A failure of the solver's own server."""
    status, said = next(filter(None, map(http_status, _causes(error))), None), " ".join(str(error).split())[:300]
    if isinstance(error, UserError) or (isinstance(error, TypeError) and "unexpected keyword argument" in said):
        return bad_request(f"the solver refuses the request: {said}")
    if status in (400, 413, 422):
        return bad_request(f"the solver refuses the request: {said}", code="solver_refused")
    if status == 429:
        spent = getattr(error, "code", None) == "insufficient_quota"
        code = "insufficient_quota" if spent else "rate_limit_exceeded"
        message = "the solver's server limits requests; try again later"
        return ApiError(429, message, code, kind="rate_limit_error", retry_after_s=retry_after(error) or 1)
    if status in REFUSED_BY_UPSTREAM:
        message = f"the solver's server refuses ours with {status}: check the server's own API key and its --solver"
        return ApiError(502, message, "upstream_refused")
    if status == 504 or any(isinstance(e, TimeoutError) or "Timeout" in type(e).__name__ for e in _causes(error)):
        return ApiError(504, "the solver's server did not answer in time; try again", "upstream_timeout")
    if status is None and any(_no_connection(e) for e in _causes(error)):
        message = "the solver's server cannot be reached; check that it runs at the address that --solver names"
        return ApiError(503, message, "upstream_unavailable", retry_after_s=1)
    if status in (503, 529):
        message = "the solver's server is overloaded or starting; try again later"
        return ApiError(503, message, "upstream_unavailable", retry_after_s=retry_after(error) or 1)
    return ApiError(502, f"the solver failed ({status or type(error).__name__}); try again", "upstream_error")


def _no_connection(error: BaseException) -> bool:
    return isinstance(error, ConnectionError) or type(error).__name__ in ("APIConnectionError", "ConnectError")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
