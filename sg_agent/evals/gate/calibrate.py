"""`sg-agent gate calibrate`: the threshold that keeps a promise, picked on questions that the gate has not seen.

--max-breaks is promised with 95% confidence: thresholds are tested from the one that changes nothing on, each by the
exact (Clopper-Pearson) upper bound of its break rate, up to the first that fails (fixed-sequence testing, as in Learn
then Test, arXiv 2110.01052), so that looking at many takes nothing from the confidence; the families share the 5%.
--max-cost and --min-accuracy are picked on one half of the questions and reported on the other.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from sg_agent.errors import ConfigError, DataError, MissingExtra
from sg_agent.evals.gate.examples import Example, Examples
from sg_agent.evals.gate.fit import ENOUGH
from sg_agent.evals.gate.frontier import SECOND_LOOK, THRESHOLDS, Costs, Point, costs_of, families, point, points
from sg_agent.evals.gate.live import SUITE
from sg_agent.evals.gate.reference import reference_of
from sg_agent.gate import Gate
from sg_agent.gate.decision import ROUTES

try:
    from scipy.stats import beta
except ModuleNotFoundError as error:
    raise MissingExtra("sg_agent.evals.gate.calibrate", "evals") from error

CONFIDENCE = 0.95
FEWEST = 20


@dataclass(frozen=True)
class Goal:
    """One of three. `max_cost` is in dollars per 1,000 questions; the others are fractions, 0 to 1."""

    max_cost: float | None = None
    min_accuracy: float | None = None
    max_breaks: float | None = None

    def check(self) -> None:
        """Raise ConfigError as `given` does."""
        _ = self.given

    @property
    def given(self) -> tuple[Literal["max_cost", "min_accuracy", "max_breaks"], float] | None:
        """The goal's name and value, None without one. Raises ConfigError for several, or one out of range."""
        found = [
            (name, value)
            for name, value in (
                ("max_cost", self.max_cost), ("min_accuracy", self.min_accuracy), ("max_breaks", self.max_breaks)
            )
            if value is not None
        ]  # fmt: skip
        if len(found) > 1:
            raise ConfigError(f"one goal at a time: {' and '.join(name for name, _ in found)} were given")
        for name, value in found:
            if name == "max_cost" and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"max_cost must be dollars per 1,000 questions, at least 0, not {value!r}")
            if name != "max_cost" and not 0 <= value <= 1:
                raise ConfigError(f"{name} must be a fraction from 0 to 1, such as 0.01 for 1%, not {value!r}")
        return found[0] if found else None  # type: ignore[return-value] # the names are those above


class Promise(TypedDict):
    """What was picked, and what it came to on `n` questions that did not pick it.

    Bounds are at 95%, one-sided: the true break rate is below `break_rate_upper`, the true accuracy above
    `accuracy_lower`. Of max_breaks only the bound of breaks allows for the choice: its accuracy is of the questions
    that made it. `kept` says whether the bound (of breaks) or the number (of the others) keeps the goal.
    """

    goal: str
    value: float
    family: str
    threshold: float
    n: int
    accuracy: float
    accuracy_lower: float
    usd_per_1000: float | None
    breaks: float
    breakable: int
    break_rate_upper: float
    kept: bool
    note: str


class Calibration(TypedDict):
    """The frontier on the held-out questions, and the promise if a goal was given."""

    n: int
    dropped: int
    notes: list[str]
    points: list[Point]
    promise: Promise | None


def calibrate(gate: Gate, examples: Examples, goal: Goal, costs: Costs) -> tuple[Gate, Calibration]:
    """The gate with its threshold and promise, and the frontier. Raises ConfigError and DataError."""
    given = goal.given
    held_out = unseen(gate, examples)
    promise = None
    if given and given[0] == "max_breaks":
        promise = _few_breaks(gate, held_out, costs, given[1])
    elif given:
        promise = _by_halves(gate, held_out, costs, given[0], given[1])
    few = [f"{len(held_out)} held-out questions are few ({ENOUGH} should be there): the bounds are wide"]
    report: Calibration = {
        "n": len(held_out),
        "dropped": len(examples.items) - len(held_out),
        "notes": [*gate.notes, *(few if len(held_out) < ENOUGH else [])],
        "points": points(gate, held_out, costs),
        "promise": promise,
    }
    if promise is None:
        return gate, report
    gate = with_promise(gate, promise)
    return gate.model_copy(update={"reference": reference_of(gate, held_out)}), report


