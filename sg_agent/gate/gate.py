"""A fitted gate: P(right) per route, the threshold that was picked, and the passport of what it was fitted on.

It leaves `direct` for the route whose P(right), less threshold times the route's weight, is highest. So of two routes
the dearer one is taken when it promises at least `threshold` more. What the guide has written may be held to the same.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sg_agent.errors import ConfigError, ModelError
from sg_agent.files import check_writable, write_whole
from sg_agent.gate.decision import DEFAULT, ROUTES, Decision, GateRoute, plain
from sg_agent.gate.guidance import Guidance, guidance_features, guidance_words
from sg_agent.gate.head import SIGNAL, Head
from sg_agent.gate.question import question_features, word_features
from sg_agent.gate.reference import Reference
from sg_agent.gate.reply import CheapAnswer, reply_features
from sg_agent.models import Model, fingerprint, model_name
from sg_agent.rows import Row

Signalled = Mapping[str, float]
UNGIVEN = "the gate was fitted with signals that are not given"


class Known(BaseModel):
    """A model by its name, and by its weights where they are files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str | None = None


class Passport(BaseModel):
    """What a gate was fitted on. `questions` are hashes, so that no promise is made from questions it has seen.

    `arms` says which arm of the runs stood for each route, `prompts` has id@hash of every prompt those arms used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    guide: Known
    solver: Known
    stronger: Known | None = None
    suite: str
    arms: dict[GateRoute, str]
    prompts: list[str]
    n: int
    questions: list[str]
    signals: str | None = None
    versions: dict[str, str] = {}


class Gate(BaseModel):
    """`heads` see the question, `checks` also the answer of a cheap route, `second` also the guidance that was written;
    `usd` is dollars per question, if known.

    With `looks_again`, guidance that promises too little is dropped, and the solver is asked alone. A gate that was
    calibrated as a cascade has a `start`, where every question begins, and `cascade`, the gain that the stronger
    solver must promise over the answer at hand. `promise` is what calibration found, `reference` what the questions
    were like on which it did.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    format: Literal[1] = 1
    passport: Passport
    heads: dict[GateRoute, Head] = Field(min_length=2)
    checks: dict[GateRoute, Head] = {}
    second: Head | None = None
    looks_again: bool = False
    weights: dict[GateRoute, float]
    usd: dict[GateRoute, float | None] = {}
    threshold: float = Field(default=0.0, ge=-1, le=1)
    cascade: float | None = Field(default=None, ge=-1, le=1)
    start: GateRoute | None = None
    promise: dict[str, Any] | None = None
    reference: Reference | None = None
    notes: list[str] = []

    def check(self, *, guide: Model, solver: Model, stronger: Model | None = None) -> None:
        """Raise ModelError unless these are the models that the gate was fitted for. Loads nothing."""
        fitted = {
            "guide": self.passport.guide,
            "solver": self.passport.solver,
            "stronger solver": self.passport.stronger,
        }
        for role, model in (("guide", guide), ("solver", solver), ("stronger solver", stronger)):
            known = fitted[role]
            if known is None:
                continue
            now = known_as(model) if model is not None else None
            if now is None or not _same(known, now):
                said = now.name if now else "none"
                raise ModelError(
                    f"this gate was fitted for the {role} {known.name!r}, and here it is {said!r}; fit one from "
                    "runs with these models, or use the policy 'always'"
                )

    @property
    def named_heads(self) -> dict[str, Head]:
        """All of them, by what they judge."""
        named: dict[str, Head] = {str(route): head for route, head in self.heads.items()}
        if self.second:
            named["guided, written"] = self.second
        return named | {f"{route}, answered": head for route, head in self.checks.items()}

    def features(self, row: Row, signals: Signalled | None = None) -> dict[str, float]:
        """All that the heads may ask for of a question."""
        return {**question_features(row), **self._words(row), **named_signals(signals)}

    def probabilities(self, row: Row, signals: Signalled | None = None) -> dict[GateRoute, float]:
        """P(right) per route."""
        values = self.features(row, signals)
        return {route: head.probability(values) for route, head in self.heads.items()}

    def decide(self, row: Row, *, signals: Signalled | None = None, among: Sequence[GateRoute] = ROUTES) -> Decision:
        """The route for a question, one of `among`; `guided` if it may be, else the first, saying why, where signals
        that the gate was fitted with are not given.
        """
        if self.start and self.start in among:
            return plain(self.start, f"the cascade starts {self.start}")
        values = self.features(row, signals)
        heads = {route: head for route, head in self.heads.items() if route in among}
        if not heads:
            return plain(among[0], "the gate knows no other route")
        if missing := [name for head in heads.values() for name in head.missing(values)]:
            route = DEFAULT if DEFAULT in among else among[0]
            return plain(route, f"{UNGIVEN} ({missing[0]}): {route}, to be safe")
        scores = {route: head.probability(values) for route, head in heads.items()}
        return _decision(self.choose(scores, self.threshold), scores, self.threshold)

    def look_again(
        self, row: Row, guidance: Guidance, signals: Signalled | None = None
    ) -> dict[GateRoute, float] | None:
        """P(right) of the solver alone and by this guidance; None where signals lack."""
        assert self.second
        values = {**self.features(row, signals), **guidance_features(row, guidance)}
        if self.second.uses_words:
            values |= guidance_words(guidance)
        heads: dict[GateRoute, Head] = {"direct": self.heads["direct"], "guided": self.second}
        if any(head.missing(values) for head in heads.values()):
            return None
        return {route: head.probability(values) for route, head in heads.items()}

    def reconsider(self, row: Row, guidance: Guidance, *, signals: Signalled | None = None) -> Decision | None:
        """Whether guidance is used (`guided`) or dropped (`direct`); None where the gate does not look at it."""
        if self.second is None or not self.looks_again:
            return None
        scores = self.look_again(row, guidance, signals)
        if scores is None:
            return plain("guided", f"{UNGIVEN}: the guidance is kept, to be safe")
        return _decision(self.choose(scores, self.threshold), scores, self.threshold)

    def choose(self, scores: Mapping[GateRoute, float], threshold: float) -> GateRoute:
        """The route at a threshold; of equals the cheapest."""
        return max(scores, key=lambda route: (scores[route] - threshold * self.weights[route], -self.weights[route]))

    def doubt(
        self, row: Row, route: GateRoute, reply: CheapAnswer, signals: Signalled | None = None
    ) -> dict[GateRoute, float] | None:
        """P(right) of the answer at hand and of the stronger solver; None where nothing was fitted, or signals lack."""
        if route not in self.checks or "escalate" not in self.heads:
            return None
        values = {**self.features(row, signals), **reply_features(row, reply)}
        head, strong = self.checks[route], self.heads["escalate"]
        if head.missing(values) or strong.missing(values):
            return None
        return {route: head.probability(values), "escalate": strong.probability(values)}

    def recheck(
        self, row: Row, route: GateRoute, reply: CheapAnswer, *, signals: Signalled | None = None
    ) -> Decision | None:
        """`escalate`, or the route that answered; None where there is neither a cascade nor a promise without one."""
        if self.promise and self.cascade is None:  # what was promised is of answers that stand
            return plain(route, "calibrated without a cascade")
        scores = self.doubt(row, route, reply, signals)
        if self.cascade is None or scores is None:
            return None
        gain = scores["escalate"] - scores[route]
        return _decision("escalate" if gain >= self.cascade else route, scores, self.cascade)

    def _words(self, row: Row) -> dict[str, float]:
        return word_features(row) if any(head.uses_words for head in self.named_heads.values()) else {}


