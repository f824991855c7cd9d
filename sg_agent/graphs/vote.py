"""The last node: one answer out of the attempts (`vote`), or guidance alone (`settle`); then the ledger is complete."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from langgraph.types import Overwrite

from sg_agent.answers import vote_key
from sg_agent.errors import SolverError
from sg_agent.graphs.chat import reply
from sg_agent.graphs.handled import let_go
from sg_agent.graphs.state import Attempt, Route, State
from sg_agent.ledger import CallRecord, as_paid_by
from sg_agent.rows import Task


def vote(state: State) -> dict[str, Any]:
    """The majority of the parsed answers, the earliest of equals. Raises SolverError when every attempt failed; a
    question on which the solver was not asked at all has no answer.

    The ledger is complete here: what came from a cache is marked, since nobody paid for it in this run.
    """
    handled = let_go(state["asked"]["run"])
    ledger = [_led_to(state, record) for record in _paid(state)]
    tried = sorted(state["attempts"], key=lambda attempt: attempt["index"])
    if tried and all(attempt["error"] for attempt in tried):
        raise SolverError(f"the solver failed: {tried[-1]['error']}", ledger) from (handled[-1] if handled else None)
    chosen = winner(tried, state["asked"]["row"]["task"])
    return {
        "answer": chosen and chosen["answer"],
        "chosen": chosen and chosen["index"],
        "route": _answered_by(state, chosen),
        "messages": [reply(chosen)] if chosen and state["asked"]["chat"] else [],
        "reason": _without_stronger(_with_fallback(state["reason"], tried), tried, chosen),
        "ledger": Overwrite(ledger),
    }


def _answered_by(state: State, chosen: Attempt | None) -> Route:
    """Whose answer stands: of a question that was escalated in vain, the one at hand."""
    if state["route"] != "escalate" or chosen is None or "stronger" in chosen:
        return state["route"]
    return "direct" if state["guidance"] is None else "guided"


def settle(state: State) -> dict[str, Any]:
    """The end of a graph without a solver."""
    let_go(state["asked"]["run"])
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


def _without_stronger(reason: str, tried: list[Attempt], chosen: Attempt | None) -> str:
    """`reason`, and that the stronger solver gave no answer, where the one at hand had to do."""
    escalated = next((attempt for attempt in tried if "stronger" in attempt), None)
    if escalated is None or escalated is chosen:
        return reason
    return f"{reason}; the stronger solver {escalated['stronger']} gave no answer: the one at hand stays"


def _led_to(state: State, record: CallRecord) -> CallRecord:
    """`record` with the decision that led to the call, where a policy decides."""
    decision, attempt = state.get("decision"), record["attempt"]
    if decision is None:
        return record
    if attempt is None:
        return {**record, "decision": decision}
    later = state.get("recheck") if attempt >= state["asked"]["attempts"] else state.get("reconsidered")
    return {**record, "decision": later or decision}


def winner(tried: Sequence[Attempt], task: Task) -> Attempt | None:
    """The first attempt with the answer that most have; the first of all when none has any; None when all failed.

    An answer of the stronger solver's needs no vote.
    """
    good = [attempt for attempt in tried if not attempt["error"]]
    for attempt in good:
        if "stronger" in attempt and (attempt["answer"] is not None or attempt["tool_calls"]):
            return attempt
    keys = {a["index"]: vote_key(a["answer"], task) for a in good if a["answer"] is not None}
    votes = Counter(keys.values())
    return max(good, key=lambda attempt: votes[keys[attempt["index"]]] if attempt["index"] in keys else 0, default=None)
