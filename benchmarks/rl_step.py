"""What a solver that takes 0.5 s a call costs an RL step: against the longer of rollouts and solver, not their sum.

The embedded guide writes, a local server answers. Both runs sample the same guidance; the first has a solver of 0 s, so
that its step is what rollouts and update take by themselves. The first step of each warms up and is left out. Grades
overlap with rollouts, not with the update: where the solver takes half as long as both, their sum shows.

python benchmarks/rl_step.py [--batch 64] [--concurrency 8] [--latency 0.5] [--steps 5]
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

from eval_load import run_server

TARGET = 1.3


def run_steps(base_url: str, *, batch: int, concurrency: int, steps: int) -> dict[str, float]:
    """Mean seconds of a step, and how many solver calls it made."""
    from sg_agent.models import EMBEDDED_GUIDE
    from sg_agent.training.recipe import make_recipe
    from sg_agent.training.rl import rl
    from sg_agent.training.rl_recipe import RlRecipe

    given: dict[str, Any] = {
        "base": "embedded:solver",
        "guide": str(EMBEDDED_GUIDE),
        "solver": f"openai:solver@{base_url}",
        "data": ["depot"],
        "rows_per_world": 200,
        "steps": steps,
        "batch_size": batch,
        "group_size": 8,
        "learning_rate": 1e-6,
        "temperature": 1.5,
        "guide_max_tokens": 110,
        "attention": "eager",
        "concurrency": concurrency,
        "validation": 0,
        "rewards": {"task": 1.0},
    }
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        rl(make_recipe(given, RlRecipe, where="rl_step"), out)
        lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        calls = len((out / "grades.jsonl").read_text(encoding="utf-8").splitlines())
    seconds = [line["step_time"] for line in lines if line["step"] > 1]
    return {"step_s": fmean(seconds), "calls": calls / steps}


def measure(*, batch: int, concurrency: int, latency_s: float, steps: int) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    found: dict[float, dict[str, float]] = {}
    for latency in (0.0, latency_s):
        here, there = context.Pipe()
        server = context.Process(target=run_server, args=(there, latency), daemon=True)
        server.start()
        base_url = f"http://127.0.0.1:{here.recv()}/v1"
        found[latency] = run_steps(base_url, batch=batch, concurrency=concurrency, steps=steps)
        server.terminate()
    own, whole = found[0.0]["step_s"], found[latency_s]["step_s"]
    solver = found[latency_s]["calls"] * latency_s / concurrency
    return {
        "calls_a_step": round(found[latency_s]["calls"], 1),
        "rollouts_and_update_s": round(own, 2),
        "solver_s": round(solver, 2),
        "step_s": round(whole, 2),
        "ratio": round(whole / max(own, solver), 2),
        "sum_ratio": round(whole / (own + solver), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--latency", type=float, default=0.5)
    parser.add_argument("--steps", type=int, default=5)
    asked = parser.parse_args()
    found = measure(batch=asked.batch, concurrency=asked.concurrency, latency_s=asked.latency, steps=asked.steps)
    print(json.dumps(found))
    print(f"a step takes {found['ratio']} of the longer of both (target {TARGET})", file=sys.stderr)
    sys.exit(found["ratio"] > TARGET)


if __name__ == "__main__":
    main()
