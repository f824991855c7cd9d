"""`sg-agent distill`: train a guide on questions with guidance."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sg_agent.cli import options
from sg_agent.errors import ConfigError

if TYPE_CHECKING:
    from sg_agent.training.recipe import DistillRecipe

HELP = """Train a guide: a small model learns to write the guidance of its rows.

RECIPE is a YAML file or the name of a shipped recipe (embedded, embedded-depot, qwen3-0.6b-gsm8k ...); flags override
its keys. Without one, --data and --base are needed. The same command continues a run that was interrupted. What comes
out is an adapter (a whole model with --method full) that has been loaded the way `--guide local:BASE@ADAPTER` loads it
and behaves as it did in training, with its passport and model card beside it."""

DEFAULTS = {"learning_rate": 2e-4, "batch_size": 32, "epochs": 3}


def run(
    out: Annotated[Path, typer.Option("--out", help="Run directory; an interrupted run in it is continued.")],
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="A YAML file or a shipped recipe's name.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Rows with guidance: files, depot, archive; joined by commas.")
    ] = None,
    base: Annotated[str | None, typer.Option("--base", help="Model to tune: embedded:solver or local:ID.")] = None,
    method: Annotated[
        Literal["lora", "qlora", "full", "on_policy"] | None,
        typer.Option("--method", help="An adapter (lora; qlora in 4 bits), all weights, or a teacher's ratings."),
    ] = None,
    teacher: Annotated[str | None, typer.Option("--teacher", help="Local model for --method on_policy.")] = None,
    epochs: Annotated[float | None, typer.Option("--epochs", help="Times that every row is seen.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", help="Rows of one step, over all processes.")
    ] = None,
    rows_per_world: Annotated[int | None, typer.Option("--rows-per-world", help="Rows of depot and archive.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0)] = None,
    validation: Annotated[
        str | None, typer.Option("--validation", help="Questions to measure usefulness on: worlds or files.")
    ] = None,
    solver: Annotated[str | None, typer.Option("--solver", help="Model that answers those, guided.")] = None,
    eval_every: Annotated[
        int | None, typer.Option("--eval-every", help="Steps between two measurements of usefulness.")
    ] = None,
    patience: Annotated[int | None, typer.Option("--patience", help="Measurements without gain that end it.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads of one process.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all, count tokens, estimate memory and time, and stop.")
    ] = False,
    install: Annotated[bool, typer.Option("--install", help="Make the adapter embedded:guide.")] = False,
    json_output: options.Json = False,
    config: options.Config = None,  # noqa: ARG001 - its callback reads it
) -> None:
    """Train, or tell what training would take."""
    given = {
        "data": _names(data),
        "base": base,
        "method": method,
        "teacher": teacher,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "rows_per_world": rows_per_world,
        "seed": seed,
        "validation": _names(validation),
        "solver": solver,
        "eval_every": eval_every,
        "patience": patience,
        "threads": threads,
    }
    resolved = resolve(recipe, {key: value for key, value in given.items() if value is not None})
    if install and resolved.base != "embedded:solver":
        raise ConfigError(f"--install is for an adapter of embedded:solver, not of {resolved.base!r}")
    if dry_run:
        _show_plan(resolved, json_output=json_output)
        return
    _train(resolved, out, install=install, json_output=json_output)


def resolve(recipe: str | None, changes: dict[str, Any]) -> "DistillRecipe":
    """The recipe with the flags on top. Raises ConfigError."""
    from sg_agent.training.recipe import DistillRecipe, load_recipe, make_recipe

    if recipe is not None:
        return load_recipe(recipe, DistillRecipe, changes=changes)
    if missing := [f"--{name}" for name in ("data", "base") if name not in changes]:
        raise ConfigError(f"name a RECIPE, or give {' and '.join(missing)}")
    return make_recipe({**DEFAULTS, **changes}, DistillRecipe, where="flags")


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _show_plan(recipe: "DistillRecipe", *, json_output: bool) -> None:
    from sg_agent.training.dry_run import plan_distill, plan_lines

    plan = plan_distill(recipe)
    typer.echo(json.dumps(plan) if json_output else "\n".join(plan_lines(plan)))


def _train(recipe: "DistillRecipe", out: Path, *, install: bool, json_output: bool) -> None:
    from sg_agent.cli.quiet import quiet
    from sg_agent.models import EMBEDDED_GUIDE
    from sg_agent.passport import read_passport
    from sg_agent.training.distill import distill

    with quiet():
        made = distill(recipe, out)
    if install:
        shutil.copytree(made, EMBEDDED_GUIDE, dirs_exist_ok=True, ignore=shutil.ignore_patterns("README.md"))
    passport = read_passport(made)
    if json_output:
        typer.echo(json.dumps({"made": str(made), "run_dir": str(out), "passport": passport}))
        return
    if measured := passport.get("evaluation"):
        typer.echo(f"usefulness {measured['accuracy']} on {measured['n']} validation questions")
    spec = f"local:{made}" if made.name == "model" else f"{_as_local(recipe.base)}@{made}"
    typer.echo(f"guide: {'embedded:guide' if install else spec}")


def _as_local(base: str) -> str:
    from sg_agent.models import local_path

    return f"local:{local_path(base)}"
