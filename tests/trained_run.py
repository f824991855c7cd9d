"""Directories of training runs as training leaves them, made without training."""

import json
import math
from pathlib import Path
from typing import Any

from sg_agent.training.samples import Sample, SampleLog
from sg_agent.training.step_log import append

RECORD = {
    "base_sha256": "abc", "recipe": {"base": "embedded:solver", "data": ["depot"], "lora": {"rank": 8}, "seed": 3},
    "record": {"started": "2026-01-01", "revisions": ["0123456789ab"], "commands": ["sg-agent distill <x>.yaml"],
               "versions": {"trl": "1.16.0"}},
}  # fmt: skip
GUIDANCE = "1. Start with the lamps.\n2. Add Monday."


def sft_run(out: Path, *, steps: int = 30) -> Path:
    """A finished SFT run with validation."""
    lines: list[dict[str, Any]] = [
        {"step": step, "time_s": step * 2.0, "epoch": step / 10, "loss": 2 / step, "entropy": 0.5,
         **({"eval_loss": 2.5 / step, "eval_usefulness": step / 40} if step % 10 == 0 else {})}
        for step in range(1, steps + 1)
    ]  # fmt: skip
    lines[-1]["train_runtime"] = 60.0
    return started(out, lines)


def rl_run(out: Path, *, steps: int = 100, guidance: str = GUIDANCE) -> Path:
    """An RL run that goes on."""
    lines = [
        {"step": step, "time_s": step * 1.5, "epoch": 0.1, "loss": 0.01, "reward": 0.4 + 0.1 * math.sin(step),
         "rewards/task/mean": 0.5, "rewards/uplift/mean": 0.2, "rewards/task/std": 0.1, "leak_rate": 0.01,
         "completions/mean_length": 40 - step / 10}
        for step in range(1, steps + 1)
    ]  # fmt: skip
    started(out, lines)
    log = SampleLog(out)
    for step in range(1, steps + 1):
        log.write(step, [Sample(f"q{step}", guidance, {"task": 1.0, "judge": None})])
    append(out / "health.jsonl", [
        {"step": 10, "name": "many_errors", "line": "6% of the rewards could not be given"},
        {"step": 20, "name": "many_errors", "line": None},
        {"step": 40, "name": "reward_flat", "line": "the reward has not risen"},
    ])  # fmt: skip
    return out


def started(out: Path, lines: list[dict[str, Any]]) -> Path:
    """A run with these metrics."""
    out.mkdir(parents=True)
    (out / "run.json").write_text(json.dumps(RECORD))
    if lines:
        append(out / "metrics.jsonl", lines)
    return out
