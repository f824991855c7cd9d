"""All that looks after a training run, in one place: its files, progress, health, and its page at the end.

check_watch(recipe.report_to)                    # before any work
trainer = SFTTrainer(..., args=SFTConfig(disable_tqdm=True, report_to=recipe.report_to or "none", ...))
with watch(trainer, out, cost=ledger_cost):
    trainer.train(resume_from_checkpoint=last_checkpoint(out))
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from transformers import Trainer

from sg_agent.errors import SgAgentError
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


@contextmanager
def watch(trainer: Trainer, out: Path, *, cost: Cost | None = None) -> Iterator[None]:
    """Look after the training done within; `cost` gives the dollars spent so far, None where they are not known.

    However it ends, the terminal is given back and the page written; an error of the run is passed on, one of the page
    only after a run that ended well.
    """
    silence(trainer)
    progress = ProgressCallback(cost)
    # Metrics first: health reads what they wrote.
    for callback in (MetricsCallback(out), StopOnNaN(out), progress, HealthCallback(out)):
        trainer.add_callback(callback)
    try:
        yield
    except BaseException:
        progress.close()
        if trainer.is_world_process_zero():
            with suppress(SgAgentError):
                write_page(out)
        raise
    if trainer.is_world_process_zero():
        write_page(out)
