"""Rewards of guidance for GRPO and RLOO: task, uplift, rationale, brevity; each weighted, each logged by itself.

task       the frozen solver's mean score with the guidance (SGFT's and LM-Guided CoT's task-oriented reward)
uplift     that minus the solver's score by its own chain of thought, asked once per question
rationale  1 less the share copied from the question, averaged with the judge's eight aspects when there is a judge
           (LM-Guided CoT's rationale-oriented reward)
brevity    the share of the token limit that was left unused

Departures from LM-Guided CoT: no reward model is trained; the solver and the judge are asked. Within a group uplift and
task differ by a constant, so their advantages are the same: what uplift adds is the number to watch, and a penalty for
breaking a question when rewards are scaled over the batch.

Guidance that is unfit or leaks earns nothing: the solver is not asked and counts as having failed. Where a part cannot
be known (an outage), every reward is None, so that the trainer leaves the completion out of its group. Where the budget
ran out it leaves out the whole group: which of its completions could still be paid for was no accident.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, get_args

from sg_agent.checks import clean_guidance
from sg_agent.errors import ConfigError
from sg_agent.rows import Row
from sg_agent.training.grader import Grade, Grader
from sg_agent.training.judge import Judge
from sg_agent.training.samples import Sample, SampleLog

if TYPE_CHECKING:
    from transformers import TrainerState

Part = Literal["task", "uplift", "rationale", "brevity"]
RewardFunction = Callable[..., list[float | None]]
COPIED_WORDS = 6


@dataclass(frozen=True)
class Judged:
    """All that is known about one completion. `alone` is the solver's score without it, `aspects` the judge's mean."""

    guidance: str
    tokens: int
    grade: Grade
    alone: float | None
    copied: float
    aspects: float | None

    @property
    def score(self) -> float:
        assert self.grade.score is not None
        return self.grade.score


class Rewards:
    """The reward functions of one run: `rows` by id, `weights` of the parts in use.

    A completion has `most_tokens` at most; one that ends in none of `ends` was cut.
    """

    def __init__(
        self,
        rows: Mapping[str, Row],
        grader: Grader,
        weights: Mapping[Part, float],
        *,
        most_tokens: int,
        ends: frozenset[int],
        judge: Judge | None = None,
        samples: SampleLog | None = None,
    ) -> None:
        check_weights(weights)
        self.rows, self.grader, self.judge, self.most_tokens, self.ends = rows, grader, judge, most_tokens, ends
        self.weights = {part: weight for part, weight in weights.items() if weight}
        self.samples = samples
        self._last: tuple[object, list[Judged | None]] | None = None

    @property
    def functions(self) -> list[RewardFunction]:
        """One for each part in use, by the part's name."""
        return [self._function(part) for part in self.weights]

    def _function(self, part: Part) -> RewardFunction:
        def reward(
            completions: Sequence[Any], completion_ids: Sequence[Sequence[int]], row_id: Sequence[str], **extra: Any
        ) -> list[float | None]:
            judged = self.judged(completions, completion_ids, row_id, **extra)
            return [None if one is None else self.part(part, one) for one in judged]

        reward.__name__ = part
        return reward

    def part(self, part: Part, judged: Judged) -> float:
        """One reward of one completion: 0..1, uplift -1..1."""
        match part:
            case "task":
                return judged.score
            case "uplift":
                assert judged.alone is not None
                return judged.score - judged.alone
            case "rationale":
                if judged.grade.problem:
                    return 0.0
                own = 1.0 - judged.copied
                return own if judged.aspects is None else (own + judged.aspects) / 2
            case "brevity":
                return 0.0 if judged.grade.problem else 1.0 - min(1.0, judged.tokens / self.most_tokens)

    def judged(
        self,
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        row_ids: Sequence[str],
        *,
        log_metric: Callable[[str, float], None] | None = None,
        trainer_state: "TrainerState | None" = None,
        **_: Any,
    ) -> list[Judged | None]:
        """What is known of each completion, None where the solver or the judge failed.

        The functions of one batch are called in turn with the same lists; what the first has found serves the others.
        """
        if self._last is None or self._last[0] is not completions:
            found = self._judge(completions, completion_ids, row_ids)
            self._last = (completions, found)
            if log_metric is not None:
                for name, value in summary(found, error_rate=self.grader.error_rate).items():
                    log_metric(name, value)
            if self.samples is not None and trainer_state is not None and trainer_state.is_world_process_zero:
                self.samples.write(trainer_state.global_step + 1, self._samples(row_ids, found))
        return self._last[1]

    def _samples(self, row_ids: Sequence[str], judged: Sequence[Judged | None]) -> list[Sample]:
        return [
            Sample(row_id, one.guidance, {part: self.part(part, one) for part in self.weights})
            for row_id, one in zip(row_ids, judged, strict=True)
            if one is not None
        ]

    def _judge(
        self, completions: Sequence[Any], completion_ids: Sequence[Sequence[int]], row_ids: Sequence[str]
    ) -> list[Judged | None]:
        rows = [self.rows[row_id] for row_id in row_ids]
        texts = [completion[0]["content"] for completion in completions]
        cut = [not ids or ids[-1] not in self.ends for ids in completion_ids]
        begun = [self.grader.begin(*one) for one in zip(rows, texts, cut, strict=True)]
        alone: list[float | None] = [None] * len(rows)
        if "uplift" in self.weights:
            alone = [grade.score for grade in self.grader.grades(rows, [None] * len(rows))]
        grades = [future.result() for future in begun]
        aspects = self._aspects(rows, texts, grades)
        self.grader.check_errors()
        found = [
            Judged(clean_guidance(text), len(ids), grade, base, copied_share(text, row.question), rating)
            for row, text, ids, grade, base, rating in zip(
                rows, texts, completion_ids, grades, alone, aspects, strict=True
            )
        ]
        known = [one if self._is_known(one) else None for one in found]
        return whole_groups(row_ids, known) if self.grader.exhausted else known

    def _aspects(self, rows: list[Row], texts: list[str], grades: list[Grade]) -> list[float | None]:
        """The judge's means; None where it failed, or was not asked because the guidance is not shown to anyone."""
        aspects: list[float | None] = [None] * len(rows)
        if self.judge and "rationale" in self.weights:
            shown = [i for i, grade in enumerate(grades) if not grade.problem]
            rated = self.judge.rate([rows[i] for i in shown], [texts[i] for i in shown])
            for i, rating in zip(shown, rated, strict=True):
                aspects[i] = rating
        return aspects

    def _is_known(self, one: Judged) -> bool:
        """Whether all that is rewarded could be found out."""
        unrated = self.judge and "rationale" in self.weights and one.aspects is None and not one.grade.problem
        return not (one.grade.score is None or ("uplift" in self.weights and one.alone is None) or unrated)


