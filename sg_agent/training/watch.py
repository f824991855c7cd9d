"""All that looks after a training run, in one call: its files, progress, health, and its page at the end.

check_watch(recipe.report_to)                    # before any work
trainer = SFTTrainer(..., args=SFTConfig(disable_tqdm=True, report_to=recipe.report_to or "none", ...))
watch(trainer, out, cost=ledger_cost)
trainer.train(resume_from_checkpoint=last_checkpoint(out))
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from sg_agent.training.health import HealthCallback
from sg_agent.training.metrics import MetricsCallback, StopOnNaN
from sg_agent.training.page import write_page
from sg_agent.training.plots import check_matplotlib
from sg_agent.training.progress import Cost, ProgressCallback, silence
from sg_agent.training.trackers import check_trackers, disable_telemetry


def check_watch(report_to: Sequence[str] = ()) -> None:
    """Turn telemetry off; raise ConfigError or MissingExtra, with the pip command, for what a run will need."""
    disable_telemetry()
    check_trackers(report_to)
    check_matplotlib()


def watch(trainer: Trainer, out: Path, *, cost: Cost | None = None) -> None:
    """Add the callbacks, metrics first: health and the page read what they wrote. `cost` gives dollars so far."""
    silence(trainer)
    for callback in (
        MetricsCallback(out),
        StopOnNaN(out),
        ProgressCallback(cost),
        HealthCallback(out),
        PageCallback(out),
    ):
        trainer.add_callback(callback)


class PageCallback(TrainerCallback):
    """Writes the run's page when training ends, in process 0."""

    def __init__(self, out: Path) -> None:
        self.out = out

    @override
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write the page."""
        if state.is_world_process_zero:
            write_page(self.out)
