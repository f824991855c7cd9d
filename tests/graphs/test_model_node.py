"""Which failures of a model are asked again: those that may pass by themselves."""

import httpx
import pytest
from langgraph.errors import NodeTimeoutError

from sg_agent.errors import DataError
from sg_agent.graphs.model_node import transient


class ProviderError(Exception):
    def __init__(self, *, status_code: int | None = None, code: int | str | None = None) -> None:
        super().__init__("failed")
        self.status_code, self.code = status_code, code


def response_error(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://127.0.0.1")
    return httpx.HTTPStatusError("failed", request=request, response=httpx.Response(status, request=request))


def wrapped(cause: Exception) -> Exception:
    error = RuntimeError("wrapped")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(),
        TimeoutError(),
        httpx.ConnectTimeout("slow"),
        NodeTimeoutError("solve", 1.0, kind="run", run_timeout=1.0),
        ProviderError(status_code=429),
        ProviderError(status_code=503, code="overloaded"),
        ProviderError(code=429),
        response_error(502),
        wrapped(httpx.ConnectError("refused")),
    ],
    ids=repr,
)
def test_faults_of_the_line_or_the_server_are_transient(error: Exception) -> None:
    assert transient(error)


@pytest.mark.parametrize(
    "error",
    [
        ProviderError(status_code=401),
        ProviderError(code="insufficient_quota"),
        response_error(400),
        ValueError("bug"),
        DataError("too long"),
        wrapped(ValueError("bug")),
    ],
    ids=repr,
)
def test_errors_that_come_again_are_not(error: Exception) -> None:
    assert not transient(error)
