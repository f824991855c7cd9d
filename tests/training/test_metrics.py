"""What a trainer logs is on disk, each step once, and a loss that is no number never reaches a checkpoint."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_trainer import tiny_trainer
from transformers import TrainerCallback

from sg_agent.errors import RunError
from sg_agent.training.metrics import MetricsCallback, StopOnNaN
from sg_agent.training.samples import Sample, SampleLog
from sg_agent.training.step_log import read_lines

pytestmark = pytest.mark.filterwarnings("default")


class DieAt(TrainerCallback):
    """Ends the process's part in a run as a kill would: between two steps, with nothing said."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            raise KeyboardInterrupt


def test_every_log_is_a_line_with_step_time_and_epoch(tmp_path: Path) -> None:
    tiny_trainer(tmp_path, [MetricsCallback(tmp_path)], eval_strategy="steps", eval_steps=5).train()
    lines = read_lines(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 11))
    assert list(lines[0])[:3] == ["step", "time_s", "epoch"]
    assert {"loss", "grad_norm", "learning_rate"} <= lines[0].keys()
    assert "eval_loss" in lines[4]
    assert "eval_loss" not in lines[5]
    assert "train_runtime" in lines[9]
    times = [line["time_s"] for line in lines]
    assert times == sorted(times)


def test_a_killed_run_that_continues_has_no_step_twice_and_ends_as_if_never_killed(tmp_path: Path) -> None:
    for name, killed in (("whole", False), ("killed", True)):
        out = tmp_path / name
        if killed:
            with pytest.raises(KeyboardInterrupt):
                tiny_trainer(out, [MetricsCallback(out), DieAt(7)]).train()
            SampleLog(out).write(7, [Sample("q", "g")])
            with (out / "metrics.jsonl").open("a") as file:
                file.write('{"step": 8, "lo')
        tiny_trainer(out, [MetricsCallback(out)]).train(
            resume_from_checkpoint=str(out / "checkpoint-4") if killed else None
        )
    losses = [
        [(line["step"], line["loss"]) for line in read_lines(tmp_path / name / "metrics.jsonl")]
        for name in ("whole", "killed")
    ]
    assert losses[0] == losses[1]
    assert read_lines(tmp_path / "killed" / "samples.jsonl") == []


def test_a_run_killed_before_its_first_checkpoint_begins_its_files_anew(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        tiny_trainer(tmp_path, [MetricsCallback(tmp_path), DieAt(3)]).train()
    tiny_trainer(tmp_path, [MetricsCallback(tmp_path)]).train()
    assert [line["step"] for line in read_lines(tmp_path / "metrics.jsonl")] == list(range(1, 11))


def test_only_numbers_are_kept_and_what_is_no_finite_number_is_null(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, [MetricsCallback(tmp_path)])
    trainer.log({"reward": float("nan"), "kl": float("inf"), "table": [1], "name": "x", "reward_std": None, "n": 3})  # type: ignore[dict-item]
    line = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert {name: line[name] for name in line.keys() - {"time_s"}} == {
        "step": 0, "epoch": 0, "reward": None, "kl": None, "reward_std": None, "n": 3,
    }  # fmt: skip


def test_a_loss_that_is_no_number_stops_the_run_at_its_step_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, [MetricsCallback(tmp_path), StopOnNaN(tmp_path)], bad_row=6)
    with pytest.raises(RunError, match=r"step 7: the loss or its gradient is no finite number.*checkpoint-4'"):
        trainer.train()
    assert {path.name for path in tmp_path.glob("checkpoint-*")} == {"checkpoint-4"}
    assert trainer.model is not None
    assert all(parameter.isfinite().all() for parameter in trainer.model.parameters())
    assert all(
        tensor.isfinite().all() for tensor in load_file(tmp_path / "checkpoint-4" / "model.safetensors").values()
    )
    assert read_lines(tmp_path / "metrics.jsonl")[-1]["step"] == 6


def test_without_a_checkpoint_the_message_says_so(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, [StopOnNaN(tmp_path)], bad_row=0)
    with pytest.raises(RunError, match=r"step 1: .* no checkpoint was saved before it"):
        trainer.train()


def test_weights_that_a_step_blew_up_are_not_saved(tmp_path: Path) -> None:
    class BlowUp(TrainerCallback):
        def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 7:
                with torch.no_grad():
                    kwargs["model"].linear.weight.fill_(float("inf"))

    with pytest.raises(RunError, match=r"step 8: weights are no finite numbers any more.*checkpoint-4'"):
        tiny_trainer(tmp_path, [BlowUp(), StopOnNaN(tmp_path)]).train()
    assert {path.name for path in tmp_path.glob("checkpoint-*")} == {"checkpoint-4"}


def test_a_logged_loss_that_is_infinite_stops_the_run(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, [StopOnNaN(tmp_path)])
    with pytest.raises(RunError, match="step 0: eval_loss is inf"):
        trainer.log({"eval_loss": float("inf")})


def test_samples_are_few_and_a_reward_that_could_not_be_given_is_null(tmp_path: Path) -> None:
    log = SampleLog(tmp_path, most=2, every=5)
    many = [Sample(f"q{i}", "plan", {"task": 1 / 3, "judge": None, "bad": float("nan")}) for i in range(9)]
    for step in range(1, 11):
        log.write(step, many)
    lines = read_lines(tmp_path / "samples.jsonl")
    assert [(line["step"], line["question_id"]) for line in lines] == [(5, "q0"), (5, "q1"), (10, "q0"), (10, "q1")]
    assert lines[0]["rewards"] == {"task": 0.333333, "judge": None, "bad": None}