def unseen(gate: Gate, examples: Examples) -> list[Example]:
    """The questions that the gate was not fitted on. Raises ConfigError for runs of other models or arms."""
    passport = gate.passport
    suite = passport.suite if _suites(examples.suite) in (set(), _suites(passport.suite)) else examples.suite
    for name, fitted, now in (
        ("suite", passport.suite, suite), ("guide", passport.guide, examples.guide),
        ("solver", passport.solver, examples.solver), ("stronger solver", passport.stronger, examples.stronger),
        ("arms", passport.arms, dict(examples.arms)), ("signals", passport.signals, examples.signals),
    ):  # fmt: skip
        if fitted != now:
            raise ConfigError(f"the gate was fitted on another {name}: {fitted!r}, and these runs have {now!r}")
    _check_prompts(passport.prompts, examples.prompts)
    seen = set(passport.questions)
    held_out = [example for example in examples.items if example.hash not in seen]
    if len(held_out) < FEWEST:
        raise DataError(
            f"{len(held_out)} of {len(examples.items)} questions are new to the gate, at least {FEWEST} are needed: a "
            "promise on what it was fitted on is none; give runs with other questions, or fit with a --hold-out"
        )
    return held_out


def _suites(names: str) -> set[str]:
    """Without live questions, which go with any."""
    return set(names.split("+")) - {SUITE}


def _check_prompts(fitted: Sequence[str], now: Sequence[str]) -> None:
    """Of a prompt that both know, the hash must be the same; which ones were needed may differ."""
    hashes = dict(stamp.rsplit("@", 1) for stamp in fitted)
    for name, digest in (stamp.rsplit("@", 1) for stamp in now):
        if hashes.get(name, digest) != digest:
            raise ConfigError(f"the gate was fitted with another prompt {name!r} ({hashes[name]}, these runs {digest})")


def with_promise(gate: Gate, promise: Promise) -> Gate:
    """The gate set to what was picked."""
    kind, _, named = promise["family"].partition(" ")
    start = next((route for route in ROUTES if route == named), None)
    cascade = kind == "cascade"
    return gate.model_copy(
        update={
            "threshold": gate.threshold if start else promise["threshold"],
            "cascade": promise["threshold"] if cascade else None,
            "looks_again": promise["family"] == SECOND_LOOK,
            "start": start,
            "promise": dict(promise),
        }
    )


def upper_bound(hits: int, n: int, confidence: float = CONFIDENCE) -> float:
    """Clopper and Pearson's: a true share above it would show so few hits less often than 1 - confidence."""
    return 1.0 if hits >= n else float(beta.ppf(confidence, hits + 1, n - hits))


def lower_bound(hits: int, n: int, confidence: float = CONFIDENCE) -> float:
    """The same from below."""
    return 0.0 if hits <= 0 else float(beta.ppf(1 - confidence, hits, n - hits + 1))


def _few_breaks(gate: Gate, examples: Sequence[Example], costs: Costs, most: float) -> Promise:
    kinds = families(gate, examples)
    confidence = 1 - (1 - CONFIDENCE) / len(kinds)
    kept = [point("always direct", 1.0, examples, [("direct",) for _ in examples], costs)]
    breakable = kept[0]["breakable"]
    for family, choose in kinds.items():
        for threshold in THRESHOLDS:
            found = point(family, threshold, examples, choose(threshold), costs)
            changes = found["shares"]["direct"] < 1
            if changes and upper_bound(int(found["breaks"]), breakable, confidence) > most:
                break
            kept.append(found)
    best = max(kept, key=lambda one: (one["accuracy"], -(one["usd_per_1000"] or 0.0), -one["guide_calls"]))
    alone = best["shares"]["direct"] == 1
    promise = _promise("max_breaks", most, best, "tested on all held-out questions", confidence, alone=alone)
    if alone and any(one["shares"]["direct"] < 1 for one in kept):
        promise["note"] = "nothing that keeps it is better than always direct"
    elif alone:
        needed = math.ceil(math.log(1 - confidence) / math.log(1 - most)) if 0 < most < 1 else None
        said = f"; even without a break, {needed} questions that direct gets right are needed" if needed else ""
        promise["note"] = f"no threshold that changes anything keeps it: always direct ({breakable} are here{said})"
        promise["kept"] = False
    return promise


