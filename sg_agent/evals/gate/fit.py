"""`sg-agent gate fit`: a gate from eval runs that a user already has.

A share of the questions, by the hash of their text, is held out for `sg-agent gate calibrate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sg_agent.errors import ConfigError, DataError
from sg_agent.evals.gate.estimator import fit_head
from sg_agent.evals.gate.examples import Example, Examples
from sg_agent.files import check_writable
from sg_agent.gate import Gate, GateRoute, Passport
from sg_agent.gate.gate import named_signals
from sg_agent.gate.guidance import Guidance, guidance_features, guidance_words
from sg_agent.gate.head import Head
from sg_agent.gate.question import question_features, word_features
from sg_agent.gate.reply import reply_features
from sg_agent.versions import package_versions

FEWEST, ENOUGH = 60, 200
FEWEST_OF_A_KIND = 10
LEAST_WEIGHT = 0.25
WORTH = 0.02  # of the log loss: what a second look must take off it
PACKAGES = ("sg-agent", "scikit-learn", "numpy")


@dataclass(frozen=True)
class Fitted:
    """A gate with the questions that it has not seen."""

    gate: Gate
    held_out: int


def fit_gate(examples: Examples, *, hold_out: float = 0.3, seed: int = 0) -> Fitted:
    """Fit a head per route, one of the guidance that was written, and for the cheap ones a check of their answers where
    there is a stronger solver.

    Raises ConfigError for a share that is none, DataError for too few or one-sided answers.
    """
    if not 0 <= hold_out <= 0.9:
        raise ConfigError(f"hold_out must be from 0 to 0.9, not {hold_out!r}")
    seen = [example for example in examples.items if not _is_held_out(example, hold_out)]
    _check_enough(seen, examples)
    questions = [_features(example) for example in seen]
    right = {route: [example.right[route] for example in seen] for route in examples.routes}
    heads = {route: fit_head(questions, right[route], seed=seed) for route in examples.routes}
    checks: dict[GateRoute, Head] = {}
    if examples.stronger:
        for route in examples.routes[:-1]:
            values = [
                {**question, **reply_features(example.row, example.replies[route])}
                for question, example in zip(questions, seen, strict=True)
            ]
            checks[route] = fit_head(values, right[route], seed=seed)
    usd = {route: mean_usd(seen, route) for route in examples.routes}
    second, notes = _second(seen, questions, heads["guided"], seed) if "guided" in heads else (None, [])
    gate = Gate(
        passport=_passport(examples, seen),
        heads=heads,
        checks=checks,
        second=second,
        looks_again=second is not None,
        weights=weights(usd),
        usd=usd,
        cascade=0.0 if checks else None,
        notes=[*examples.notes, *_notes(heads, len(seen)), *notes],
    )
    return Fitted(gate, len(examples.items) - len(seen))


def _second(
    seen: Sequence[Example], questions: Sequence[dict[str, float]], guided: Head, seed: int
) -> tuple[Head | None, list[str]]:
    """P(right) by the guidance that was written, and notes. None where too few have any, and where it tells hardly more
    than the question: promises are tested for every family of the gate, and share their 5%. Log-probabilities that some
    lack are left out of all.
    """
    shown = [
        (example, example.guidance, values) for example, values in zip(seen, questions, strict=True) if example.guidance
    ]
    right = [example.right["guided"] for example, _, _ in shown]
    if len(right) < FEWEST or min(sum(right), len(right) - sum(right)) < FEWEST_OF_A_KIND:
        return None, []
    told = all(guidance.logprobs for _, guidance, _ in shown)
    values = []
    for example, guidance, question in shown:
        read = guidance if told else Guidance(guidance.text)
        values.append({**question, **guidance_features(example.row, read), **guidance_words(read)})
    second = fit_head(values, right, seed=seed)
    first = guided if len(shown) == len(seen) else fit_head([question for _, _, question in shown], right, seed=seed)
    assert second.quality
    assert first.quality
    after, before = second.quality.log_loss, first.quality.log_loss
    if after <= (1 - WORTH) * before:
        return second, []
    said = f"what the guide writes tells hardly more than the question (log loss {after:.3f} against {before:.3f})"
    return None, [f"{said}: there is no second look"]


def mean_usd(examples: Sequence[Example], route: GateRoute) -> float | None:
    """Dollars per question; None as soon as one of them is unknown."""
    known = [usd for example in examples if (usd := example.usd[route]) is not None]
    return sum(known) / len(known) if known and len(known) == len(examples) else None


def weights(usd: dict[GateRoute, float | None]) -> dict[GateRoute, float]:
    """How much of the threshold each route must clear: by its extra cost over `direct`, the dearest 1.

    With two routes the other one is 1; so are all where a price is unknown.
    """
    base, others = usd["direct"], [route for route in usd if route != "direct"]
    extra = {route: cost - base for route in others if (cost := usd[route]) is not None and base is not None}
    most = max(extra.values(), default=0.0)
    if len(others) < 2 or len(extra) < len(others) or most <= 0:
        return {"direct": 0.0, **dict.fromkeys(others, 1.0)}
    return {"direct": 0.0, **{route: max(LEAST_WEIGHT, cost / most) for route, cost in extra.items()}}


def _features(example: Example) -> dict[str, float]:
    known = named_signals(example.signals)
    return {**question_features(example.row), **word_features(example.row), **known}


def _is_held_out(example: Example, share: float) -> bool:
    return int(example.hash[:8], 16) < share * 16**8


def _check_enough(seen: Sequence[Example], examples: Examples) -> None:
    if len(seen) < FEWEST:
        raise DataError(
            f"{len(seen)} questions are too few to fit a gate: at least {FEWEST} are needed and {ENOUGH} should be "
            f"there ({len(examples.items)} were answered on every route); until then use the policy 'always'"
        )
    for route in examples.routes:
        right = sum(example.right[route] for example in seen)
        if min(right, len(seen) - right) < FEWEST_OF_A_KIND:
            raise DataError(
                f"the route {route!r} (arm {examples.arms[route]!r}) is right on {right} of {len(seen)} questions: "
                f"at least {FEWEST_OF_A_KIND} right and {FEWEST_OF_A_KIND} wrong ones are needed to learn which; "
                "use the policy 'always' or 'never'"
            )


def _notes(heads: dict[GateRoute, Head], n: int) -> list[str]:
    few = [f"fitted on {n} questions, and {ENOUGH} should be there: do not trust it before it has been calibrated"]
    poor = [
        f"P(right) of {route!r} is no better than always saying its accuracy (log loss {head.quality.log_loss:.3f} "
        f"against {head.quality.base_log_loss:.3f}): nothing was learned of it"
        for route, head in heads.items()
        if head.quality and head.quality.log_loss >= head.quality.base_log_loss
    ]
    return [*(few if n < ENOUGH else []), *poor]


def _passport(examples: Examples, seen: Sequence[Example]) -> Passport:
    return Passport(
        guide=examples.guide,
        solver=examples.solver,
        stronger=examples.stronger,
        suite=examples.suite,
        arms=dict(examples.arms),
        prompts=list(examples.prompts),
        n=len(seen),
        questions=sorted(example.hash for example in seen),
        signals=examples.signals,
        versions=package_versions(PACKAGES),
    )


def check_out(path: Path) -> None:
    """Raise ConfigError for a file that is there already, which a gate never overwrites, or that cannot be written."""
    check_writable(path, "out")
    if path.exists():
        raise ConfigError(f"{str(path)!r} exists; name another --out")
