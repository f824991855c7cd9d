"""What a gate is fitted on: the questions of eval runs with, per route, whether it was right and what it cost.

A route is an arm of a run; `escalate` is an arm of a run of the stronger solver on the same questions. Questions that
a route did not answer, or answered with an error, are left out: an outage says nothing of a route. Folders of
`sg-agent serve --shadow-out` are runs too, of the suite `live`, that go together with runs of any other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from sg_agent.errors import ConfigError, DataError
from sg_agent.evals.arms import shown_name
from sg_agent.evals.gate.live import read_live
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.run_dir import RunDir, RunRecord, difference, read_record, read_rows
from sg_agent.evals.store import ResultStore
from sg_agent.gate import CheapAnswer, GateRoute, Signals
from sg_agent.gate.decision import ROUTES
from sg_agent.gate.gate import Known, question_hash
from sg_agent.gate.guidance import Guidance
from sg_agent.gate.live import LiveFolder
from sg_agent.ledger import total_cost, version_role
from sg_agent.rows import Row

Answers = Mapping[GateRoute, ArmResult | None]
SAME_MODELS = ("guide", "solver", "guide_sha256", "solver_sha256")
SAME_IN_ALL = ("suite", *SAME_MODELS, "prompts", "temperature")


Leg = GateRoute | Literal["guide"]


@dataclass(frozen=True)
class Example:
    """One question. `usd` per route, and of the guide's calls alone, is None while a price is unknown; `replies` are
    what a cascade may doubt.

    `guidance` is what passed the check, after `guide_calls`; `attempts` is how often the solver was asked; `versions`
    are role (guide, solver, stronger), model and fingerprint of the replies, as they said.
    """

    row: Row
    right: Mapping[GateRoute, bool]
    usd: Mapping[Leg, float | None]
    replies: Mapping[GateRoute, CheapAnswer]
    signals: Mapping[str, float] = field(default_factory=dict)
    guidance: Guidance | None = None
    guide_calls: int = 0
    attempts: int = 1
    versions: frozenset[tuple[str, str, str]] = frozenset()

    @cached_property
    def hash(self) -> str:
        return question_hash(self.row)


@dataclass(frozen=True)
class Examples:
    """All questions of the runs, each once, and who answered them. `notes` say what of the runs was left out."""

    items: tuple[Example, ...]
    arms: Mapping[GateRoute, str]
    suite: str
    guide: Known
    solver: Known
    stronger: Known | None
    prompts: tuple[str, ...]
    signals: str | None = None
    notes: tuple[str, ...] = ()

    def with_signals(self, signals: Signals) -> "Examples":
        """The same questions with what a model knows of each."""
        items = tuple(replace(item, signals=signals(item.row)) for item in self.items)
        return replace(self, items=items, signals=signals.name)

    @property
    def routes(self) -> tuple[GateRoute, ...]:
        return tuple(route for route in ROUTES if route in self.arms)


@dataclass(frozen=True)
class _Run:
    path: Path
    record: RunRecord
    rows: tuple[Row, ...]
    answers: Mapping[tuple[str, str], ArmResult]
    live: bool = False
    note: str | None = None

    @classmethod
    def read(cls, path: Path) -> "_Run":
        if LiveFolder(path).exists:
            record, rows, answers, note = read_live(path)
            return cls(path, record, rows, answers, live=True, note=note)
        run_dir = RunDir(path)
        return cls(path, read_record(run_dir), read_rows(run_dir), ResultStore(run_dir.results).peek().latest)

    def known(self, role: str) -> Known:
        config = self.record.config
        return Known(name=config[role], sha256=config.get(f"{role}_sha256"))


def read_examples(
    runs: Sequence[Path],
    stronger: Sequence[Path] = (),
    *,
    direct: str | None = None,
    guided: str = "guided",
    escalate: str | None = None,
) -> Examples:
    """The questions of `runs`, with the answers of `stronger` to the same ones as the route `escalate`.

    `direct` None is the arm `cot`, else `standard`; `escalate` None is the arm that stands for `direct`. Raises
    ConfigError for runs that do not belong together or lack an arm, DataError where no question is left.
    """
    cheap, strong = _together(runs), _together(stronger)
    arms: dict[GateRoute, str] = {"direct": direct or _default_arm(cheap)}
    if guided in _arms(cheap) or not strong:
        arms["guided"] = guided
    if strong:
        arms["escalate"] = escalate or arms["direct"]
        _check_stronger(cheap, strong)
    for route, arm in arms.items():
        _require(arm, route, strong if route == "escalate" else cheap)
    strong_answers = {
        question_hash(row): run.answers.get((row.id, arms["escalate"])) for run in strong for row in run.rows
    }
    found: dict[str, tuple[Row, Answers]] = {}
    for run in cheap:
        for row in run.rows:
            key = question_hash(row)
            answers: dict[GateRoute, ArmResult | None] = {
                route: strong_answers.get(key) if route == "escalate" else run.answers.get((row.id, arm))
                for route, arm in arms.items()
            }
            if key not in found or len(_good(answers)) == len(arms):
                found[key] = row, answers
    return _examples(list(found.values()), arms, cheap, strong)


def _good(answers: Answers) -> dict[GateRoute, ArmResult]:
    """Those that did not end in an error."""
    return {route: answer for route, answer in answers.items() if answer and answer["outcome"] != "error"}


def _examples(
    found: Sequence[tuple[Row, Answers]],
    arms: Mapping[GateRoute, str],
    cheap: Sequence[_Run],
    strong: Sequence[_Run],
) -> Examples:
    items: list[Example] = []
    stamps: set[str] = set()
    for row, answers in found:
        good = _good(answers)
        if len(good) == len(arms):
            items.append(_example(row, good))
            stamps.update(stamp for answer in good.values() for stamp in answer["prompts"].values())
    notes = (*_left_out(cheap, len(found), len(items)), *(run.note for run in cheap if run.note))
    if not items:
        raise DataError(
            f"no question of {str(cheap[0].path)!r} was answered on every route "
            f"({', '.join([*(f'{route} = {arm}' for route, arm in arms.items()), *notes])})"
        )
    if any(run.live for run in cheap):
        _check_prompts(stamps)
    return Examples(
        tuple(items),
        arms,
        "+".join(sorted({run.record.config["suite"] for run in cheap})),
        cheap[0].known("guide"),
        cheap[0].known("solver"),
        strong[0].known("solver") if strong else None,
        tuple(sorted(stamps)),
        notes=notes,
    )


def _left_out(runs: Sequence[_Run], different: int, used: int) -> Iterator[str]:
    repeated = sum(len(run.rows) for run in runs) - different
    if repeated:
        yield f"{repeated} questions were asked before and count once, as they were answered last"
    if different > used:
        yield f"{different - used} questions that a route did not answer are left out"


def _check_prompts(stamps: Iterable[str]) -> None:
    """Live questions may come from before and after a change of a prompt."""
    hashes: dict[str, str] = {}
    for name, digest in (stamp.rsplit("@", 1) for stamp in stamps):
        if hashes.setdefault(name, digest) != digest:
            raise ConfigError(
                f"the questions were asked by two prompts {name!r} ({hashes[name]} and {digest}): a gate is for one; "
                "leave out the runs, or live folders, from before the change"
            )


def _example(row: Row, answers: Mapping[GateRoute, ArmResult]) -> Example:
    guided = answers.get("guided")
    drafts = [call for call in guided["ledger"] if call["role"] == "guide"] if guided else []
    usd: dict[Leg, float | None] = {route: total_cost(answer["ledger"]) for route, answer in answers.items()}
    return Example(
        row,
        {route: bool(answer["correct"]) for route, answer in answers.items()},
        {**usd, "guide": total_cost(drafts)},
        {
            route: CheapAnswer.of(_plain(answer), answer["answer"], row.task)
            for route, answer in answers.items()
            if route != "escalate"
        },
        guidance=Guidance.of(guided["guidance"], drafts) if guided and guided["guidance"] is not None else None,
        guide_calls=len(drafts),
        attempts=len(answers["direct"]["attempts"]),
        versions=frozenset(
            (version_role(call["role"], stronger=route == "escalate"), call["model"], call.get("fingerprint", ""))
            for route, answer in answers.items()
            for call in answer["ledger"]
        ),
    )


def _plain(answer: ArmResult) -> list[Mapping[str, Any]]:
    return [dict(attempt) for attempt in answer["attempts"]]


def _together(paths: Sequence[Path]) -> list[_Run]:
    """The runs, live ones last, of one suite, guide and solver. Raises ConfigError, with the difference, for others."""
    runs = sorted(map(_Run.read, paths), key=lambda run: run.live)
    for run in runs:
        base = runs[0]
        keys = SAME_MODELS if run.live else SAME_IN_ALL
        first, other = ({key: r.record.config.get(key) for key in keys} for r in (base, run))
        if changed := difference(first, other):
            raise ConfigError(
                f"{str(base.path)!r} and {str(run.path)!r} do not belong together: {changed}; fit one gate for each"
            )
    return runs


def _check_stronger(cheap: Sequence[_Run], strong: Sequence[_Run]) -> None:
    first, other = cheap[0], strong[0]
    if first.record.config["suite"] != other.record.config["suite"]:
        raise ConfigError(f"{str(other.path)!r} is a run of another suite than {str(first.path)!r}")
    if first.known("solver") == other.known("solver"):
        raise ConfigError(
            f"{str(other.path)!r} has the same solver as {str(first.path)!r}: escalating needs a stronger"
        )


def _default_arm(runs: Sequence[_Run]) -> str:
    return "cot" if "cot" in _arms(runs) else "standard"


def _arms(runs: Sequence[_Run]) -> set[str]:
    """The arms that every run has."""
    return set.intersection(*({shown_name(typed) for typed in run.record.arms} for run in runs))


def _require(arm: str, route: str, runs: Sequence[_Run]) -> None:
    for run in runs:
        if arm not in (have := _arms([run])):
            raise ConfigError(
                f"{str(run.path)!r} has no arm {arm!r} for the route {route!r}; it has {', '.join(sorted(have))}"
            )
