"""All that looks after a run, together: on a real Trainer, and its refusals before any work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_trainer import tiny_trainer

from sg_agent.errors import ConfigError
from sg_agent.training.run_dir import claim
from sg_agent.training.trackers import check_trackers
from sg_agent.training.watch import check_watch, watch


@pytest.mark.filterwarnings("default")
def test_a_watched_run_leaves_metrics_and_a_page_and_prints_only_our_progress(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    claim(out, {"recipe": {"seed": 1}})
    trainer = tiny_trainer(out, [])
    watch(trainer, out, cost=lambda: 0.25)
    trainer.train()
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 10
    assert "finished." in (out / "report.html").read_text()
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "step 10/10" in printed.err
    assert "{" not in printed.err


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
