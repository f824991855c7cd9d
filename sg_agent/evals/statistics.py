"""Accuracy and paired comparison of arms, from scipy and statsmodels.

Errors are no answers: whoever calls leaves them out, and a pair holds only questions that neither arm ended with an
error on. Intervals are 95%: Wilson for one arm, a seeded percentile bootstrap over questions for a pair.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from sg_agent.errors import MissingExtra

try:
    import numpy as np
    from scipy.stats import bootstrap
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.proportion import proportion_confint
except ModuleNotFoundError as error:
    raise MissingExtra("sg_agent.evals.statistics", "evals") from error

RESAMPLES = 9999


class Proportion(TypedDict):
    """accuracy and ci95 are None when no question was scored."""

    accuracy: float | None
    ci95: list[float] | None


class Comparison(TypedDict):
    """One arm against another on the `n` questions that both answered. None where n is 0."""

    n: int
    delta: float | None
    ci95: list[float] | None
    p: float | None
    repairs: int
    breaks: int


def proportion(correct: Sequence[bool]) -> Proportion:
    """Share of right answers with its Wilson interval."""
    if not correct:
        return {"accuracy": None, "ci95": None}
    low, high = proportion_confint(sum(correct), len(correct), method="wilson")
    return {"accuracy": sum(correct) / len(correct), "ci95": [float(low), float(high)]}


def compare(arm: Mapping[str, bool], baseline: Mapping[str, bool], *, seed: int) -> Comparison:
    """Compare `arm` with `baseline`, both question id -> right; only ids in both count.

    A repair is wrong in the baseline and right in the arm, a break the other way round; p is the exact McNemar test.
    """
    shared = [question for question in arm if question in baseline]
    repairs = sum(arm[q] and not baseline[q] for q in shared)
    breaks = sum(baseline[q] and not arm[q] for q in shared)
    if not shared:
        return {"n": 0, "delta": None, "ci95": None, "p": None, "repairs": 0, "breaks": 0}
    both = sum(arm[q] and baseline[q] for q in shared)
    table = [[both, repairs], [breaks, len(shared) - both - repairs - breaks]]
    differences = np.array([int(arm[q]) - int(baseline[q]) for q in shared], dtype=float)
    return {
        "n": len(shared),
        "delta": (repairs - breaks) / len(shared),
        "ci95": _interval(differences, seed),
        "p": float(mcnemar(table, exact=True).pvalue),
        "repairs": repairs,
        "breaks": breaks,
    }


def percentiles(values: Sequence[float], *ranks: int) -> list[float]:
    """The values at the given percent ranks, interpolated."""
    return [float(value) for value in np.percentile(values, ranks)]


def _interval(differences: "np.ndarray[tuple[int], np.dtype[np.float64]]", seed: int) -> list[float]:
    """Bootstrap interval of the mean; a single question or equal differences leave nothing to resample."""
    if len(differences) < 2 or np.ptp(differences) == 0:
        return [float(differences[0])] * 2
    drawn = bootstrap(
        (differences,), np.mean, n_resamples=RESAMPLES, batch=500, method="percentile", rng=np.random.default_rng(seed)
    )
    return [float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)]
