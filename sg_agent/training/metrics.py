"""What a trainer of transformers or TRL logs, kept in metrics.jsonl, and the stop at a loss that is no number.

Both are callbacks: `trainer.add_callback(MetricsCallback(out))`, for SFTTrainer, GRPOTrainer and RLOOTrainer as for any
other Trainer. Not kept: text and tables, which TRL logs by other ways.
"""

import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from typing_extensions import override

from sg_agent.errors import RunError
from sg_agent.training.run_dir import WRITTEN_LAST
from sg_agent.training.step_log import METRICS, append_or_join, read_lines, rewind


class MetricsCallback(TrainerCallback):
    """Appends every log to `out`/metrics.jsonl as {"step", "time_s", "epoch", numbers ...}, in process 0 only.

    A step has one line: what an evaluation logs joins it. A value that is no finite number is kept as null. `time_s`
    are seconds of training, those before the run was continued included. When training begins, all step-by-step files
    of the run are rewound to the checkpoint it continues from, so that no step is in them twice.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._zero_s = time.monotonic()

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Rewind to the step that training begins from."""
        if state.is_world_process_zero:
            rewind(self.out, state.global_step)
            lines = read_lines(self.out / METRICS)
            self._zero_s = time.monotonic() - (lines[-1].get("time_s", 0.0) if lines else 0.0)

    @override
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write one log. Raises RunError when the file cannot be written."""
        if logs and state.is_world_process_zero:
            seconds = round(time.monotonic() - self._zero_s, 3)
            head = {"step": state.global_step, "time_s": seconds, "epoch": _number(state.epoch)}
            append_or_join(self.out / METRICS, {**head, **_numbers(logs)})


class StopOnNaN(TrainerCallback):
    """Stops a run whose loss, gradient or weights are no finite numbers, before they reach the weights or a checkpoint.

    Gradients are looked at before every optimizer step, trained weights before every checkpoint, loss and gradient norm
    in every log. With float16, whose scaler skips bad gradients itself, and where no gradient is in sight (DeepSpeed),
    the latter two remain (a Trainer hides the loss unless told `logging_nan_inf_filter=False`). Raises RunError naming
    the step and the last good checkpoint.
    """

    def __init__(self, out: Path) -> None:
        self.out = out

    @override
    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: torch.nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        """Look at the gradients of a step before it is made."""
        gradients = () if args.fp16 or model is None else (parameter.grad for parameter in model.parameters())
        if not _all_finite(gradients):
            self._stop(state.global_step + 1, "the loss or its gradient is no finite number")

    @override
    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: torch.nn.Module | None = None,
        **kwargs: Any,
    ) -> None:
        """Look at the weights before they are saved."""
        if control.should_save and model is not None:
            self._check_weights(state.global_step, model)

    on_epoch_end = on_step_end

    @override
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Look at what is logged."""
        for name in ("loss", "eval_loss") if args.fp16 else ("loss", "grad_norm", "eval_loss"):
            value = (logs or {}).get(name)
            if isinstance(value, int | float) and not math.isfinite(value):
                self._stop(state.global_step, f"{name} is {value}")

    def _check_weights(self, step: int, model: torch.nn.Module) -> None:
        if not _all_finite(parameter.detach() for parameter in model.parameters() if parameter.requires_grad):
            self._stop(step, "weights are no finite numbers any more")

    def _stop(self, step: int, what: str) -> NoReturn:
        checkpoint = _newest_checkpoint(self.out)
        kept = f"the last good checkpoint is {checkpoint!r}" if checkpoint else "no checkpoint was saved before it"
        raise RunError(f"step {step}: {what}; {kept}. Lower the learning rate, or look at the rows of this step")


def _all_finite(tensors: Iterable[torch.Tensor | None]) -> bool:
    """Whether all values are finite, told by their norm: one number to wait for, in all processes the same."""
    found = [tensor for tensor in tensors if tensor is not None and tensor.numel()]
    norm: Any = torch.nn.utils.get_total_norm(found)
    return bool((norm.full_tensor() if hasattr(norm, "full_tensor") else norm).isfinite())


def _newest_checkpoint(out: Path) -> str | None:
    """As `last_checkpoint`, which may remove folders: not while other processes of the run still live."""
    whole = [path.parent for path in out.glob(f"checkpoint-*/{WRITTEN_LAST}")]
    return str(max(whole, key=lambda path: int(path.name.rpartition("-")[2]))) if whole else None


def _numbers(logs: Mapping[str, Any]) -> dict[str, float | None]:
    wanted = {name: value for name, value in logs.items() if name not in ("step", "time_s", "epoch")}
    return {name: _number(value) for name, value in wanted.items() if value is None or _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
