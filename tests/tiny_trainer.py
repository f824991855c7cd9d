"""A real Trainer on a model of two weights: what callbacks see of it is what they see of any other."""

from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments


class Line(torch.nn.Module):
    """y = w x + b; a row whose x is no number makes the loss no number."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(1, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        predicted = self.linear(x)
        return {"loss": ((predicted - labels) ** 2).mean(), "logits": predicted}


def tiny_trainer(
    out: Path, callbacks: list[TrainerCallback], *, steps: int = 10, bad_row: int | None = None, **settings: Any
) -> Trainer:
    """One row a step, in order, saved every 4 steps; row `bad_row` is no number."""
    rows = [{"x": torch.tensor([float(i % 3)]), "labels": torch.tensor([1.0])} for i in range(steps)]
    if bad_row is not None:
        rows[bad_row]["x"] = torch.tensor([float("nan")])
    given: dict[str, Any] = {
        "max_steps": steps, "logging_steps": 1, "save_steps": 4, "per_device_train_batch_size": 1, "report_to": "none",
        "use_cpu": True, "disable_tqdm": True, "train_sampling_strategy": "sequential", "dataloader_pin_memory": False,
    }  # fmt: skip
    torch.manual_seed(0)
    arguments = TrainingArguments(output_dir=str(out), **{**given, **settings})
    return Trainer(Line(), arguments, train_dataset=rows, eval_dataset=rows, callbacks=callbacks)
