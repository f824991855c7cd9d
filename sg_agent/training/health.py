"""Is this RL run learning? Plain words for what commonly goes wrong, read off its metrics.

`findings` is a pure function of the logged lines, oldest first; `HealthCallback` prints each finding when it begins
and keeps it in health.jsonl. Only lines with a `reward` are looked at: an SFT run has no findings. Metric names are
those of TRL 1.16 (trl/trainer/grpo_trainer.py; RLOO logs the same), and of ours: `copy_rate` (share of guidance that
copies the question), `uplift` (success with guidance minus without, -1 to 1), `error_rate` (share of rewards that could
not be given).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from sg_agent.training.step_log import HEALTH, METRICS, append, read_lines

Lines = Sequence[Mapping[str, Any]]

RECENT = 5  # logs that must agree before something is said
LONG = 30  # logs that a reward has time to rise in
EQUAL_GROUPS, SHRUNK, COPIES, IGNORED, ERRORS = 0.9, 0.5, 0.25, 0.02, 0.05
COLLAPSED, COLLAPSED_SHARE = 0.05, 0.1  # nats a token, and a share of what the entropy was at first
SOLVED = 0.95  # a reward above this share of 1 need not rise any more


def all_groups_equal(lines: Lines) -> str | None:
    """Groups whose guidance all earns the same teach nothing: their advantages are zero."""
    shares = _last(lines, "frac_reward_zero_std", RECENT)
    if not shares or min(shares) <= EQUAL_GROUPS:
        return None
    return (
        f"in {_mean(shares):.0%} of the groups all guidance earns the same, so there is nothing to learn from: sample "
        "hotter, take larger groups, or begin from a guide that is less sure of itself"
    )


def reward_flat(lines: Lines) -> str | None:
    """No rise over the window: the slope of a straight line is below twice its standard error."""
    rewards = _last(lines, "reward", LONG)
    tasks = _last(lines, "rewards/task/mean", LONG)
    if not rewards or (tasks and _mean(tasks) >= SOLVED):
        return None
    slope, error = slope_and_error(rewards)
    if slope > 2 * error and slope > 0:
        return None
    third = LONG // 3
    return (
        f"the reward has not risen for {LONG} logs ({_mean(rewards[:third]):.3f} then, {_mean(rewards[-third:]):.3f} "
        "now): it may be learned out, or the learning rate too low"
    )


def guidance_shrinking(lines: Lines) -> str | None:
    """Guidance is less than half as long as at the start of the run."""
    lengths = _values(lines, "completions/mean_length")
    if len(lengths) < 2 * RECENT:
        return None
    first, now = _mean(lengths[:RECENT]), _mean(lengths[-RECENT:])
    if now >= SHRUNK * first:
        return None
    return (
        f"guidance shrinks: {now:.0f} tokens now, {first:.0f} at the start; look at the samples, and weigh brevity less"
    )


def guidance_copying(lines: Lines) -> str | None:
    """Guidance repeats the question instead of saying what to do."""
    copied = _last(lines, "copy_rate", RECENT)
    if not copied or _mean(copied) <= COPIES:
        return None
    return f"{_mean(copied):.0%} of the guidance copies the question: raise the weight of the rationale reward"


def guidance_ignored(lines: Lines) -> str | None:
    """The solver does as well without: uplift is near 0 although the guidance is not always the same."""
    uplifts = _last(lines, "uplift", 2 * RECENT)
    if not uplifts or abs(_mean(uplifts)) >= IGNORED or not _differs(lines[-2 * RECENT :]):
        return None
    return (
        f"the solver answers as well without the guidance (uplift {_mean(uplifts):+.3f} for {2 * RECENT} logs), so it "
        "may be ignoring it: check the solver's prompt, or take questions that it cannot answer alone"
    )


def many_errors(lines: Lines) -> str | None:
    """More than a few rewards could not be given."""
    errors = _last(lines, "error_rate", RECENT)
    if not errors or _mean(errors) <= ERRORS:
        return None
    return (
        f"{_mean(errors):.0%} of the rewards could not be given: look at the solver's server, its limits and deadlines"
    )


def entropy_collapsed(lines: Lines) -> str | None:
    """The guide is so sure of every token that its samples hardly differ (entropy in nats per token)."""
    entropies = _values(lines, "entropy")
    if len(entropies) < RECENT:
        return None
    first, now = _mean(entropies[:RECENT]), _mean(entropies[-RECENT:])
    if now >= max(COLLAPSED, COLLAPSED_SHARE * first):
        return None
    return (
        f"the guide's entropy has collapsed to {now:.3f} nats a token ({first:.3f} at first): its samples hardly differ"
    )


CHECKS: dict[str, Callable[[Lines], str | None]] = {
    "all_groups_equal": all_groups_equal,
    "reward_flat": reward_flat,
    "guidance_shrinking": guidance_shrinking,
    "guidance_copying": guidance_copying,
    "guidance_ignored": guidance_ignored,
    "many_errors": many_errors,
    "entropy_collapsed": entropy_collapsed,
}


def findings(lines: Lines) -> dict[str, str]:
    """What is wrong at the last of these lines: the name of each finding and a sentence on it."""
    rl = [line for line in lines if line.get("reward") is not None]
    found = {name: check(rl) for name, check in CHECKS.items()}
    return {name: sentence for name, sentence in found.items() if sentence}


def slope_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Of the least-squares line through at least 3 equally spaced values: its slope per value and that one's error."""
    n, middle = len(values), (len(values) - 1) / 2
    mean = _mean(values)
    spread = sum((i - middle) ** 2 for i in range(n))
    slope = sum((i - middle) * (value - mean) for i, value in enumerate(values)) / spread
    residual = sum((value - mean - slope * (i - middle)) ** 2 for i, value in enumerate(values))
    return slope, math.sqrt(residual / (n - 2) / spread)


