"""Run a teach config, or continue it: what has a verdict stays, what was paid for is not asked again."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from langchain_core.language_models import BaseChatModel

from sg_agent.budget import Budget, check_priced
from sg_agent.errors import BudgetSpent, Interrupted, RunError, WriteError
from sg_agent.ledger import in_process
from sg_agent.metered import metered
from sg_agent.models import Model, load_model
from sg_agent.rows import Row
from sg_agent.training.teach.batch import BatchTeacher, check_batch
from sg_agent.training.teach.config import HOSTED_DEADLINE_S, TeachConfig
from sg_agent.training.teach.duplicates import near_duplicates, overlapping
from sg_agent.training.teach.files import TeachFiles, TeachRecord, check_out, claim, write_record
from sg_agent.training.teach.filters import EVAL_OVERLAP, NEAR_DUPLICATE, Rejection
from sg_agent.training.teach.lines import line
from sg_agent.training.teach.pipeline import Pipeline, Progress
from sg_agent.training.teach.source import Source, load_source
from sg_agent.training.teach.store import TeachStore
from sg_agent.training.teach.summary import TeachSummary, summarise
from sg_agent.training.teach.teacher import Teacher, asked
from sg_agent.training.teach.usefulness import Verifier
from sg_agent.training.teach.worked import check_worked


@dataclass(frozen=True)
class _Run:
    """A run whose input has been accepted and whose files are open."""

    config: TeachConfig
    source: Source
    store: TeachStore
    record: TeachRecord
    progress: Progress | None

    @property
    def open_rows(self) -> list[Row]:
        judged = self.store.judged
        return [row for row in self.source.rows if row.id not in judged]

    @property
    def spent_usd(self) -> float:
        return self.store.spent_usd + self.record.unrecorded_usd


def run_teach(config: TeachConfig, *, progress: Progress | None = None) -> TeachSummary:
    """Teach what has no verdict yet, into `config.out`.

    Raises a UserError for bad input before the first paid call, BudgetSpent when not all could be asked, WriteError on
    a full disk, Interrupted, and RunError when every call failed; what is written by then is kept, and the same config
    continues.
    """
    source = prepare(config)
    files = TeachFiles(Path(config.out))
    identity = config.identity(source)
    check_out(files, identity)
    files.kept.parent.mkdir(parents=True, exist_ok=True)
    with TeachStore(files) as store:
        run = _Run(config, source, store, claim(files, identity, config.command()), progress)
        if progress:
            progress.start(str(files.kept), total=len(source.rows), done=len(store.judged))
        _reject_questions(run)
        try:
            errors, unrecorded_usd, left_usd = asyncio.run(_teach(run))
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; all replies are kept, continue with: {config.command()}") from None
        summary = summarise(config, source, store, errors=len(errors), unrecorded_usd=unrecorded_usd)
    if left_usd is not None and summary["missing"] > len(errors):
        raise BudgetSpent(
            f"the budget of ${config.max_cost:g} is spent but for ${left_usd:.4f}, which may not pay for another call; "
            f"{summary['kept']} rows are kept, {summary['missing']} are missing; continue with a higher budget: "
            f"{replace(config, max_cost=2 * (config.max_cost or 0)).command()}"
        )
    if errors and not summary["kept"] and summary["missing"] == summary["n"]:
        raise RunError(f"every call failed, the first with: {errors[0][:500]}")
    return summary


def prepare(config: TeachConfig) -> Source:
    """The rows, after everything that can be told wrong before the first paid call has been looked at."""
    config.check()
    if config.batch:
        check_batch(config.teacher)
    if config.max_cost is not None:
        for model, most in ((config.teacher, config.max_tokens), (config.verify_with, None)):
            if model is not None:
                check_priced(load_model(model), max_tokens=most, prices=config.own_prices)
    source = load_source(
        config.suite,
        limit=config.limit,
        seed=config.seed,
        data=config.data,
        revision=config.revision,
        eval_file=config.eval_file,
        overlap=EVAL_OVERLAP in config.filters,
    )
    if config.from_ is not None:
        check_worked(source, config.from_)
    else:
        for row in {row.task: row for row in source.rows}.values():
            asked(config, row)  # a template that fails is found here
    return source


def _reject_questions(run: _Run) -> None:
    """The filters that look at questions alone, before anything is paid for."""
    rows, eval_rows, wanted = run.source.rows, run.source.eval_rows, run.config.filters
    overlap = dict(_ids(overlapping(rows, eval_rows))) if EVAL_OVERLAP in wanted and eval_rows else {}
    rest = [row for row in rows if row.id not in overlap]
    twins = dict(_ids(near_duplicates(rest))) if NEAR_DUPLICATE in wanted else {}
    for row in run.open_rows:
        if row.id in overlap:
            rejection = Rejection(EVAL_OVERLAP, f"evals ask it: {overlap[row.id]!r}")
        elif row.id in twins:
            rejection = Rejection(NEAR_DUPLICATE, f"nearly the same as {twins[row.id]!r}")
        else:
            continue
        run.store.reject(line(run.config, row, None, None, verified=False), rejection)
        if run.progress:
            run.progress.advance("rejected", 0.0)


def _ids(found: Iterator[tuple[Row, str]]) -> Iterator[tuple[str, str]]:
    return ((row.id, other) for row, other in found)


async def _teach(run: _Run) -> tuple[list[str], float, float | None]:
    """Errors, US dollars paid for nothing, and what is left of a budget that is spent (None of one that is not)."""
    config = run.config
    teacher: Teacher | None = None
    errors: list[str] = []
    short_usd: float | None = None
    rows = run.open_rows
    if config.batch:
        batches = BatchTeacher(config, run.store, run.record.run, run.progress)
        errors, short_usd = await batches.ask(rows, left_usd=_left(run))
        rows = [row for row in rows if row.id in run.store.drafts]
    with _open_budget(run) as budget:
        if config.teacher is not None and not config.batch:
            teacher = Teacher(_metered(config, config.teacher, budget), config)
        verifier = None
        if config.verify_with is not None:
            verifier = Verifier(_metered(config, config.verify_with, budget), config.own_prices)
        pipeline = Pipeline(
            config,
            run.store,
            teacher=teacher,
            verifier=verifier,
            decompositions=run.source.decompositions,
            progress=run.progress,
        )
        await pipeline.run(rows)
    if budget and budget.exhausted:
        short_usd = budget.left_usd
    unrecorded = run.record.unrecorded_usd if budget is None else max(0.0, budget.spent_usd - run.store.spent_usd)
    return errors + pipeline.errors, unrecorded, short_usd


def _left(run: _Run) -> float | None:
    return None if run.config.max_cost is None else run.config.max_cost - run.spent_usd


@contextmanager
def _open_budget(run: _Run) -> Iterator[Budget | None]:
    """A budget of what is left, None without one. What it paid for in vain is written down."""
    if run.config.max_cost is None:
        yield None
        return
    budget = Budget(run.config.max_cost, spent_usd=run.spent_usd)
    try:
        yield budget
    finally:
        lost = round(max(0.0, budget.spent_usd - run.store.spent_usd), 9)
        with suppress(WriteError):  # the disk is full, and why the run ends is being said already
            write_record(run.store.files, run.record.model_copy(update={"unrecorded_usd": lost}))


def _metered(config: TeachConfig, model: Model, budget: Budget | None) -> BaseChatModel:
    """`model` loaded, throttled, with a deadline for every call, paid from the budget."""
    # Whether to ask again is the throttle's business; a client's own retries would hide refusals from it.
    plain = load_model(model, max_retries=0, trust_remote_code=config.trust_remote_code)
    deadline = config.deadline or (None if in_process(plain) else HOSTED_DEADLINE_S)
    return metered(plain, most=config.in_flight, budget=budget, deadline_s=deadline, prices=config.own_prices)
