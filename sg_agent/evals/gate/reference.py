"""The reference that a calibrated gate carries: what its held-out questions are like, routed as the gate now routes."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean, mode, pstdev

from sg_agent.evals.gate.examples import Example
from sg_agent.gate import Decision, Gate, GateRoute
from sg_agent.gate.decision import Stage
from sg_agent.gate.reference import Agreement, Rate, Reference, Scores
from sg_agent.graphs.auto import AGREEMENT


def reference_of(gate: Gate, examples: Sequence[Example]) -> Reference:
    """Routes every question as the `auto` graph does, a doubtful answer escalated once."""
    scores = defaultdict[str, list[float]](list)
    agreements, valid, right = list[float](), list[bool](), list[bool]()
    attempts = mode(example.attempts for example in examples)
    for example in examples:
        decision = gate.decide(example.row, signals=example.signals)
        _note(scores, "decision", decision)
        route = decision["route"]
        if route == "guided":
            valid.append(example.guidance is not None)
            reconsidered = example.guidance and gate.reconsider(example.row, example.guidance, signals=example.signals)
            if reconsidered:
                _note(scores, "reconsidered", reconsidered)
                route = reconsidered["route"]
        if route != "escalate":
            if example.attempts == attempts:
                agreements.append(example.replies[route].agreement)
            recheck = gate.recheck(example.row, route, example.replies[route], signals=example.signals)
            if recheck:
                _note(scores, "recheck", recheck)
            route = recheck["route"] if recheck else _by_agreement(gate, example, route)
        right.append(example.right[route])
    return Reference(
        scores={name: Scores.of(values) for name, values in scores.items()},
        guidance=Rate(n=len(valid), hits=sum(valid)) if valid else None,
        agreement=Agreement(attempts=attempts, n=len(agreements), mean=fmean(agreements), sd=pstdev(agreements))
        if agreements
        else None,
        right=Rate(n=len(right), hits=sum(right)),
        versions=_versions(examples),
    )


def _note(scores: dict[str, list[float]], stage: Stage, decision: Decision) -> None:
    for route, score in decision["scores"].items():
        scores[f"{stage}:{route}"].append(score)


def _by_agreement(gate: Gate, example: Example, route: GateRoute) -> GateRoute:
    """What the graph does where the gate does not look at answers, and there is a stronger solver."""
    reply = example.replies[route]
    doubted = reply.answer is None or reply.agreement < AGREEMENT
    return "escalate" if doubted and "escalate" in gate.heads else route


def _versions(examples: Iterable[Example]) -> dict[str, dict[str, list[str]]]:
    found = defaultdict[str, defaultdict[str, set[str]]](lambda: defaultdict(set))
    for role, model, fingerprint in sorted({version for example in examples for version in example.versions}):
        found[role][model] |= {fingerprint} - {""}
    return {role: {model: sorted(prints) for model, prints in models.items()} for role, models in found.items()}
