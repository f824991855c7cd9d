"""What the two endpoints have in common: a dialect reads a body, and writes a reply, whole or as server-sent events."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sg_agent.gate.decision import decided
from sg_agent.quoting import told, without_quotes
from sg_agent.serve.answering import Answer, Ask, Delta, Guidance
from sg_agent.serve.arms import Models
from sg_agent.serve.errors import ApiError


class Writer(Protocol):
    """A reply as it is written; every method returns what is to be sent."""

    def start(self) -> bytes:
        """What comes before anything is known."""
        ...

    def event(self, event: Guidance | Delta) -> bytes:
        """Guidance, or what a solver has just written."""
        ...

    def end(self, answer: Answer) -> bytes:
        """What comes once all is known."""
        ...

    def broken(self, error: ApiError) -> bytes:
        """An error after the status has been sent."""
        ...


@dataclass(frozen=True)
class Parsed:
    """A request in its dialect, and how to reply: by `writer` when it is to be streamed, else by `reply`.

    `id` is what the reply goes by.
    """

    id: str
    ask: Ask
    writer: Writer | None
    reply: Callable[[Answer], dict[str, Any]]


class Dialect(Protocol):
    """One endpoint's form of requests and replies."""

    def read(self, body: bytes, models: Models, *, most_attempts: int) -> Parsed:
        """The request. Raises ApiError."""
        ...


def about(answer: Answer) -> dict[str, Any]:
    """The reply's object `sg_agent`: how the question was answered."""
    output = answer.output
    return {
        "arm": answer.ask.target.arm,
        "route": output["route"],
        "reason": without_quotes(output["reason"]),
        **{stage: told(one) for stage, one in decided(output).items()},
        "guidance": output["guidance"],
        "answer": output["answer"] if answer.in_form or answer.ask.votes else None,
        "chosen": output["chosen"],
        "failed_attempts": sum(attempt["error"] is not None for attempt in output["attempts"]),
        "prompts": output["prompts"],
        "cost_usd": answer.cost_usd,
        "retries": answer.retries,
        "overhead_ms": round(answer.overhead_s * 1000, 3),
    }


def sse(data: dict[str, Any], event: str | None = None) -> bytes:
    """A server-sent event."""
    named = f"event: {event}\n" if event else ""
    return f"{named}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
