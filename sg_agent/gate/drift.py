"""Whether live values still come from where a reference came from: published two-sample tests in plain arithmetic.

Scores by the population stability index, whose distribution is known: n m / (n + m) times it is chi-square with a
degree of freedom less than there are bins (Yurdakul and Naranjo, 2020). Rates by Fisher's exact test, means by
Student's. A window is tested again and again, so an alarm takes p below ALARM, one in 10,000; it ends above CALM.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist, fmean, pvariance
from typing import NamedTuple

from sg_agent.gate.reference import Agreement, Rate, Scores, binned

WINDOW, LEAST, EVERY = 500, 200, 50  # the newest values, how many must be there, and a test after so many new ones
ALARM, CALM = 1e-4, 1e-2

_NORMAL = NormalDist()


class Found(NamedTuple):
    """A test's `p`, and what was compared, in a few numbers."""

    p: float
    live: float
    reference: float


Test = Callable[[Sequence[float]], Found]


def score_test(reference: Scores) -> Test:
    """Of scores; `live` is the population stability index, half a value added to every bin, and its reference 0."""

    def test(values: Sequence[float]) -> Found:
        if not reference.cuts:
            return Found(1.0, 0.0, 0.0)
        then, now = ([count + 0.5 for count in counts] for counts in (reference.counts, binned(reference.cuts, values)))
        psi = sum(
            (b / sum(now) - a / sum(then)) * math.log((b / sum(now)) / (a / sum(then)))
            for a, b in zip(then, now, strict=True)
        )
        scale = len(values) * reference.n / (len(values) + reference.n)
        return Found(chi_square_tail(scale * psi, len(reference.cuts)), psi, 0.0)

    return test


def rate_test(reference: Rate) -> Test:
    """Of values that are 0 or 1."""

    def test(values: Sequence[float]) -> Found:
        hits = round(sum(values))
        p = fisher(hits, len(values), reference.hits, reference.n)
        return Found(p, hits / len(values), reference.hits / reference.n)

    return test


def mean_test(reference: Agreement) -> Test:
    """Of shares."""

    def test(values: Sequence[float]) -> Found:
        mean, n = fmean(values), len(values)
        pooled = (n * pvariance(values, mean) + reference.n * reference.sd**2) / (n + reference.n - 2)
        error = math.sqrt(pooled * (1 / n + 1 / reference.n))
        apart = abs(mean - reference.mean)
        if error == 0:
            return Found(1.0 if apart < 1e-9 else 0.0, mean, reference.mean)
        return Found(2 * (1 - _NORMAL.cdf(apart / error)), mean, reference.mean)

    return test


def chi_square_tail(value: float, freedom: int) -> float:
    """The chance of so much or more, by the finite sum that there is for whole degrees of freedom."""
    if value <= 0:
        return 1.0
    half, odd = value / 2, freedom % 2
    powers = [i + odd / 2 for i in range(freedom // 2)]
    return (math.erfc(math.sqrt(half)) if odd else 0.0) + math.fsum(
        math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers
    )


def fisher(hits: int, n: int, other_hits: int, other_n: int) -> float:
    """Fisher's exact test, both sides: twice the smaller tail."""
    total, whole = hits + other_hits, n + other_n

    def chance(k: int) -> float:
        return math.exp(_choose(n, k) + _choose(other_n, total - k) - _choose(whole, total))

    least, most = max(0, total - other_n), min(n, total)
    below = math.fsum(chance(k) for k in range(least, hits + 1))
    above = math.fsum(chance(k) for k in range(hits, most + 1))
    return min(1.0, 2 * min(below, above))


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


@dataclass
class Watch:
    """The newest values of one thing, and whether they have `moved`: from an alarm until they are as before."""

    test: Test
    moved: bool = False
    found: Found | None = None
    _values: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _new: int = 0

    @property
    def n(self) -> int:
        """How many values are compared."""
        return len(self._values)

    def add(self, value: float) -> bool:
        """Whether that changed `moved`."""
        self._values.append(value)
        self._new += 1
        if self._new < EVERY or self.n < LEAST:
            return False
        self._new, before = 0, self.moved
        self.found = self.test(self._values)
        self.moved = self.found.p <= CALM if before else self.found.p < ALARM
        return self.moved != before
