"""The last node: one answer out of the attempts (`vote`), or guidance alone (`settle`); then the ledger is complete."""

from collections import Counter
from typing import Any

from langgraph.types import Overwrite

from sg_agent.answers import vote_key
from sg_agent.errors import SolverError
from sg_agent.graphs.chat import reply
from sg_agent.graphs.state import Attempt, State
from sg_agent.ledger import CallRecord, as_paid_by
from sg_agent.rows import Task


def vote(state: State) -> dict[str, Any]:
    """The majority of the parsed answers, the earliest of equals. Raises SolverError when every attempt failed; a
    question on which the solver was not asked at all has no answer.

    The ledger is complete here: what came from a cache is marked, since nobody paid for it in this run.
    """
    ledger = _paid(state)
    tried = sorted(state["attempts"], key=lambda attempt: attempt["index"])
    if tried and all(attempt["error"] for attempt in tried):
        raise SolverError(f"the solver failed: {tried[-1]['error']}", ledger)
    chosen = _chosen([attempt for attempt in tried if not attempt["error"]], state["asked"]["row"]["task"])
    return {
        "answer": chosen and chosen["answer"],
        "chosen": chosen and chosen["index"],
        "messages": [reply(chosen)] if chosen and state["asked"]["chat"] else [],
        "reason": _with_fallback(state["reason"], tried),
        "ledger": Overwrite(ledger),
    }


def settle(state: State) -> dict[str, Any]:
    """The end of a graph without a solver."""
    return {"ledger": Overwrite(_paid(state))}


def _paid(state: State) -> list[CallRecord]:
    return [as_paid_by(state["asked"]["run"], record) for record in state["ledger"]]


def _with_fallback(reason: str, tried: list[Attempt]) -> str:
    """`reason`, and how many attempts a fallback had to answer."""
    stood_in = [attempt["fallback"] for attempt in tried if "fallback" in attempt and attempt["error"] is None]
    if not stood_in:
        return reason
    return (
        f"{reason}; the solver failed, and the fallback {stood_in[0]} answered {len(stood_in)} of {len(tried)} attempts"
    )


def _chosen(tried: list[Attempt], task: Task) -> Attempt | None:
    """The first attempt with the answer that most have; the first of all when none has any."""
    keys = {a["index"]: vote_key(a["answer"], task) for a in tried if a["answer"] is not None}
    votes = Counter(keys.values())
    return max(
        tried, key=lambda attempt: votes[keys[attempt["index"]]] if attempt["index"] in keys else 0, default=None
    )
