"""RL of a guide with the frozen solver in the loop: GRPO (default) or RLOO on questions and answers alone.

    sg-agent rl RECIPE --out DIR        # the same command continues

TRL's trainers with PEFT do the work; ours are the rewards, the grades behind them and the rollouts that let the solver
answer while the guide still writes. The run ends with the same round trip as a distillation, of the best adapter seen.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sg_agent.budget import Budget, check_priced
from sg_agent.errors import BudgetSpent, ConfigError, DataError, Interrupted, MissingExtra, ModelError
from sg_agent.files import check_writable
from sg_agent.ledger import in_process
from sg_agent.models import check_spec, load_model, local_path, parse_spec
from sg_agent.passport import check_base, weights_sha256
from sg_agent.rows import Row, load_rows
from sg_agent.training.adapter import restore, save_adapter
from sg_agent.training.data import load_questions
from sg_agent.training.distill import begin_processes, check_base_spec, require_room
from sg_agent.training.grader import Asking, Grader
from sg_agent.training.passport import make_passport
from sg_agent.training.rewards import check_weights
from sg_agent.training.rl_callbacks import BEST, SPEND, best_of
from sg_agent.training.rl_recipe import RlRecipe
from sg_agent.training.rl_trainer import make_trainer, world_size
from sg_agent.training.run_dir import adapter_of, claim, last_checkpoint, writing
from sg_agent.training.watch import check_watch, watch
from sg_agent.weights import find_adapter, local_files
from sg_agent.worlds import WORLDS, questions

if TYPE_CHECKING:
    from peft import PeftModel

GRADES = "grades.jsonl"  # of the first process; each has its own


@dataclass(frozen=True)
class Questions:
    """What a run asks: to learn from, and to measure on."""

    train: list[Row]
    validation: list[Row]


def rl(recipe: RlRecipe, out: Path) -> Path:
    """Train, or continue, in `out`; returns the adapter's directory. A finished run is not trained again.

    Raises a UserError for what can be told wrong before anything is loaded, BudgetSpent when the budget ended the run
    (the adapter is saved), Interrupted, RunError when the solver fails too often, or when the adapter that was saved
    does not behave as the one that was trained.
    """
    check_writable(out, "--out")
    check_watch(recipe.report_to)
    check(recipe)
    asked = load_all(recipe)
    require_room(recipe.as_distillation(), asked.train)
    passport = {**make_passport(recipe, asked.train), "guide_sha256": guide_sha256(recipe)}
    processes = begin_processes(recipe)
    with processes.main_process_first():
        claim(out, passport)
        resume = last_checkpoint(out)
        if trained_whole(resume, recipe) and (out / "adapter").is_dir():
            return out / "adapter"
    budget = None if recipe.max_cost is None else Budget(recipe.max_cost)
    solver = load_model(recipe.solver, max_retries=0)
    journal = out / (f"grades-{processes.process_index}.jsonl" if processes.process_index else GRADES)
    with Grader(solver, asking(recipe), budget=budget, prices=recipe.own_prices, journal=journal) as grader:
        if budget is not None:
            budget.spent_usd = max(spent_before(out), grader.spent_usd or 0.0)
        trainer = make_trainer(recipe, asked.train, asked.validation, grader, out)
        with _interruptible(out), writing(out), watch(trainer, out, cost=_cost(grader)):
            if not trained_whole(resume, recipe):
                shutil.rmtree(out / "adapter", ignore_errors=True)  # of a run that a budget ended
                trainer.train(resume_from_checkpoint=resume)
        if processes.is_main_process:
            trained = cast("PeftModel", trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False))
            if best_of(out):
                restore(trained, out / BEST)
            elif resume is not None and trained_whole(resume, recipe):
                restore(trained, Path(resume))
            save_adapter(trained, passport, out, asked.validation or asked.train, evaluate=lambda _: best_of(out))
        processes.wait_for_everyone()
        if grader.exhausted:
            raise BudgetSpent(
                f"the budget of ${recipe.max_cost:g} is spent after step {trainer.state.global_step} of "
                f"{recipe.steps}; the adapter so far is in {str(out / 'adapter')!r}"
            )
    return out / "adapter"


def spent_before(out: Path) -> float:
    """US dollars that earlier starts have spent, failed calls and the judge's included; up to the last whole step."""
    path = out / SPEND
    return float(json.loads(path.read_text(encoding="utf-8"))["spent_usd"]) if path.is_file() else 0.0


