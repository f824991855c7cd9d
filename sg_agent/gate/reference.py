"""What questions, guidance and answers were like when a gate was calibrated: what a server compares live ones with."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict

BINS, FEWEST_OF_A_BIN = 10, 15


class Scores(BaseModel):
    """`n` scores by bins of about equally many: a bin ends before its cut, and the last has none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cuts: list[float]
    counts: list[int]

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Deciles, or fewer bins of at least FEWEST_OF_A_BIN where values are few or the same."""
        ordered, cuts, begin = sorted(values), list[float](), 0
        for i in range(1, BINS):
            cut = ordered[i * len(ordered) // BINS]
            below = bisect_right(ordered, cut) - ordered.count(cut)
            if below - begin >= FEWEST_OF_A_BIN and len(ordered) - below >= FEWEST_OF_A_BIN:
                cuts.append(cut)
                begin = below
        return cls(cuts=cuts, counts=binned(cuts, values))

    @property
    def n(self) -> int:
        return sum(self.counts)


class Rate(BaseModel):
    """How many of `n`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    hits: int


class Agreement(BaseModel):
    """The share of the attempts that gave the answer: of so many `attempts`, mean and standard deviation over `n`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    attempts: int
    n: int
    mean: float
    sd: float


class Reference(BaseModel):
    """Of the questions that a gate was calibrated on, routed as it now routes.

    `scores` are those of its decisions, by stage and route ("decision:direct"); `guidance` is valid guidance of what
    was guided; `right` are right answers. `versions` are, by guide, solver and stronger, the names that the models'
    replies gave themselves, each with the provider's fingerprints of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scores: dict[str, Scores] = {}
    guidance: Rate | None = None
    agreement: Agreement | None = None
    right: Rate | None = None
    versions: dict[str, dict[str, list[str]]] = {}


def binned(cuts: Sequence[float], values: Sequence[float]) -> list[int]:
    """How many values each bin has."""
    counts = [0] * (len(cuts) + 1)
    for value in values:
        counts[bisect_right(cuts, value)] += 1
    return counts
