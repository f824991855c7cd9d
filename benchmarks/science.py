"""`make science`: what distillation, chain-of-thought tuning and RL bring on the embedded worlds, three seeds each.

Transfer asks a second solver, smaller and of another seed, which is pretrained first unless it is there.

    python benchmarks/science.py             # continues where it stopped; two cells at a time, one thread each
    python benchmarks/science.py --list      # the cells, and which are done
    python benchmarks/science.py --cell NAME # one cell, in this process

A cell trains at most one model and measures it on the same 300 unseen questions; its rows are appended to
docs/science/rows.jsonl. `python benchmarks/science_report.py` makes docs/science/README.md and the plots of them.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from science_cells import RL_QUESTIONS, RUNS, Cell, cells

ROOT = Path(__file__).parent.parent
ROWS = ROOT / "docs" / "science" / "rows.jsonl"
QUESTIONS, MOST_TOKENS, MOST_GUIDANCE = 300, 200, 150
EPOCHS = {30: 30, 100: 20, 300: 12, 1000: 8, 3000: 4, 10000: 2, 30000: 1}
"""By rows: fewer passes over more rows, the same for both kinds of tuning."""
RL_STEPS = 40
RL_REWARDS = {"uplift": {"uplift": 1.0}, "task": {"task": 1.0}, "rationale": {"rationale": 1.0}}
OTHER_SOLVER = RUNS / "other-solver"


def run_cell(cell: Cell) -> list[dict[str, Any]]:
    """Train and measure; the rows to keep."""
    import torch

    torch.set_num_threads(1)
    for needed in cell.needs:  # there already, unless runs/ was cleared since
        train(needed)
    start = time.perf_counter()
    train(cell)
    trained_s = time.perf_counter() - start
    return [{**found, "trained_s": round(trained_s)} for found in measure(cell)]


def train(cell: Cell) -> None:
    """What the cell is about; nothing for one that only compares what others trained."""
    match cell.kind:
        case "guide" | "cot":
            tune(cell)
        case "rl":
            train_rl(cell)
        case "transfer":
            pretrain_other_solver()
        case "ablation":
            pass


def pretrain_other_solver() -> None:
    """See other_solver.py; by two processes. Continues what was begun."""
    script = str(Path(__file__).with_name("other_solver.py"))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", script, str(OTHER_SOLVER)]
    if not (OTHER_SOLVER / "base" / "passport.json").is_file():
        subprocess.run(command, check=True)


def tune(cell: Cell) -> None:
    """Distil a guide, or tune on chains of thought, on the first rows of the seed's own stream."""
    from sg_agent.training.distill import distill
    from sg_agent.training.recipe import DistillRecipe

    recipe = DistillRecipe(
        base="embedded:solver",
        data=[cell.world],
        rows_per_world=cell.rows,
        seed=100 + cell.seed,
        learning_rate=2e-3,
        batch_size=32 if cell.rows < 1000 else 64,
        epochs=EPOCHS[cell.rows],
        attention="eager",
        learn="guidance" if cell.kind == "guide" else "cot",
    )
    distill(recipe, RUNS / cell.name)


def train_rl(cell: Cell) -> None:
    """RL on questions and answers that the guide was not distilled on."""
    from sg_agent.training.recipe import make_recipe
    from sg_agent.training.rl import rl
    from sg_agent.training.rl_recipe import RlRecipe

    given = {
        "base": "embedded:solver",
        "guide": str(cell.needs[0].adapter),
        "solver": "embedded:solver",
        "data": [cell.world],
        "rows_per_world": RL_QUESTIONS,
        "seed": 200 + cell.seed,
        "steps": RL_STEPS,
        "batch_size": 256,
        "micro_batch": 64,
        "group_size": 8,
        "learning_rate": 6e-4,
        "temperature": 1.2,
        "guide_max_tokens": 110,
        "solver_max_tokens": 120,
        "attention": "eager",
        "validation": 100,
        "threads": 1,
        "rewards": RL_REWARDS[cell.reward],
    }
    rl(make_recipe(given, RlRecipe, where=cell.name), RUNS / cell.name)