def whole_groups(row_ids: Sequence[str], judged: Sequence[Judged | None]) -> list[Judged | None]:
    """`judged` without the completions of any question of which one is not known."""
    broken = {row_id for row_id, one in zip(row_ids, judged, strict=True) if one is None}
    return [None if row_id in broken else one for row_id, one in zip(row_ids, judged, strict=True)]


def summary(judged: Sequence[Judged | None], *, error_rate: float) -> dict[str, float]:
    """What a batch's log shows beside the rewards."""
    known = [one for one in judged if one is not None]
    shares = {"error_rate": error_rate}
    if known:
        shares["solver_score"] = fmean(one.score for one in known)
        shares["leak_rate"] = fmean(one.grade.leak for one in known)
        shares["unfit_rate"] = fmean(one.grade.problem is not None for one in known)
        shares["copy_rate"] = fmean(one.copied for one in known)
    if compared := [one.score - one.alone for one in known if one.alone is not None]:
        shares["uplift"] = fmean(compared)
    return shares


def check_weights(weights: Mapping[Part, float]) -> None:
    """Raise ConfigError for a part that does not exist, or when nothing is rewarded."""
    for part in weights:
        if part not in get_args(Part):
            raise ConfigError(f"unknown reward {part!r}; accepted: {', '.join(get_args(Part))}")
    if not any(weights.values()):
        raise ConfigError(f"no reward has a weight: {dict(weights)!r}; give one of {', '.join(get_args(Part))} one")


def copied_share(guidance: str, question: str) -> float:
    """The share of guidance's runs of COPIED_WORDS words that stand in the question; 0 when it is shorter than one."""
    runs, known = _runs(guidance), _runs(question)
    return len(runs & known) / len(runs) if runs else 0.0


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + COPIED_WORDS]) for i in range(len(words) - COPIED_WORDS + 1)}
