"""Distils a guide: supervised fine-tuning on questions with guidance, loss on the guidance only.

`distill` is the run behind `sg-agent distill`. TRL's trainers with PEFT do the work (see trainers.py), and it ends with
a round trip: what was saved is loaded the way the graphs load it and must do what the trainer's model does.
One process or many, whole weights or sharded ones (see sharded.py): the recipe is the same.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sg_agent.budget import Budget
from sg_agent.errors import ConfigError, MissingExtra, ModelError
from sg_agent.files import check_writable
from sg_agent.models import check_spec, load_model, local_path, parse_spec
from sg_agent.rows import Row
from sg_agent.training.adapter import restore, save_adapter, save_model
from sg_agent.training.data import load_data, load_questions, load_validation, load_worked
from sg_agent.training.grader import Asking, Grader, check_cost
from sg_agent.training.passport import load_saved, make_passport
from sg_agent.training.recipe import BaseRecipe, DistillRecipe
from sg_agent.training.run_dir import claim, last_checkpoint, writing
from sg_agent.training.sharded import check_sharding, trained_model
from sg_agent.training.usefulness import Usefulness, measure_usefulness
from sg_agent.training.watch import check_watch, watch
from sg_agent.weights import local_files

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback

# All questions of a measurement are asked at once, and a solver on this machine takes its time.
GRADE_DEADLINE_S = 600.0


def check_base_spec(recipe: BaseRecipe) -> None:
    """Raises ModelError for a base that cannot be trained: not of this machine, missing, or an adapter on another."""
    local_path(recipe.base)
    if parse_spec(recipe.base).at:
        raise ModelError(f"base {recipe.base!r} names an adapter: name the base alone, its new adapter comes on top")
    check_spec(recipe.base)


def check_distill(recipe: DistillRecipe) -> None:
    """Raises ModelError, ConfigError or MissingExtra for what a recipe asks and this machine has not; loads nothing."""
    check_base_spec(recipe)
    if recipe.teacher is not None:
        local_path(recipe.teacher)
        check_spec(recipe.teacher)
    if recipe.solver is not None and recipe.eval_every is not None:
        check_spec(recipe.solver)
        prices = recipe.own_prices
        if recipe.max_cost is not None:
            check_cost(recipe.solver, max_tokens=recipe.solver_max_tokens, prices=prices)
    if find_spec("trl") is None or find_spec("datasets") is None:
        raise MissingExtra("distillation", "train")
    check_sharding(recipe)
    if recipe.method == "qlora" and find_spec("bitsandbytes") is None:
        raise ConfigError("method 'qlora' needs bitsandbytes and a CUDA GPU: pip install bitsandbytes; or method lora")


def distill(recipe: DistillRecipe, out: Path, *, callbacks: "Sequence[TrainerCallback]" = ()) -> Path:
    """Train, or continue, in `out`; returns the directory of the adapter, or of the model when all of it was trained.

    A finished run is not trained again. Raises MissingExtra without TRL, ConfigError when `out` holds a run from
    another recipe, base, prompt or data, RunError for a loss that is no number, a disk that is full, or when what was
    saved does not behave like what was trained.
    """
    check_writable(out, "--out")
    check_watch(recipe.report_to)
    check_distill(recipe)
    rows = load_rows_of(recipe)
    validation = load_validation(recipe) if recipe.eval_every else []
    passport = make_passport(recipe, rows)
    require_room(recipe, rows)
    processes = begin_processes(recipe)
    with processes.main_process_first():
        claim(out, passport)
        place = out / ("model" if recipe.method == "full" else "adapter")
        if place.is_dir():
            return place
        resume = last_checkpoint(out)
    with _grader(recipe, out) if processes.is_main_process else nullcontext() as grader:
        trainer = _trainer(recipe, rows, validation, grader, out, callbacks)
        with writing(out), watch(trainer, out, cost=None if grader is None else grader.cost):
            trainer.train(resume_from_checkpoint=resume)
        with trained_model(trainer) as trained:
            if trained is not None:
                _save(recipe, trainer, trained, passport, out, rows, validation, grader)
    processes.wait_for_everyone()
    return place


def _grader(recipe: DistillRecipe, out: Path) -> AbstractContextManager[Grader | None]:
    """What measures usefulness, None when the recipe does not ask for it."""
    if recipe.eval_every is None:
        return nullcontext()
    budget = None if recipe.max_cost is None else Budget(recipe.max_cost)
    asking = Asking(max_tokens=recipe.solver_max_tokens, seed=recipe.seed, grade_deadline_s=GRADE_DEADLINE_S)
    solver = load_model(str(recipe.solver), max_retries=0)
    return Grader(solver, asking, budget=budget, prices=recipe.own_prices, journal=out / "grades.jsonl")


def load_rows_of(recipe: DistillRecipe) -> list[Row]:
    """The rows that the recipe's method learns from. Raises DataError for rows that lack what it needs."""
    if recipe.method == "on_policy":
        return load_questions(recipe)
    return load_worked(recipe) if recipe.learn == "cot" else load_data(recipe)


