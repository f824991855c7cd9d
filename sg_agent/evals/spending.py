"""What a run directory has cost: the answers of results.jsonl, and in spend.json the calls whose answers never came.

A kill loses what the answers in flight have cost.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

from sg_agent.budget import Budget, check_priced
from sg_agent.errors import BudgetSpent, ConfigError
from sg_agent.evals.arms import Arm
from sg_agent.evals.graph import Admit
from sg_agent.evals.run_dir import RunDir
from sg_agent.evals.stand_in import stand_ins
from sg_agent.evals.store import ResultStore
from sg_agent.files import write_whole
from sg_agent.ledger import in_process
from sg_agent.models import load_model
from sg_agent.prices import Prices


def check_budget(arms: Sequence[Arm], *, max_tokens: int | None, prices: Prices | None) -> None:
    """Raise ConfigError when an arm uses a model whose calls cannot be priced beforehand."""
    for arm in arms:
        made = stand_ins(arm)
        if not made:
            raise ConfigError(f"--max-cost cannot be kept: arm {arm.name!r} brings models of its own; leave one out")
        for stand_in in made:
            if not in_process(stand_in):
                check_priced(load_model(stand_in.stands_for), max_tokens=max_tokens, prices=prices)


def spent(run_dir: RunDir, store: ResultStore) -> float:
    """US dollars so far, as far as prices are known."""
    return store.spent_usd + _unrecorded(run_dir)


@contextmanager
def open_budget(limit_usd: float | None, run_dir: RunDir, store: ResultStore) -> Iterator[Budget | None]:
    """A budget of what is left of `limit_usd`, None without one. What it paid for in vain is written down."""
    if limit_usd is None:
        yield None
        return
    budget = Budget(limit_usd, spent_usd=spent(run_dir, store))
    try:
        yield budget
    except BaseException:
        with suppress(OSError):  # what ended the run is what is to be told
            _keep(budget, run_dir, store)
        raise
    _keep(budget, run_dir, store)


def admission(most: int, budget: Budget | None) -> Admit:
    """At most `most` answers at a time, and no further one when the budget is spent."""
    places = asyncio.Semaphore(most)

    @asynccontextmanager
    async def admit() -> AsyncIterator[None]:
        async with places:
            if budget and budget.exhausted:
                raise BudgetSpent("the budget is spent")
            yield

    return admit


def _keep(budget: Budget, run_dir: RunDir, store: ResultStore) -> None:
    unrecorded = round(max(0.0, budget.spent_usd - store.spent_usd), 9)
    write_whole(run_dir.spend, json.dumps({"unrecorded_usd": unrecorded}) + "\n")


def _unrecorded(run_dir: RunDir) -> float:
    if not run_dir.spend.is_file():
        return 0.0
    try:
        return float(json.loads(run_dir.spend.read_text(encoding="utf-8"))["unrecorded_usd"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{str(run_dir.spend)!r} is damaged: {error!r}; use another --out") from error
