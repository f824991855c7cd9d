"""Which settings a model is asked with, and which of its failures are asked again."""

from typing import Any

import httpx
import pytest
from chat_server import chat_server
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langgraph.errors import NodeTimeoutError

from sg_agent import Settings, standard
from sg_agent.errors import DataError
from sg_agent.faults import transient
from sg_agent.metered import metered
from sg_agent.scripted import ScriptedModel


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


SETTINGS = Settings(temperature=0.0, seed=3, max_tokens=7)


async def payload(model: BaseChatModel, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The call's keyword arguments, as the model gets them."""
    given: dict[str, Any] = {}

    async def generate(self: Any, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        given.update(kwargs)
        return await ScriptedModel(replies=["Answer: 1"])._agenerate(messages)

    monkeypatch.setattr(ChatOpenAI, "_agenerate", generate)
    await standard(model).compile().ainvoke({"question": "How many?", "task": "math"}, context=SETTINGS)
    return given


def openai(name: str, **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(model=name, api_key="none", **settings)  # type: ignore[arg-type] # pydantic makes the secret


@pytest.mark.parametrize("inner", [False, True], ids=["plain", "metered"])
@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("gpt-4.1-mini", {"temperature", "seed", "max_tokens"}),
        ("gpt-5-mini", {"seed", "max_tokens"}),
        ("o3-mini", {"seed", "max_tokens"}),
        ("gpt-5-pro", {"max_tokens"}),
        ("of-ones-own", {"temperature", "seed", "max_tokens"}),
    ],
)
async def test_a_model_is_asked_with_the_settings_it_takes(
    name: str, known: set[str], inner: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: BaseChatModel = openai(name)
    given = await payload(metered(model, most=4, budget=None) if inner else model, monkeypatch)
    assert {setting for setting in given if setting in ("temperature", "seed", "max_tokens")} == known


async def test_the_responses_api_is_asked_without_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = openai("gpt-4.1-mini", use_responses_api=True)
    assert "seed" not in await payload(model, monkeypatch)


def test_ask_sends_a_reasoning_model_no_temperature() -> None:
    from sg_agent.cli.request import Request, answer

    with chat_server(lambda _: "Answer: 1") as server:
        answer(Request.of("Who?", arm="standard", solver=f"openai:o3-mini@{server.base_url}"))
    (asked,) = server.asked
    assert "temperature" not in asked