def require_room(recipe: DistillRecipe, rows: Sequence[Row]) -> None:
    """Raises ConfigError with the numbers when training would not fit into memory."""
    from sg_agent.training.dry_run import count_tokens, fit

    path = local_files(local_path(recipe.base))
    longest = sorted(rows, key=lambda row: len(row.question) + sum(len(p.text) for p in row.context or []))[-64:]
    prompts, replies = count_tokens(recipe, path, longest)
    fit(recipe, path, longest=max(map(sum, zip(prompts, replies, strict=True))))


def begin_processes(recipe: BaseRecipe) -> Any:
    """torch and its processes, set as the recipe says."""
    import torch
    from accelerate import PartialState

    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    if not torch.cuda.is_available():
        torch.set_flush_denormal(True)
    return PartialState(cpu=not torch.cuda.is_available())


def _trainer(
    recipe: DistillRecipe,
    rows: Sequence[Row],
    validation: list[Row],
    grader: Grader | None,
    out: Path,
    callbacks: "Sequence[TrainerCallback]",
) -> "Trainer":
    from sg_agent.local import LocalChatModel
    from sg_agent.training.callbacks import UsefulnessStop
    from sg_agent.training.trainers import load_base, make_trainer

    base = load_base(recipe)
    if recipe.eval_every is None:
        return make_trainer(recipe, base, rows, out, callbacks)
    runtime = LocalChatModel.over(base, model=local_path(recipe.base), max_tokens=recipe.max_guidance)

    def measure(model: Any) -> Usefulness:
        assert grader is not None  # it is the first process that measures
        return measure_usefulness(runtime.with_model(model), validation, grader)

    stop = UsefulnessStop(measure, every=recipe.eval_every, patience=recipe.patience)
    trainer = make_trainer(recipe, base, rows, out, [stop, *callbacks])
    stop.log = trainer.log
    return trainer


def _save(
    recipe: DistillRecipe,
    trainer: "Trainer",
    trained: Any,
    passport: dict[str, Any],
    out: Path,
    rows: Sequence[Row],
    validation: list[Row],
    grader: Grader | None,
) -> Path:
    """The best model of the run where it was measured, else the last."""
    if trainer.state.best_global_step:
        restore(trained, out / f"checkpoint-{trainer.state.best_global_step}")

    def evaluate(saved: Path) -> dict[str, Any]:
        assert grader is not None
        guide = load_saved(recipe.base, saved, max_tokens=recipe.max_guidance)
        measured = measure_usefulness(guide, validation, grader)
        return {"solver": recipe.solver, "questions": recipe.validation, **asdict(measured)}

    asked = None if grader is None else evaluate
    if recipe.method == "full":
        return save_model(trained, cast("Any", trainer.processing_class), passport, out, rows, evaluate=asked)
    return save_adapter(trained, passport, out, rows, evaluate=asked)
