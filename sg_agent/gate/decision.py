"""What a gate says of a question: plain data for the state, the ledger, traces and logs."""

from typing import Literal

from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

GateRoute = Literal["direct", "guided", "escalate"]
ROUTES: tuple[GateRoute, ...] = ("direct", "guided", "escalate")  # cheapest first
DEFAULT: GateRoute = "guided"


class Decision(TypedDict):
    """`scores` is P(right) per route, empty where none could be told; `threshold` is the gain a dearer route must
    bring, None where none was used.
    """

    route: GateRoute
    scores: dict[str, float]
    threshold: float | None
    reason: str
