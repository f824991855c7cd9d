"""Runs training in processes of their own, as users launch it."""

import json
import os
import subprocess
import sys
from pathlib import Path

SETTINGS = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def launch(*command: str, code: int = 0, settings: dict[str, str] | None = None) -> None:
    """Run Python with `command` and more environment, to the end; it must exit with `code`."""
    environment = {**os.environ, **SETTINGS, **(settings or {})}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr[-4000:]


def launch_two(*command: str, settings: dict[str, str] | None = None) -> None:
    """The same in two processes."""
    launch("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *command, settings=settings)


def losses(run: Path) -> list[float]:
    """Those that the checkpoint of step 6 knows."""
    state = json.loads((run / "checkpoint-6" / "trainer_state.json").read_text())
    return [entry["loss"] for entry in state["log_history"] if "loss" in entry]
