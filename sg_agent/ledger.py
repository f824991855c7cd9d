"""The ledger: one record for every model call, what it used and what it cost.

An unknown price is None and stays None in every sum it enters. Models that run in this process cost 0.
"""

from collections.abc import Iterable
from typing import Literal, TypedDict

Role = Literal["guide", "solver", "teacher", "judge"]


class CallRecord(TypedDict):
    """One model call. Plain data, so that any checkpointer can store it."""

    role: Role
    model: str
    attempt: int | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None
    latency_s: float
    cached: bool
    error: str | None


def total_cost(records: Iterable[CallRecord]) -> float | None:
    """Sum of the costs, None as soon as one of them is unknown."""
    total = 0.0
    for record in records:
        if record["cost_usd"] is None:
            return None
        total += record["cost_usd"]
    return total
