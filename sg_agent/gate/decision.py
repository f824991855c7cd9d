"""What a gate says of a question: plain data for the state, the ledger, traces and logs."""

from collections.abc import Mapping
from typing import Any, Literal

from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

GateRoute = Literal["direct", "guided", "escalate"]
ROUTES: tuple[GateRoute, ...] = ("direct", "guided", "escalate")  # cheapest first
DEFAULT: GateRoute = "guided"


Stage = Literal["decision", "reconsidered", "recheck"]
STAGES: tuple[Stage, ...] = ("decision", "reconsidered", "recheck")
"""What a policy says of a question, as states and records name it: before the guide is asked, of what it wrote, and of
the answer at hand."""


class Decision(TypedDict):
    """`scores` is P(right) per route, empty where none could be told; `threshold` is the gain a dearer route must
    bring, None where none was used.
    """

    route: GateRoute
    scores: dict[str, float]
    threshold: float | None
    reason: str


def plain(route: GateRoute, reason: str) -> Decision:
    """A decision without scores."""
    return {"route": route, "scores": {}, "threshold": None, "reason": reason}


def decided(output: Mapping[str, Any]) -> dict[str, Any]:
    """The decisions in an output, by stage; empty where no policy decides."""
    return {stage: output.get(stage) for stage in STAGES} if "decision" in output else {}
