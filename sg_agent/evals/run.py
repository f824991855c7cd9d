"""Run an eval: `run_eval(EvalConfig(suite="depot"))`, on Inspect AI, into a run directory that can be continued.

results.jsonl is the truth and is written as each arm finishes; the same config again asks only what is missing or
ended in an error. Inspect's own logs are beside it: `inspect view --log-dir RUN_DIR/logs`.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from sg_agent.budget import Budget
from sg_agent.errors import BudgetSpent, Interrupted, MissingExtra, RunError
from sg_agent.evals.baseline import Baseline
from sg_agent.evals.config import EvalConfig
from sg_agent.evals.evidence import Evidence, gather
from sg_agent.evals.graph import ArmResult, eval_graph
from sg_agent.evals.junit import write_junit
from sg_agent.evals.loading import loader
from sg_agent.evals.prepare import PreparedRun, prepare
from sg_agent.evals.regression import Regression, hold_against
from sg_agent.evals.report import write_report
from sg_agent.evals.report.content import Report
from sg_agent.evals.result import correct_by_id
from sg_agent.evals.run_dir import claim_run_dir, record_run
from sg_agent.evals.spending import admission, open_budget
from sg_agent.evals.store import ResultStore
from sg_agent.garbage import few_collections
from sg_agent.rows import Row

try:
    from inspect_ai import eval as inspect_eval
    from inspect_ai.log import EvalLog

    from sg_agent.evals.task import eval_task
except ModuleNotFoundError as error:
    raise MissingExtra("sg_agent.evals.run", "evals") from error


class Progress(Protocol):
    """Told how far a run is: once at the start, then after every (question, arm)."""

    def start(self, run_dir: str, *, total: int, done: int) -> None: ...

    def advance(self, result: ArmResult) -> None: ...


def run_eval(config: EvalConfig, *, progress: Progress | None = None) -> Report:
    """Ask what is missing, score it and write result.json and the report.

    Raises a UserError for bad input before any model is loaded, BudgetSpent when not all could be asked (what could is
    summed up), RunError when the run was interrupted (the same config continues it) or an arm has no scored question
    at all.
    """
    run = prepare(config)
    claim_run_dir(run.run_dir.path)
    with ResultStore(run.run_dir.results) as store:
        _record(run)
        with open_budget(config.max_cost, run.run_dir, store) as budget:
            _ask_missing(run, store, budget, progress)
        result = _finish(run, store)
        if budget and budget.exhausted:
            raise BudgetSpent(_how_to_continue(run, store, budget))
    if unscored := [arm for arm in run.asked_arms if result["arms"][arm]["accuracy"] is None]:
        example = next(iter(store.results(unscored[0], [row.id for row in run.suite.rows])))["error"]
        raise RunError(f"every question of arm {unscored[0]!r} ended in an error, such as: {example}")
    return result


def _record(run: PreparedRun) -> None:
    config, suite = run.config, run.suite
    record_run(run.run_dir, config.identity(suite), suite.rows, arms=config.arms, command=config.command())


def _ask_missing(run: PreparedRun, store: ResultStore, budget: Budget | None, progress: Progress | None) -> None:
    rows = [row for row in run.suite.rows if store.missing(row.id, run.asked_arms)]
    open_pairs = sum(len(store.missing(row.id, run.asked_arms)) for row in rows)
    if progress:
        total = len(run.suite.rows) * len(run.arms)
        progress.start(str(run.run_dir.path), total=total, done=total - open_pairs)
    if rows:
        _ask(run, rows, store, budget, progress.advance if progress else lambda _: None)


def _ask(
    run: PreparedRun, rows: list[Row], store: ResultStore, budget: Budget | None, on_result: Callable[[ArmResult], None]
) -> None:
    config = run.config
    admit = admission(config.answers_in_flight, budget)
    task = eval_task(
        run.suite.name,
        rows,
        run.asked_arms,
        graph=eval_graph(run.arms, loader(config, budget), admit=admit).compile(),
        settings=config.settings(run.suite.examples),
        store=store,
        on_result=on_result,
    )
    status, message = "cancelled", ""
    with suppress(KeyboardInterrupt), few_collections():
        logs = inspect_eval(
            task,
            model=None,
            display="none",
            log_dir=str(run.run_dir.logs),
            log_realtime=False,
            ctl_server=False,
            max_samples=config.answers_in_flight,
            score_display=False,
            metadata=config.identity(run.suite),
        )
        status, message = _ending(logs)
    if status == "cancelled":
        raise Interrupted(f"interrupted; finished answers are kept, continue with: {config.command()}")
    if status != "success":
        raise RunError(f"the run stopped ({status}): {message}; finished answers are kept in {run.run_dir.results}")


def _ending(logs: list[EvalLog]) -> tuple[str, str]:
    """Status and error of a run; one cancelled before its end has no log."""
    if not logs:
        return "cancelled", ""
    return logs[0].status, logs[0].error.message if logs[0].error else ""


def _how_to_continue(run: PreparedRun, store: ResultStore, budget: Budget) -> str:
    missing = sum(len(store.missing(row.id, run.asked_arms)) for row in run.suite.rows)
    more = replace(run.config, max_cost=2 * budget.limit_usd)
    return (
        f"the budget of ${budget.limit_usd:g} is spent but for ${budget.left_usd:.4f}, which may not pay for another "
        f"call; finished answers are kept, {missing} are missing; continue with a higher budget: {more.command()}"
    )


def _finish(run: PreparedRun, store: ResultStore) -> Report:
    """Sum up all arms that the directory holds by now, not only those asked for this time."""
    config, evidence = run.config, gather(run.run_dir, store)
    if run.baseline:
        evidence.result["regression"] = _regression(run, run.baseline, evidence)
    report = write_report(run.run_dir, evidence)
    if config.junit is not None:
        write_junit(config.junit, run.suite.name, report["regression"])
    return report


def _regression(run: PreparedRun, baseline: Baseline, evidence: Evidence) -> Regression:
    config = run.config
    asked = {arm: correct_by_id(evidence.results[arm]) for arm in run.asked_arms}
    groups = {row.id: row.group for row in run.suite.rows}
    return hold_against(baseline, asked, groups=groups, max_drop=config.max_drop or 0.0, seed=config.seed)
