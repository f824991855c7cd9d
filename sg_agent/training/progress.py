"""Live progress of a training run on stderr: a bar where that is a terminal, else a line now and then.

    step 120/1000, 2.4 steps/s, 6m 07s left, reward 0.412, usefulness 38%, $1.20

It takes the place of the bars and dictionaries that transformers and TRL print: pass `disable_tqdm=True` to the
trainer's arguments and call `silence(trainer)`.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers import ProgressCallback as TransformersProgress
from typing_extensions import override

Cost = Callable[[], float | None]

SHOWN = {"reward": "reward", "loss": "loss"}  # of an RL run the reward is what matters; its loss says nothing
USEFULNESS = ("eval_usefulness", "usefulness")
SECONDS_BETWEEN_LINES = 10.0


def silence(trainer: Trainer) -> None:
    """Take away the callbacks of transformers that print."""
    for callback in (PrinterCallback, TransformersProgress):
        trainer.remove_callback(callback)


class ProgressCallback(TrainerCallback):
    """Shows where a run is, in process 0 only.

    `cost` gives the dollars spent so far, None where they are not known. Plain lines come at logs, at most one in
    `seconds_between_lines`, and always the last.
    """

    def __init__(
        self,
        cost: Cost | None = None,
        *,
        console: Console | None = None,
        seconds_between_lines: float = SECONDS_BETWEEN_LINES,
    ) -> None:
        self.console = console or Console(stderr=True)
        self.cost, self.seconds_between_lines = cost, seconds_between_lines
        self._latest: dict[str, float] = {}
        self._bar: tuple[Progress, TaskID] | None = None
        self._first_step, self._began, self._line_at = 0, 0.0, 0.0

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Open the bar."""
        if not state.is_world_process_zero:
            return
        self._first_step, self._began, self._line_at = state.global_step, time.monotonic(), float("-inf")
        if self.console.is_terminal:
            progress = Progress(BarColumn(20), TextColumn("{task.description}"), console=self.console)
            self._bar = progress, progress.add_task("", total=state.max_steps, completed=state.global_step)
            progress.start()

    @override
    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Move the bar."""
        if self._bar:
            progress, task = self._bar
            progress.update(task, completed=state.global_step, description=self._text(state))

    @override
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take note of the values; print a line where there is no bar."""
        if not state.is_world_process_zero:
            return
        self._latest |= {name: float(v) for name, v in (logs or {}).items() if isinstance(v, int | float)}
        if not self._bar and time.monotonic() - self._line_at >= self.seconds_between_lines:
            self._line(state)

    @override
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Close the bar, leaving what it showed last."""
        if state.is_world_process_zero:
            self.close()
            self._line(state)

    def close(self) -> None:
        """Give the terminal back; for a run that ends by an error."""
        if self._bar:
            self._bar[0].stop()
            self._bar = None

    def _line(self, state: TrainerState) -> None:
        self._line_at = time.monotonic()
        self.console.print(self._text(state), highlight=False, markup=False, soft_wrap=True)

    def _text(self, state: TrainerState) -> str:
        parts = [f"step {state.global_step}/{state.max_steps}"]
        done, seconds = state.global_step - self._first_step, time.monotonic() - self._began
        if done > 0 and seconds > 0:
            parts += [rate(done / seconds), f"{duration((state.max_steps - state.global_step) * seconds / done)} left"]
        shown = next((name for name in SHOWN if name in self._latest), None)
        if shown:
            parts.append(f"{SHOWN[shown]} {self._latest[shown]:.3f}")
        usefulness = next((self._latest[name] for name in USEFULNESS if name in self._latest), None)
        if usefulness is not None:
            parts.append(f"usefulness {usefulness:.0%}")
        if self.cost:
            spent = self.cost()
            parts.append("cost unknown" if spent is None else f"${spent:.2f}")
        return ", ".join(parts)


def rate(steps_per_second: float) -> str:
    """Steps a second, or seconds a step where that reads better."""
    return f"{steps_per_second:.1f} steps/s" if steps_per_second >= 1 else f"{1 / steps_per_second:.1f} s/step"


def duration(seconds: float) -> str:
    """As hours and minutes, minutes and seconds, or seconds."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m {whole % 60:02}s" if whole < 3600 else f"{whole // 3600}h {whole % 3600 // 60:02}m"
