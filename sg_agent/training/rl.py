"""RL of a guide with the frozen solver in the loop: GRPO (default) or RLOO on questions and answers alone.

    sg-agent rl RECIPE --out DIR        # the same command continues

TRL's trainers with PEFT do the work; ours are the rewards, the grades behind them and the rollouts that let the solver
answer while the guide still writes. The run ends with the same round trip as a distillation, of the best adapter seen.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sg_agent.budget import Budget
from sg_agent.errors import BudgetSpent, ConfigError, DataError, Interrupted, MissingExtra, ModelError
from sg_agent.files import check_writable
from sg_agent.models import check_spec, load_model, local_path
from sg_agent.passport import check_base, weights_sha256
from sg_agent.rows import Row, load_rows
from sg_agent.training.adapter import restore, save_adapter
from sg_agent.training.data import load_questions
from sg_agent.training.distill import begin_processes, check_base_spec, require_room
from sg_agent.training.grader import Asking, Grader, check_cost
from sg_agent.training.passport import load_saved, make_passport
from sg_agent.training.rewards import check_weights
from sg_agent.training.rl_callbacks import BEST, SPEND, StopAtBudget, best_of
from sg_agent.training.rl_recipe import RlRecipe
from sg_agent.training.rl_trainer import make_trainer, world_size
from sg_agent.training.run_dir import adapter_of, claim, last_checkpoint, writing
from sg_agent.training.sharded import launched_sharded
from sg_agent.training.usefulness import measure_usefulness
from sg_agent.training.watch import check_watch, watch
from sg_agent.weights import find_adapter, local_files
from sg_agent.worlds import WORLDS, questions

if TYPE_CHECKING:
    from accelerate import PartialState
    from peft import PeftModel


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
    with _grader(recipe, out, processes) as grader:
        stop = StopAtBudget(grader, out)
        trainer = make_trainer(recipe, asked.train, asked.validation, grader, out)
        trainer.add_callback(stop)
        with _interruptible(out), writing(out), watch(trainer, out, cost=grader.cost):
            if not trained_whole(resume, recipe):
                shutil.rmtree(out / "adapter", ignore_errors=True)  # of a run that a budget ended
                trainer.train(resume_from_checkpoint=resume)
        if processes.is_main_process:
            trained = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
            if best_of(out):
                restore(trained, out / BEST)
            elif resume is not None and trained_whole(resume, recipe):
                restore(trained, Path(resume))
            _save(trained, recipe, passport, asked, grader, out)
        processes.wait_for_everyone()
    if stop.stopped:
        raise BudgetSpent(
            f"the budget of ${recipe.max_cost:g} is spent after step {trainer.state.global_step} of "
            f"{recipe.steps}; the adapter so far is in {str(out / 'adapter')!r}"
        )
    return out / "adapter"


def _grader(recipe: RlRecipe, out: Path, processes: "PartialState") -> Grader:
    """The grader of this process, with its journal and its equal share of the budget."""
    index, share = processes.process_index, None
    if recipe.max_cost is not None:
        share = Budget(recipe.max_cost / processes.num_processes, spent_usd=spent_before(out, processes))
    journal = out / (f"grades-{index}.jsonl" if index else "grades.jsonl")
    solver, prices = load_model(recipe.solver, max_retries=0), recipe.own_prices
    return Grader(solver, asking(recipe), budget=share, prices=prices, journal=journal)


def _save(
    trained: "PeftModel", recipe: RlRecipe, passport: dict[str, Any], asked: Questions, grader: Grader, out: Path
) -> None:
    """The adapter, with what it is worth as the runtime loads it, on the questions by which it was chosen."""

    def evaluate(saved: Path) -> dict[str, Any]:
        guide = load_saved(recipe.base, saved, max_tokens=recipe.guide_max_tokens)
        measured = measure_usefulness(guide, asked.validation, grader)
        return {"solver": recipe.solver, **asdict(measured), "step": best_of(out).get("step")}

    rows = asked.validation or asked.train
    save_adapter(trained, passport, out, rows, evaluate=evaluate if asked.validation else None)


def spent_before(out: Path, processes: "PartialState") -> float:
    """US dollars that earlier starts of this process have spent, failed calls and the judge's included.

    Up to the last whole step; where they were more or fewer processes, an equal share of what all have spent.
    """
    if not (out / SPEND).is_file():
        return 0.0
    shares: list[float] = json.loads((out / SPEND).read_text(encoding="utf-8"))["spent_usd"]
    n: int = processes.num_processes
    return shares[processes.process_index] if len(shares) == n else sum(shares) / n


def trained_whole(checkpoint: str | None, recipe: RlRecipe) -> bool:
    """Whether all steps are made: what may be missing is the adapter."""
    return checkpoint is not None and int(checkpoint.rpartition("-")[2]) >= recipe.steps


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
    prices = recipe.own_prices
    if recipe.max_cost is not None:
        check_cost(recipe.solver, max_tokens=recipe.solver_max_tokens, prices=prices)
        if recipe.judge is not None:
            check_cost(recipe.judge, max_tokens=None, prices=prices)
        if recipe.batch_size // world_size() % recipe.group_size:
            raise ConfigError(
                f"max_cost is shared by {world_size()} processes, each of whole groups: batch_size {recipe.batch_size} "
                f"must be a multiple of {world_size()} x group_size {recipe.group_size}"
            )
    if launched_sharded():
        raise ConfigError("RL writes its rollouts with whole weights: launch it with --multi_gpu, not FSDP or ZeRO-3")
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
