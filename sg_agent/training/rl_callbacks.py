"""What an RL run does between its steps: measure the guide on validation questions, keep the best, heed the budget."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState

from sg_agent.local import LocalChatModel
from sg_agent.rows import Row
from sg_agent.training.grader import Grader
from sg_agent.training.run_dir import write_whole, writing
from sg_agent.training.usefulness import measure_usefulness

if TYPE_CHECKING:
    from peft import PeftModel

BEST, SCORE, SPEND = "best", "score.json", "spend.json"

Log = Callable[[dict[str, float]], None]


class StopAtBudget(TrainerCallback):
    """Ends the run, with a checkpoint, once a process's share of the budget allows no more; keeps what all have spent.

    `stopped` says that it did, before the last step.
    """

    def __init__(self, grader: Grader, out: Path) -> None:
        self.grader, self.out = grader, out
        self.stopped = False

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> TrainerControl:  # noqa: ARG002 - transformers' signature
        if self.grader.budget is None:
            return control
        shares = gather_object([(self.grader.budget.spent_usd, self.grader.exhausted)])
        if state.is_world_process_zero:
            write_whole(self.out / SPEND, {"spent_usd": [spent for spent, _ in shares]})
        if any(exhausted for _, exhausted in shares) and state.global_step < state.max_steps:
            self.stopped = control.should_save = control.should_training_stop = True
        return control


class Validation(TrainerCallback):
    """Every `every` steps, and at both ends: greedy guidance for `rows`, graded by the solver; the best guide is kept.

    What it found is logged as usefulness, validation_leak_rate and validation_unfit_rate. Where most grades
    failed nothing is logged or compared. `keep_first` False is for a fresh adapter, which is its base before the first
    step.
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
            found = measure_usefulness(self.guide, self.rows, self.grader)
        finally:
            model.train()
        if found.accuracy is None:
            return
        self.log(
            {
                "usefulness": found.accuracy,
                "validation_leak_rate": found.leaks / len(self.rows),
                "validation_unfit_rate": (found.leaks + found.unfit) / len(self.rows),
            }
        )
        if found.accuracy > best_of(self.out).get("accuracy", -1.0) and (step or self.keep_first):
            with writing(self.out):
                (self.out / BEST / SCORE).unlink(missing_ok=True)  # a score never stands beside other weights
                model.save_pretrained(str(self.out / BEST))
            write_whole(self.out / BEST / SCORE, {"step": step, "accuracy": found.accuracy, "n": found.n})


def best_of(out: Path) -> dict[str, Any]:
    """The best measurement of the run in `out`: its step, usefulness and number of questions; nothing before one."""
    try:
        found: dict[str, Any] = json.loads((out / BEST / SCORE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
