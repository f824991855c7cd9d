"""A node that calls a model once: written as two plain functions around the call, run sync or async.

LangGraph retries it as `retry_policy` says. A `timeout` works in async runs only: LangGraph cannot cancel a sync node.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.errors import GraphBubbleUp, NodeTimeoutError
from langgraph.runtime import get_runtime
from langgraph.types import RetryPolicy

from sg_agent.errors import BudgetSpent, UserError
from sg_agent.faults import transient, unbilled, unseen_by_client
from sg_agent.finish import broke_off
from sg_agent.ledger import CallRecord, Role, call_record, in_process
from sg_agent.prices import Prices
from sg_agent.prompts import Prompt

StateT = TypeVar("StateT")

TRIES = 3  # of one call at most
LOST = "sg_agent_lost_tries"  # where a node's error has what `lost_before` says of it


class _Failed(NamedTuple):
    """Tries of a node that failed: the errors of those that may have been billed, None for the others.

    `task` is LangGraph's note on the errors, which names the task.
    """

    task: str
    tries: tuple[str | None, ...]


_NONE = _Failed("", ())
_failed: ContextVar[_Failed] = ContextVar("failed", default=_NONE)
"""Set around the tries of a task, where LangGraph repeats it. Tasks beside each other have a copy each."""


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
    prices: Prices | None = None

    def invoke(self, input: StateT, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002, ARG002 - LangChain's signature
        with _stops():
            call, start = self.prepare(input), time.perf_counter()
            reply = self.model.invoke(call.messages, config, **self._known(call.settings))
            return self._update(input, call, reply, time.perf_counter() - start)

    async def ainvoke(self, input: StateT, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002, ARG002 - LangChain's signature
        with _stops():
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
        if broke_off(reply):
            raise ConnectionError(f"the reply broke off after {len(reply.text)} characters")
        record = call_record(
            self.role,
            self.model,
            reply,
            latency_s=latency_s,
            attempt=call.attempt,
            run=call.run,
            retries=_tries() - 1,
            lost=_lost(),
            prices=self.prices,
        )
        return {"ledger": [record], **self.conclude(state, Answered(call, reply, record))}


@contextmanager
def _stops() -> Iterator[None]:
    """User errors and a spent budget stop the question: no error handler of the node's gets to see them.

    LangGraph lets what bubbles up pass by handlers and retries, and keeps nothing of it in a checkpointed thread: a
    resumed one makes the call again. (An error that a handler is given, and raises, counts as handled: the thread would
    be at its end, without an answer.)
    """
    try:
        yield
    except (UserError, BudgetSpent) as error:
        kind = type(type(error).__name__, (type(error), GraphBubbleUp), {})
        stop = kind.__new__(kind, *error.args)  # errors are made of other arguments than they keep
        stop.__dict__.update(error.__dict__)
        raise stop from error


def _tries() -> int:
    """How often LangGraph has begun this node for this call."""
    info = get_runtime().execution_info
    return info.node_attempt if info else 1


def _lost() -> list[str]:
    """The errors of this call's tries so far that may have been billed."""
    info, failed = get_runtime().execution_info, _failed.get()
    if info is None or info.node_attempt == 1 or info.task_id not in failed.task:
        return []
    return [error for error in failed.tries[1 - info.node_attempt :] if error]


def lost_before(error: BaseException) -> list[str]:
    """The errors of the tries that came before the last one, with `error`, and may have been billed."""
    lost: list[str] = error.__dict__.get(LOST, [])
    return lost


def _remember(model: BaseChatModel, error: Exception) -> None:
    """Keep a failed try for those that follow, and those before it on the error, for the node's error handler."""
    task, failed = (getattr(error, "__notes__", None) or [""])[-1], _failed.get()
    earlier = failed.tries[1 - TRIES :] if task == failed.task else ()
    free = in_process(model) or unbilled(error)
    _failed.set(_Failed(task, (*earlier, None if free else f"{type(error).__name__}: {error}")))
    error.__dict__[LOST] = [said for said in earlier if said]


def retry_policy(model: BaseChatModel, *, after_timeout: bool = True) -> RetryPolicy:
    """Who asks again when a call fails for a while (429, 5xx, a fault of the line), so that no two layers multiply.

    The client of a hosted model does, when it has `max_retries`, which is LangChain's default: twice for OpenAI, each
    time as long after as Retry-After says. Then the node asks again only where the client does not look: a reply that
    broke off, or a node's timeout unless `after_timeout` is False. The node asks three times in all where the model
    has no retries of its own. A metered model (`sg_agent.metered`) is loaded without: its throttle waits out overload
    by Retry-After, its node repeats the rest.
    """
    by_itself = getattr(model, "max_retries", 0) != 0

    def retry_on(error: Exception) -> bool:
        _remember(model, error)
        if isinstance(error, NodeTimeoutError) and not after_timeout:
            return False
        return transient(error) and (not by_itself or unseen_by_client(error))

    return RetryPolicy(max_attempts=TRIES, retry_on=retry_on)
