"""Early stopping by usefulness. It lives in the Trainer's own state, so that a continued run knows what it knew."""

import logging
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sg_agent.training.usefulness import Usefulness

logger = logging.getLogger(__name__)


class UsefulnessStop(TrainerCallback):
    """Every `every` steps and at the end logs the usefulness that `measure` finds; stops when it no longer grows.

    The best step is `state.best_global_step`, its checkpoint is kept. A measurement of None (the solver is down, or the
    budget spent) counts for nothing. `log` is the trainer's, set once there is one; under several processes the first
    measures.
    """

    def __init__(self, measure: Callable[[Any], Usefulness], *, every: int, patience: int) -> None:
        self.measure, self.every, self.patience = measure, every, patience
        self.log: Callable[[dict[str, float]], None] = lambda _: None

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - transformers' signature
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **kwargs: Any,  # noqa: ARG002 - transformers' signature
    ) -> None:
        if stale(state) >= self.patience:
            control.should_training_stop = True
            return
        if state.global_step % self.every and state.global_step < state.max_steps:
            return
        found = self._measured(model)
        if (value := found.accuracy) is None:
            logger.warning(
                "step %d: %d questions had no answer: %s", state.global_step, found.errors, found.first_error
            )
            return
        step_is_logged = control.should_log  # to log is to forget it
        self.log({"usefulness": value})
        control.should_log = step_is_logged
        if state.best_metric is None or value > state.best_metric:
            state.best_metric, state.best_global_step = value, state.global_step
        control.should_save = True
        if stale(state) >= self.patience:
            control.should_training_stop = True

    def _measured(self, model: Any) -> Usefulness:
        from accelerate import PartialState
        from accelerate.utils import broadcast_object_list

        processes = PartialState()
        found = [self.measure(model) if processes.is_main_process else None]
        if processes.num_processes > 1:
            broadcast_object_list(found)
        model.train()
        assert found[0] is not None
        return found[0]


def stale(state: TrainerState) -> int:
    """How many evaluations in a row have brought nothing better."""
    measured = [float(entry["usefulness"]) for entry in state.log_history if "usefulness" in entry]
    return len(measured) - 1 - measured.index(max(measured)) if measured else 0