def load_gate(path: str | Path) -> Gate:
    """The gate in a file. Raises ConfigError for what is none."""
    try:
        return Gate.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise ConfigError(f"gate {str(path)!r} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{str(path)!r} is no gate of `sg-agent gate fit`: {where} {first['msg']}") from error


def save_gate(gate: Gate, path: Path) -> None:
    """Write the whole file or nothing. Raises ConfigError where nothing can be written, OSError on a full disk."""
    check_writable(path, "gate")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(gate.model_dump(mode="json"), ensure_ascii=False) + "\n")


def question_hash(row: Row) -> str:
    """What a passport knows a question by."""
    return hashlib.sha256(row.model_dump_json(include={"question", "choices", "context"}).encode()).hexdigest()[:16]


def named_signals(signals: Signalled | None) -> dict[str, float]:
    """As heads name them."""
    return {f"{SIGNAL}{name}": value for name, value in (signals or {}).items()}


def _decision(route: GateRoute, scores: Mapping[GateRoute, float], threshold: float) -> Decision:
    said = ", ".join(f"{name} {score:.2f}" for name, score in scores.items())
    named: dict[str, float] = {name: round(score, 6) for name, score in scores.items()}
    reason = f"P(right): {said}; threshold {threshold:.2f}"
    return {"route": route, "scores": named, "threshold": threshold, "reason": reason}


def known_as(model: Model) -> Known:
    """A model by its name and weights. Loads nothing."""
    name = model if isinstance(model, str) else model_name(model)
    return Known(name=name, sha256=fingerprint(model))


def _same(fitted: Known, now: Known) -> bool:
    if fitted.sha256 and now.sha256:
        return fitted.sha256 == now.sha256
    return fitted.name == now.name