def trained_whole(checkpoint: str | None, recipe: RlRecipe) -> bool:
    """Whether all steps are made: what may be missing is the adapter."""
    return checkpoint is not None and int(checkpoint.rpartition("-")[2]) >= recipe.steps


def _cost(grader: Grader) -> Callable[[], float | None] | None:
    """What is shown as spent: all of a budget, the judge's calls and failed ones too; else what the grades cost."""
    if budget := grader.budget:
        return lambda: budget.spent_usd
    return None if in_process(grader.solver) else lambda: grader.spent_usd


@contextmanager
def _interruptible(out: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; the same command continues from the last checkpoint in {str(out)!r}") from None


def check(recipe: RlRecipe) -> None:
    """Raise a UserError for models, rewards and packages that will not do. Loads nothing."""
    check_base_spec(recipe)
    for spec in (recipe.solver, recipe.judge):
        if spec is not None:
            check_spec(spec)
    check_weights(recipe.rewards)
    _ = recipe.own_prices
    if recipe.max_cost is not None:
        check_cost(recipe)
        if world_size() > 1:
            raise ConfigError(f"max_cost {recipe.max_cost!r} is kept by one process, and there are {world_size()}")
    if recipe.guide is not None:
        if not Path(recipe.guide).expanduser().is_dir():
            raise ModelError(f"guide {recipe.guide!r} is no directory: name an adapter, or the run that made it")
        found = find_adapter(str(adapter_of(recipe.guide).absolute()))
        if found is not None:
            check_base(local_files(local_path(recipe.base)), found)
    if recipe.judge is not None and not recipe.asks_judge:
        raise ConfigError(f"judge {recipe.judge!r} is asked for the reward 'rationale', which has no weight")
    try:
        import trl  # noqa: F401
    except ImportError as error:
        raise MissingExtra("RL", "train") from error


def check_cost(recipe: RlRecipe) -> None:
    """Raise ConfigError when a model of the loop has no known price, or replies of unknown length."""
    for spec, most in ((recipe.solver, recipe.solver_max_tokens), (recipe.judge, None)):
        if spec is not None and parse_spec(spec).kind != "local":
            check_priced(load_model(spec), max_tokens=most, prices=recipe.own_prices)


def guide_sha256(recipe: RlRecipe) -> str | None:
    return None if recipe.guide is None else weights_sha256(adapter_of(recipe.guide))


def load_all(recipe: RlRecipe) -> Questions:
    """The questions of the run; those of validation are never trained on."""
    train = load_questions(recipe)
    if len({row.id for row in train}) < len(train):
        doubled = Counter(row.id for row in train).most_common(1)[0][0]
        raise DataError(f"{', '.join(recipe.data)}: id {doubled!r} is there twice; give each question its own")
    if recipe.validation_data is not None:
        validation = load_rows(recipe.validation_data)[: recipe.validation]
        if shared := {row.question for row in train} & {row.question for row in validation}:
            raise DataError(
                f"{recipe.validation_data}: {len(shared)} questions are trained on, such as {min(shared)!r:.80}"
            )
        return Questions(train, validation)
    worlds = [name for name in recipe.data if name in WORLDS]
    each = recipe.validation // max(1, len(worlds))
    return Questions(
        train, [row for world in worlds for row in islice(questions(world, "validation", seed=recipe.seed), each)]
    )


def asking(recipe: RlRecipe) -> Asking:
    return Asking(
        attempts=recipe.attempts,
        temperature=recipe.solver_temperature,
        max_tokens=recipe.solver_max_tokens,
        seed=recipe.seed,
        concurrency=recipe.concurrency,
        call_deadline_s=recipe.call_deadline_s,
        grade_deadline_s=recipe.grade_deadline_s,
        max_error_rate=recipe.max_error_rate,
    )
