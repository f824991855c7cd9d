"""`sg-agent rl`: train a guide on questions and answers alone, the frozen solver in the loop."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sg_agent.cli import options
from sg_agent.errors import ConfigError

if TYPE_CHECKING:
    from sg_agent.training.rl_recipe import RlRecipe

HELP = """Train a guide by what its guidance is worth to the frozen solver (GRPO or RLOO); no gold guidance is needed.

RECIPE is a YAML file or the name of a shipped recipe; flags override its keys. Without one, --base, --data and --solver
are needed. --guide is the adapter to go on from, best one distilled first. The same command continues a run that was
interrupted, and pays for no grade twice."""

DEFAULTS = {"learning_rate": 1e-5, "batch_size": 64, "steps": 200}


def run(
    out: Annotated[Path, typer.Option("--out", help="Run directory; an interrupted run in it is continued.")],
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="A YAML file or a shipped recipe's name.")
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="Model under the guide: embedded:solver, local:ID.")
    ] = None,
    guide: Annotated[str | None, typer.Option("--guide", help="Adapter, or run, to go on from.")] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Questions with answers: files, depot, archive; joined by commas.")
    ] = None,
    solver: Annotated[str | None, typer.Option("--solver", help="Frozen model whose answers are the reward.")] = None,
    judge: Annotated[str | None, typer.Option("--judge", help="Model that rates the guidance's eight aspects.")] = None,
    rewards: Annotated[
        str | None, typer.Option("--rewards", help="Weights, such as uplift=1,rationale=0.1,brevity=0.05,task=0.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Optimizer steps.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Completions of one step.")] = None,
    rows_per_world: Annotated[
        int | None, typer.Option("--rows-per-world", help="Questions of depot and archive.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", help="Most US dollars that the run may ever cost.")
    ] = None,
    prices: options.Prices = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0)] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads of one process.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all, count calls, estimate cost, memory and time, and stop.")
    ] = False,
    json_output: options.Json = False,
    config: options.Config = None,  # noqa: ARG001 - its callback reads it
) -> None:
    """Train, and say where the adapter is."""
    given = {
        "base": base,
        "guide": guide,
        "data": None if data is None else options.names(data),
        "solver": solver,
        "judge": judge,
        "rewards": None if rewards is None else weights(rewards),
        "steps": steps,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "rows_per_world": rows_per_world,
        "max_cost": max_cost,
        "prices": None if prices is None else str(prices),
        "seed": seed,
        "threads": threads,
    }
    resolved = resolve(recipe, {key: value for key, value in given.items() if value is not None})
    if dry_run:
        show_plan(resolved, json_output=json_output)
    else:
        train(resolved, out, json_output=json_output)


def resolve(recipe: str | None, changes: dict[str, Any]) -> "RlRecipe":
    """The recipe with the flags on top. Raises ConfigError."""
    from sg_agent.training.recipe import load_recipe, make_recipe
    from sg_agent.training.rl_recipe import RlRecipe

    if recipe is not None:
        return load_recipe(recipe, RlRecipe, changes=changes)
    if missing := [f"--{name}" for name in ("base", "data", "solver") if name not in changes]:
        raise ConfigError(f"name a RECIPE, or give {' and '.join(missing)}")
    return make_recipe({**DEFAULTS, **changes}, RlRecipe, where="flags")


def weights(text: str) -> dict[str, float]:
    """The weights in "uplift=1,rationale=0.1". Raises ConfigError for anything else."""
    found: dict[str, float] = {}
    for one in options.names(text):
        part, _, value = one.partition("=")
        try:
            found[part.strip()] = float(value)
        except ValueError:
            raise ConfigError(f"--rewards {text!r}: {one!r} is no PART=WEIGHT, such as uplift=1") from None
    return found


def show_plan(recipe: "RlRecipe", *, json_output: bool) -> None:
    """Print what the run would ask and need."""
    from sg_agent.training.rl_plan import plan_lines, plan_rl

    plan = plan_rl(recipe)
    typer.echo(json.dumps(plan) if json_output else "\n".join(plan_lines(plan)))


def train(recipe: "RlRecipe", out: Path, *, json_output: bool) -> None:
    """Run it and say where the adapter is."""
    from sg_agent.cli.quiet import quiet
    from sg_agent.models import local_path
    from sg_agent.training.rl import rl

    with quiet():
        made = rl(recipe, out)
    spec = f"local:{local_path(recipe.base)}@{made}"
    typer.echo(json.dumps({"made": str(made), "run_dir": str(out), "spec": spec}) if json_output else f"guide: {spec}")
