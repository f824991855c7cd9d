"""A node that calls a model once: written as two plain functions around the call, run sync or async.

LangGraph retries it on transient failures. A `timeout` works in async runs only: LangGraph cannot cancel a sync node.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.errors import NodeTimeoutError
from langgraph.types import RetryPolicy

from sg_agent.errors import SgAgentError
from sg_agent.ledger import CallRecord, Role, call_record
from sg_agent.prompts import Prompt

TRANSIENT_STATUS = {408, 409, 425, 429}

StateT = TypeVar("StateT")


@dataclass(frozen=True)
class Call:
    """A model call that a node wants made."""

    prompt: Prompt
    messages: list[BaseMessage]
    settings: dict[str, Any]
    run: str
    attempt: int | None = None


@dataclass(frozen=True)
class Answered:
    """A call that was answered, with its ledger record."""

    call: Call
    reply: AIMessage
    record: CallRecord


@dataclass(frozen=True, eq=False)
class ModelNode(Runnable[StateT, dict[str, Any]]):
    """`prepare` makes the call from the node's input, `conclude` the state update from the reply.

    A Runnable of its own, since LangChain's RunnableLambda inspects signatures on every call.
    """

    role: Role
    model: BaseChatModel
    prepare: Callable[[StateT], Call]
    conclude: Callable[[StateT, Answered], dict[str, Any]]

    def invoke(self, input: StateT, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002, ARG002 - LangChain's signature
        call, start = self.prepare(input), time.perf_counter()
        reply = self.model.invoke(call.messages, config, **self._known(call.settings))
        return self._update(input, call, reply, time.perf_counter() - start)

    async def ainvoke(self, input: StateT, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002, ARG002 - LangChain's signature
        call, start = self.prepare(input), time.perf_counter()
        reply = await self.model.ainvoke(call.messages, config, **self._known(call.settings))
        return self._update(input, call, reply, time.perf_counter() - start)

    def _known(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The settings that the model takes, since providers refuse what they do not know.

        OpenAI's Responses API has no seed, and reasoning models no temperature: LangChain's profile of a model says so.
        """
        refused = set()
        if not hasattr(self.model, "seed") or getattr(self.model, "use_responses_api", None):
            refused.add("seed")
        if (self.model.profile or {}).get("temperature") is False:
            refused.add("temperature")
        return {name: value for name, value in settings.items() if name not in refused}

    def _update(self, state: StateT, call: Call, reply: AIMessage, latency_s: float) -> dict[str, Any]:
        record = call_record(self.role, self.model, reply, latency_s=latency_s, attempt=call.attempt, run=call.run)
        return {"ledger": [record], **self.conclude(state, Answered(call, reply, record))}


def transient(error: BaseException | None) -> bool:
    """Whether asking again may help: connection faults, timeouts, 408, 409, 425, 429 and 5xx, at any depth of cause."""
    while error is not None:
        if isinstance(error, SgAgentError):
            return False
        if isinstance(error, ConnectionError | TimeoutError | httpx.TransportError | NodeTimeoutError):
            return True
        if (status := http_status(error)) is not None:
            return status in TRANSIENT_STATUS or status >= 500
        error = error.__cause__
    return False


def http_status(error: BaseException) -> int | None:
    """The HTTP status that an error carries, wherever its client library puts it."""
    places = (error, getattr(error, "response", None))
    found = (getattr(place, name, None) for place in places for name in ("status_code", "code"))
    return next((status for status in found if isinstance(status, int) and 100 <= status < 600), None)


RETRY = RetryPolicy(max_attempts=3, retry_on=transient)