def measure(cell: Cell) -> Iterator[dict[str, Any]]:
    """A row for each arm that the cell is about."""
    base = "embedded:solver"
    match cell.kind:
        case "guide" | "rl":
            yield ask(cell, "guided", guide=adapted(cell), solver=base)
        case "cot":
            yield ask(cell, "cot", guide=base, solver=adapted(cell))
        case "ablation":
            guide, tuned = cell.needs
            for trained in (False, True):
                for frozen in (True, False):
                    found = ask(
                        cell,
                        "guided",
                        guide=adapted(guide) if trained else base,
                        solver=base if frozen else adapted(tuned),
                    )
                    yield {
                        **found,
                        "guide": "trained" if trained else "untrained",
                        "solver": "frozen" if frozen else "cot-tuned",
                    }
        case "transfer":
            distilled, rl = cell.needs
            other = f"local:{OTHER_SOLVER / 'base'}"
            for arm, name, spec in (
                ("standard", "none", base),
                ("cot", "none", base),
                ("oracle", "gold", base),
                ("guided", "distilled", adapted(distilled)),
                ("guided", "after RL", adapted(rl)),
            ):
                yield {**ask(cell, arm, guide=spec, solver=other), "guide": name, "solver": "other"}


def adapted(cell: Cell) -> str:
    """The spec of the embedded base with the cell's adapter."""
    from sg_agent.models import EMBEDDED_BASE

    return f"local:{EMBEDDED_BASE}@{cell.adapter}"


def ask(cell: Cell, arm: str, *, guide: str, solver: str) -> dict[str, Any]:
    """What `arm` gets right of the unseen questions, and what share of guidance leaks."""
    from sg_agent import EvalConfig, run_eval

    out = RUNS / cell.name / "eval" / str(hash_of(f"{arm} {guide} {solver}"))
    result = run_eval(
        EvalConfig(
            cell.world,
            arms=(arm,),
            guide=guide,
            solver=solver,
            limit=QUESTIONS,
            max_tokens=MOST_TOKENS,
            guide_max_tokens=MOST_GUIDANCE,
            out=out,
        )
    )
    found = result["arms"][arm]
    leak = json.loads((out / "result.json").read_text(encoding="utf-8"))["leaks"].get(arm)
    return {
        "cell": cell.name,
        "kind": cell.kind,
        "world": cell.world,
        "seed": cell.seed,
        "rows": cell.rows,
        "reward": cell.reward,
        "arm": arm,
        "n": found["n"],
        "accuracy": found["accuracy"],
        "ci95": found["ci95"],
        "errors": found["errors"],
        "leak_share": leak["share"] if leak else None,
        "revision": result["revision"],
    }


def hash_of(text: str) -> int:
    import hashlib

    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def done() -> set[str]:
    """The names of the cells that have their rows."""
    if not ROWS.is_file():
        return set()
    return {json.loads(line)["cell"] for line in ROWS.read_text(encoding="utf-8").splitlines()}


def run_all(*, at_once: int) -> None:
    """Run what is not done yet, each cell in a process of one thread, after those it needs."""
    ROWS.parent.mkdir(parents=True, exist_ok=True)
    RUNS.mkdir(parents=True, exist_ok=True)
    waiting = [cell for cell in cells() if cell.name not in done()]
    running: dict[str, subprocess.Popen[bytes]] = {}
    failed: set[str] = set()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    while waiting or running:
        for name, process in list(running.items()):
            if process.poll() is not None:
                del running[name]
                failed |= {name} if process.returncode else set()
                print(
                    f"{time.strftime('%H:%M:%S')} {name}: {'failed, see its log' if process.returncode else 'done'}",
                    flush=True,
                )
        finished = done()
        waiting = [cell for cell in waiting if not failed & {need.name for need in cell.needs}]
        ready = [cell for cell in waiting if all(need.name in finished for need in cell.needs)]
        for cell in ready[: at_once - len(running)]:
            waiting.remove(cell)
            with (RUNS / f"{cell.name}.log").open("wb") as log:
                command = [sys.executable, __file__, "--cell", cell.name]
                running[cell.name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        time.sleep(1)
    if failed:
        raise SystemExit(
            f"failed: {', '.join(sorted(failed))}; their logs are in {RUNS}; the same command tries them again"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", help="run one cell and keep its rows")
    parser.add_argument("--list", action="store_true", help="show the cells")
    parser.add_argument("--at-once", type=int, default=2, help="cells at a time")
    given = parser.parse_args()
    if given.list:
        for cell in cells():
            print("done" if cell.name in done() else "    ", cell.name)
    elif given.cell:
        wanted = next((cell for cell in cells() if cell.name == given.cell), None)
        if wanted is None:
            raise SystemExit(f"no such cell: {given.cell!r}; --list shows them")
        rows = run_cell(wanted)
        with ROWS.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    else:
        run_all(at_once=given.at_once)


if __name__ == "__main__":
    main()
