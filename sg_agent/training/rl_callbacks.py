"""What an RL run does between its steps: measure the guide on validation questions, keep the best, heed the budget."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState

from sg_agent.local import LocalChatModel
from sg_agent.prompts import load_prompt
from sg_agent.rows import Row
from sg_agent.training.grader import Grade, Grader
from sg_agent.training.run_dir import write_whole, writing

if TYPE_CHECKING:
    from peft import PeftModel

BEST, SCORE, SPEND = "best", "score.json", "spend.json"

Log = Callable[[dict[str, float]], None]


class StopAtBudget(TrainerCallback):
    """Ends the run, with a checkpoint, once the budget does not allow another call; keeps what was spent."""

    def __init__(self, grader: Grader, out: Path) -> None:
        self.grader, self.out = grader, out

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> TrainerControl:  # noqa: ARG002 - transformers' signature
        if self.grader.budget is not None:
            write_whole(self.out / SPEND, {"spent_usd": self.grader.budget.spent_usd})
        if self.grader.exhausted:
            control.should_save = control.should_training_stop = True
        return control


class Validation(TrainerCallback):
    """Every `every` steps, and at both ends: greedy guidance for `rows`, graded by the solver; the best guide is kept.

    What it found is logged as usefulness, validation_leak_rate and validation_unfit_rate. Where most grades
    failed nothing is compared. `keep_first` False is for a fresh adapter, which is its base before the first step.
    """

    def __init__(
        self,
        guide: LocalChatModel,
        rows: list[Row],
        grader: Grader,
        out: Path,
        *,
        every: int,
        log: Log,
        keep_first: bool,
    ) -> None:
        self.guide, self.rows, self.grader, self.every = guide, rows, grader, every
        self.out = out
        self.log = log
        self.keep_first = keep_first

    def on_step_begin(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:  # noqa: ARG002 - transformers' signature
        if state.global_step == 0 and state.is_world_process_zero:
            self.measure(0, kwargs["model"])

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:  # noqa: ARG002 - transformers' signature
        due = state.global_step % self.every == 0 or state.global_step == state.max_steps
        if due and state.is_world_process_zero:
            step_is_logged = control.should_log  # to log is to forget it
            self.measure(state.global_step, kwargs["model"])
            control.should_log = step_is_logged

    def measure(self, step: int, model: "PeftModel") -> None:
        """Measure the guide as it is after `step`, and keep it when none before was better."""
        model.eval()
        try:
            found = grade_guide(self.guide, self.rows, self.grader)
        finally:
            model.train()
        scores = [grade.score for grade in found if grade.score is not None]
        if not scores:
            return
        score = fmean(scores)
        self.log(
            {
                "usefulness": score,
                "validation_leak_rate": fmean(grade.leak for grade in found),
                "validation_unfit_rate": fmean(grade.problem is not None for grade in found),
            }
        )
        better = score > best_of(self.out).get("accuracy", -1.0)
        if better and len(scores) > len(found) / 2 and (step or self.keep_first):
            with writing(self.out):
                (self.out / BEST / SCORE).unlink(missing_ok=True)  # a score never stands beside other weights
                model.save_pretrained(str(self.out / BEST))
            write_whole(self.out / BEST / SCORE, {"step": step, "accuracy": score, "n": len(scores)})


def best_of(out: Path) -> dict[str, Any]:
    """The best measurement of the run in `out`: its step, usefulness and number of questions; nothing before one."""
    try:
        found: dict[str, Any] = json.loads((out / BEST / SCORE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def grade_guide(guide: LocalChatModel, rows: list[Row], grader: Grader) -> list[Grade]:
    """The grades of what `guide` writes greedily for `rows`."""
    with guide.together():
        written = [guide.submit(load_prompt("guide", row.task).render(row, kind=row.kind))[1] for row in rows]
    replies = [future.result() for future in written]
    begun = [grader.begin(row, reply.text, reply.finish == "length") for row, reply in zip(rows, replies, strict=True)]
    return [future.result() for future in begun]
