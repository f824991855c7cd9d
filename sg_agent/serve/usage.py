"""Tokens of a ledger as OpenAI's `usage`: summed over guide and solver, and broken down by role."""

from collections.abc import Iterable
from typing import Any

from sg_agent.ledger import CallRecord


def usage(ledger: Iterable[CallRecord]) -> dict[str, Any]:
    """The usage of a chat completion. What a cache remembered was not used again and is not counted."""
    paid = [record for record in ledger if not record["cached"]]
    by_role = {role: _tokens(r for r in paid if r["role"] == role) for role in ("guide", "solver")}
    return {**_tokens(paid), "by_role": by_role}


def _tokens(records: Iterable[CallRecord]) -> dict[str, Any]:
    calls = list(records)
    read, written = sum(call["input_tokens"] for call in calls), sum(call["output_tokens"] for call in calls)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": sum(call["cached_tokens"] for call in calls)},
    }
