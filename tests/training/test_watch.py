"""All that looks after a run, together: on a real Trainer, and its refusals before any work."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_model
from tiny_trainer import tiny_trainer

from sg_agent.errors import ConfigError, RunError
from sg_agent.training.run_dir import claim
from sg_agent.training.step_log import read_lines
from sg_agent.training.trackers import check_trackers
from sg_agent.training.watch import check_watch, watch


@pytest.mark.filterwarnings("default")
def test_a_watched_run_leaves_metrics_and_a_page_and_prints_only_our_progress(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    claim(out, {"recipe": {"seed": 1}})
    trainer = tiny_trainer(out, [])
    with watch(trainer, out, cost=lambda: 0.25):
        trainer.train()
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 10
    assert "finished." in (out / "report.html").read_text()
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "step 10/10" in printed.err
    assert "{" not in printed.err


@pytest.mark.filterwarnings("default")
def test_a_run_that_fails_has_its_page_and_its_error(tmp_path: Path) -> None:
    out = tmp_path / "run"
    claim(out, {"recipe": {"seed": 1}})
    trainer = tiny_trainer(out, [], bad_row=5)
    with pytest.raises(RunError, match="step 6: the loss"), watch(trainer, out):
        trainer.train()
    assert "Step 5, " in (out / "report.html").read_text()
    assert "not finished." in (out / "report.html").read_text()


def test_trackers_are_checked_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    check_trackers([])
    with pytest.raises(ConfigError, match="unknown tracker 'mlflow'; accepted: trackio, wandb, tensorboard"):
        check_trackers(["mlflow"])
    monkeypatch.setattr("sg_agent.training.trackers.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="'wandb' needs a package: pip install wandb"):
        check_watch(["wandb"])


@pytest.mark.parametrize(("before", "expected"), [(None, True), ("0", False)])
def test_telemetry_is_off_unless_asked_for_even_when_the_hub_was_imported_before(
    before: str | None, expected: bool
) -> None:
    code = (
        "import json, os, huggingface_hub.constants as constants\n"
        "from sg_agent.training.trackers import disable_telemetry\n"
        "disable_telemetry()\n"
        "print(json.dumps([constants.HF_HUB_DISABLE_TELEMETRY, os.environ['HF_HUB_DISABLE_TELEMETRY'] != '0']))"
    )
    switches = ("HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "DO_NOT_TRACK")
    environment = {name: value for name, value in os.environ.items() if name not in switches}
    if before is not None:
        environment["HF_HUB_DISABLE_TELEMETRY"] = before
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [expected, expected]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", ["GRPO", "RLOO"])
def test_trl_logs_what_health_and_plots_read(tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    import trl
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    def task(completions: list[Any], log_metric: Any, **_: Any) -> list[float | None]:
        log_metric("leak_rate", 0.25)
        return [None, *(float(len(text) % 2) for text in completions[1:])]

    check_watch()
    base, out = tiny_model(tmp_path / "base"), tmp_path / "run"
    claim(out, {"recipe": {}})
    settings = getattr(trl, f"{kind}Config")(
        output_dir=str(out), per_device_train_batch_size=8, num_generations=4, max_steps=3, max_completion_length=8,
        report_to="none", use_cpu=True, bf16=False, gradient_checkpointing=False, logging_steps=1, disable_tqdm=True,
    )  # fmt: skip
    trainer = getattr(trl, f"{kind}Trainer")(
        AutoModelForCausalLM.from_pretrained(base), task, args=settings,
        train_dataset=Dataset.from_dict({"prompt": ["hello", "a red boat"] * 4}),
        processing_class=AutoTokenizer.from_pretrained(base),
    )  # fmt: skip
    with watch(trainer, out):
        trainer.train()
    lines = read_lines(out / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3]
    wanted = {"reward", "rewards/task/mean", "frac_reward_zero_std", "completions/mean_length", "entropy", "leak_rate"}
    assert wanted | {"completions/min_length", "completions/max_length", "loss", "grad_norm"} <= lines[0].keys()
    plots = {path.name for path in (out / "plots").iterdir()}
    assert plots == {"loss.png", "rewards.png", "guidance_length.png", "leak_rate.png"}
    assert "{'loss'" not in capfd.readouterr().out