def _differs(lines: Lines) -> bool:
    return all(line.get("completions/min_length") != line.get("completions/max_length") for line in lines)


def _values(lines: Lines, name: str) -> list[float]:
    return [line[name] for line in lines if line.get(name) is not None]


def _last(lines: Lines, name: str, count: int) -> list[float]:
    """The last `count` values; none where there are fewer."""
    values = _values(lines, name)
    return values[-count:] if len(values) >= count else []


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


class HealthCallback(TrainerCallback):
    """Prints each finding on stderr when it begins, and keeps when it began and ended in `out`/health.jsonl.

    It reads `out`/metrics.jsonl, so it must come after the MetricsCallback; process 0 only.
    """

    def __init__(self, out: Path, *, console: Console | None = None) -> None:
        self.out, self.console = out, console or Console(stderr=True)
        self._lines: list[Mapping[str, Any]] = []
        self._open: set[str] = set()

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take up what is known of a run that continues."""
        if state.is_world_process_zero:
            self._lines = list(read_lines(self.out / METRICS))
            self._open = open_findings(read_lines(self.out / HEALTH))

    @override
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Look again. Raises RunError when health.jsonl cannot be written."""
        if not logs or "reward" not in logs or not state.is_world_process_zero:
            return
        self._lines.append(dict(logs))
        found = findings(self._lines)
        began = [{"step": state.global_step, "name": name, "line": found[name]} for name in found.keys() - self._open]
        ended = [{"step": state.global_step, "name": name, "line": None} for name in self._open - found.keys()]
        for record in sorted(began, key=lambda record: str(record["name"])):
            self.console.print(f"step {state.global_step}: {record['line']}", highlight=False, markup=False)
        if began or ended:
            append(self.out / HEALTH, [*began, *ended])
        self._open = set(found)


def open_findings(lines: Lines) -> set[str]:
    """The names of the findings that health.jsonl's lines say have begun and not ended."""
    return {name for name, line in {line["name"]: line["line"] for line in lines}.items() if line}