def _by_halves(gate: Gate, examples: Sequence[Example], costs: Costs, goal: str, value: float) -> Promise:
    first = [example for example in examples if int(example.hash[-1], 16) % 2]
    second = [example for example in examples if not int(example.hash[-1], 16) % 2]
    if not first or not second:
        raise DataError(f"{len(examples)} held-out questions cannot be halved")
    _check_priced(gate, examples, costs, goal)
    candidates = list(_candidates(gate, first, costs))
    best = _best_within(candidates, value) if goal == "max_cost" else _cheapest_with(candidates, value)
    assert best["threshold"] is not None
    chosen = families(gate, second)[best["family"]](best["threshold"])
    judged = point(best["family"], best["threshold"], second, chosen, costs)
    return _promise(goal, value, judged, f"picked on {len(first)} questions, reported on {len(second)} others")


def _check_priced(gate: Gate, examples: Sequence[Example], costs: Costs, goal: str) -> None:
    unknown = [route for route in gate.heads if any(usd is None for usd in costs_of(examples, route, costs))]
    if unknown:
        raise ConfigError(
            f"the price of {' and '.join(unknown)} is unknown, so {goal} cannot be weighed; give it in dollars per "
            f"1,000 questions: {' '.join(f'--cost {route}=USD' for route in unknown)}; "
            "until then use the policy 'always'"
        )


def _best_within(candidates: Sequence[Point], usd: float) -> Point:
    within = [one for one in candidates if _usd(one) <= usd]
    if not within:
        cheapest = min(candidates, key=_usd)
        mostly = max(cheapest["shares"], key=lambda route: cheapest["shares"][route])
        raise ConfigError(
            f"no route stays under ${usd:g} per 1,000 questions; the cheapest is {mostly!r} at ${_usd(cheapest):.4g}"
        )
    return max(within, key=lambda one: (one["accuracy"], -_usd(one)))


def _cheapest_with(candidates: Sequence[Point], accuracy: float) -> Point:
    enough = [one for one in candidates if one["accuracy"] >= accuracy]
    if not enough:
        best = max(candidates, key=lambda one: one["accuracy"])
        raise ConfigError(
            f"nothing reaches an accuracy of {accuracy:.1%}: the best is {best['family']} with {best['accuracy']:.1%}"
        )
    return min(enough, key=lambda one: (_usd(one), -one["accuracy"]))


def _usd(one: Point) -> float:
    """Of a point whose prices are known."""
    assert one["usd_per_1000"] is not None
    return one["usd_per_1000"]


def _candidates(gate: Gate, examples: Sequence[Example], costs: Costs) -> Iterable[Point]:
    for family, choose in families(gate, examples).items():
        for threshold in THRESHOLDS:
            yield point(family, threshold, examples, choose(threshold), costs)


def _promise(
    goal: str, value: float, judged: Point, note: str, confidence: float = CONFIDENCE, *, alone: bool = False
) -> Promise:
    assert judged["threshold"] is not None
    right = round(judged["accuracy"] * judged["n"])
    breaks = 0.0 if alone else upper_bound(int(judged["breaks"]), judged["breakable"], confidence)
    usd = judged["usd_per_1000"]
    kept = {
        "max_breaks": breaks <= value,
        "max_cost": usd is not None and usd <= value,
        "min_accuracy": judged["accuracy"] >= value,
    }
    return {
        "goal": goal,
        "value": value,
        "family": judged["family"],
        "threshold": judged["threshold"],
        "n": judged["n"],
        "accuracy": judged["accuracy"],
        "accuracy_lower": lower_bound(right, judged["n"]),
        "usd_per_1000": usd,
        "breaks": judged["breaks"],
        "breakable": judged["breakable"],
        "break_rate_upper": breaks,
        "kept": kept[goal],
        "note": note,
    }
