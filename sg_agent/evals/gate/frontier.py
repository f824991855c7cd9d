"""Accuracy against cost of every way to route the same questions: one route always, the gate at every threshold, a
cascade at every doubt, the oracle gate (the cheapest right route) and chance. With a second look, the gate at every
threshold again, to which guidance is then held too: where it is dropped, the guide was paid for and called in vain.

`apgr` is RouteLLM's measure: the area under the performance gap recovered over the share of questions that are sent
to the stronger route, 0 to 100% in steps of 10, by trapezoids (arXiv 2406.18665).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypedDict

from sg_agent.evals.gate.examples import Example, Leg
from sg_agent.gate import Gate, GateRoute

STEP = 0.02
THRESHOLDS = tuple(round(1 - i * STEP, 2) for i in range(101))  # 1, where nothing changes, down to -1
Costs = Mapping[GateRoute, float | None]  # dollars per question, over what the runs say
SECOND_LOOK = "auto, second look"
GUIDING = ("guide", "guided")


class Point(TypedDict):
    """`family` at a `threshold`. A break is a question that `direct` gets right and this does not.

    `n` questions, `breakable` of which `direct` gets right; `shares` of the questions per route that gave the answer;
    `guide_calls` of all; `usd_per_1000` None while a price is unknown. Of chance, numbers are expected ones.
    """

    family: str
    threshold: float | None
    n: int
    accuracy: float
    usd_per_1000: float | None
    guide_calls: float
    shares: dict[str, float]
    breakable: int
    breaks: float
    repairs: float


Path = tuple[Leg, ...]  # what was paid for; the last one, a route, gave the answer


def points(gate: Gate, examples: Sequence[Example], costs: Costs) -> list[Point]:
    """The whole frontier, family by family."""
    routes = list(gate.heads)
    found = [point(f"always {route}", None, examples, [(route,) for _ in examples], costs) for route in routes]
    for family, choose in families(gate, examples).items():
        found += [point(family, threshold, examples, choose(threshold), costs) for threshold in THRESHOLDS]
    order = sorted(routes, key=lambda route: (_mean(costs_of(examples, route, costs)) or 0.0, routes.index(route)))
    best = [next((r for r in order if example.right[r]), order[0]) for example in examples]
    found.append(point("oracle", None, examples, [(route,) for route in best], costs))
    return [*found, *_chance(found, max(routes[1:], key=lambda route: _accuracy(examples, route)))]


def families(gate: Gate, examples: Sequence[Example]) -> dict[str, Callable[[float], list[Path]]]:
    """What a threshold chooses for every question: the gate, the gate that looks again where it can, and a cascade from
    each route whose answers it checks.
    """
    scores = [gate.probabilities(example.row, example.signals) for example in examples]
    again = [_again(gate, example) for example in examples]

    def auto(threshold: float) -> list[Path]:
        return [(gate.choose(score, threshold),) for score in scores]

    def second_look(threshold: float) -> list[Path]:
        return [
            ("guide", "direct") if path == ("guided",) and seen and gate.choose(seen, threshold) == "direct" else path
            for path, seen in zip(auto(threshold), again, strict=True)
        ]

    def cascade(route: GateRoute, gains: Sequence[float]) -> Callable[[float], list[Path]]:
        return lambda threshold: [(route, "escalate") if gain >= threshold else (route,) for gain in gains]

    looks = {"auto": auto} | ({SECOND_LOOK: second_look} if any(again) else {})
    return looks | {f"cascade {route}": cascade(route, list(_gains(gate, examples, route))) for route in gate.checks}


def _again(gate: Gate, example: Example) -> dict[GateRoute, float] | None:
    return gate.look_again(example.row, example.guidance, example.signals) if gate.second and example.guidance else None


def _gains(gate: Gate, examples: Iterable[Example], route: GateRoute) -> Iterator[float]:
    for example in examples:
        found = gate.doubt(example.row, route, example.replies[route], example.signals)
        assert found
        yield found["escalate"] - found[route]


def point(
    family: str, threshold: float | None, examples: Sequence[Example], paths: Sequence[Path], costs: Costs
) -> Point:
    """What came of the questions on these paths."""
    right = [_right(example, path) for example, path in zip(examples, paths, strict=True)]
    alone = [example.right["direct"] for example in examples]
    usd = _mean([_paid(example, path, costs) for example, path in zip(examples, paths, strict=True)])
    return {
        "family": family,
        "threshold": threshold,
        "n": len(examples),
        "accuracy": sum(right) / len(examples),
        "usd_per_1000": None if usd is None else 1000 * usd,
        "guide_calls": sum(
            example.guide_calls for example, path in zip(examples, paths, strict=True) if path[0] in GUIDING
        ),
        "shares": {r: sum(path[-1] == r for path in paths) / len(paths) for r in examples[0].right},
        "breakable": sum(alone),
        "breaks": sum(was and not now for was, now in zip(alone, right, strict=True)),
        "repairs": sum(now and not was for was, now in zip(alone, right, strict=True)),
    }


def _right(example: Example, path: Path) -> bool:
    answered = path[-1]
    assert answered != "guide"
    return example.right[answered]


def apgr(gains: Sequence[float], weak: Sequence[bool], strong: Sequence[bool]) -> float:
    """Area under the performance gap recovered; questions of the highest gain are sent first.

    Raises ValueError where the stronger route is no better: there is no gap.
    """
    recovered = [gap for _, _, gap in recoveries(gains, weak, strong, steps=10)]
    return sum((a + b) / 2 for a, b in pairwise(recovered)) / (len(recovered) - 1)


def recoveries(
    gains: Sequence[float], weak: Sequence[bool], strong: Sequence[bool], *, steps: int
) -> list[tuple[float, float, float]]:
    """(share sent, accuracy, share of the gap recovered) for every step from 0 to 100% sent."""
    n, gap = len(gains), sum(strong) - sum(weak)
    if gap <= 0:
        raise ValueError(f"the stronger route is right on {sum(strong)} of {n} questions, the weak one on {sum(weak)}")
    change = [int(strong[i]) - int(weak[i]) for i in sorted(range(n), key=lambda i: -gains[i])]
    found = []
    for k in range(steps + 1):
        sent = round(n * k / steps)
        more = sum(change[:sent])
        found.append((sent / n, (sum(weak) + more) / n, more / gap))
    return found


def costs_of(examples: Sequence[Example], route: GateRoute, costs: Costs) -> list[float | None]:
    """Dollars of every question on a route."""
    return [_paid(example, (route,), costs) for example in examples]


def _paid(example: Example, path: Path, costs: Costs) -> float | None:
    """Guidance that was dropped cost what the guide's calls did; of a given cost of `guided` that is not known, so all
    of it counts.
    """
    total = 0.0
    for leg in path:
        usd = costs.get("guided" if leg == "guide" else leg, example.usd[leg])
        if usd is None:
            return None
        total += usd
    return total


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _accuracy(examples: Sequence[Example], route: GateRoute) -> float:
    return sum(example.right[route] for example in examples) / len(examples)


def _chance(found: Sequence[Point], other: GateRoute) -> Iterator[Point]:
    """`direct` or `other` by chance, at shares of 0 to 100%: on the line between the two."""
    ends = {one["family"]: one for one in found if one["threshold"] is None}
    start, end = ends["always direct"], ends[f"always {other}"]
    for step in range(11):
        share = step / 10

        def mixed(first: float, last: float, share: float = share) -> float:
            return (1 - share) * first + share * last

        usd = (start["usd_per_1000"], end["usd_per_1000"])
        yield {
            **start,
            "family": "random",
            "threshold": None,
            "accuracy": mixed(start["accuracy"], end["accuracy"]),
            "usd_per_1000": None if usd[0] is None or usd[1] is None else mixed(usd[0], usd[1]),
            "guide_calls": mixed(start["guide_calls"], end["guide_calls"]),
            "shares": {"direct": 1 - share, other: share},
            "breaks": mixed(0, end["breaks"]),
            "repairs": mixed(0, end["repairs"]),
        }
