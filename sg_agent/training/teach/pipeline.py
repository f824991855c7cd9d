"""One question after the other through teacher, filters and solver, many at a time, every result written as it comes.

A call that failed is neither kept nor rejected; the same run again makes it again.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from sg_agent.errors import BudgetSpent, RunError, UserError, WriteError
from sg_agent.ledger import CallRecord, total_cost
from sg_agent.rows import Row
from sg_agent.training.teach.config import TeachConfig
from sg_agent.training.teach.filters import Rejection, Written, judge, tidied
from sg_agent.training.teach.lines import line
from sg_agent.training.teach.store import Draft, TeachStore
from sg_agent.training.teach.teacher import Teacher
from sg_agent.training.teach.usefulness import Verifier, unusable, useless
from sg_agent.training.teach.worked import worked_guidance

MOST_FAILURES = 20  # in a row: then it is an outage or a bad key, and no use going on

Outcome = Literal["kept", "rejected", "error"]


class Progress(Protocol):
    """Told how far a run is: once at the start, then after every question."""

    def start(self, name: str, *, total: int, done: int) -> None: ...

    def advance(self, outcome: Outcome, cost_usd: float | None) -> None: ...

    def note(self, text: str) -> None: ...


class Pipeline:
    """Over an open store. `teacher` None: only what is drafted already, or made from worked solutions, is judged."""

    def __init__(
        self,
        config: TeachConfig,
        store: TeachStore,
        *,
        teacher: Teacher | None,
        verifier: Verifier | None,
        decompositions: Any,
        progress: Progress | None,
    ) -> None:
        self._config, self._store = config, store
        self._teacher, self._verifier = teacher, verifier
        self._decompositions = decompositions
        self._progress = progress
        self._in_a_row = 0
        self._spent = False
        self.errors: list[str] = []

    async def run(self, rows: Sequence[Row]) -> None:
        """Bring every row to a verdict. Raises RunError when calls keep failing, WriteError on a full disk."""
        waiting = iter(rows)

        async def work() -> None:
            for row in waiting:
                if self._spent:
                    return
                await self._one(row)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._config.in_flight, len(rows))):
                    group.create_task(work())
        except* (UserError, RunError) as failed:
            raise failed.exceptions[0] from None

    async def _one(self, row: Row) -> None:
        before = len(self._store.calls)
        try:
            kept = await self._finish(row)
        except BudgetSpent:
            self._spent = True
        except (UserError, WriteError):
            raise
        except Exception as error:  # noqa: BLE001 - the boundary that turns a failed call into an error to ask again
            self._failed(row, error)
        else:
            if len(self._store.calls) > before:
                self._in_a_row = 0
            self._tell("kept" if kept else "rejected", self._calls_of(row))

    async def _finish(self, row: Row) -> bool:
        """Whether the row was kept. Raises what a failed call raises."""
        draft = await self._draft(row)
        kind = self._config.kind_of(row)
        written = self._written(row, draft)
        rejection = judge(written, row, kind, self._config.filters)
        verified = False
        if rejection is None and self._verifier:
            rejection = unusable(row, written.guidance, kind) or await self._useless(row, written.guidance)
            verified = row.id in self._store.verified
        made = line(self._config, row, written.guidance, draft, verified=verified)
        if rejection is None:
            self._store.keep(made)
        else:
            self._store.reject(made, rejection)
        return rejection is None

    async def _draft(self, row: Row) -> Draft | None:
        """What the teacher wrote, now or earlier; None where there is no teacher."""
        if row.id not in self._store.drafts and self._teacher:
            self._store.add_draft(await self._teacher.write(row))
        return self._store.drafts.get(row.id)

    def _written(self, row: Row, draft: Draft | None) -> Written:
        if draft:
            return Written(tidied(draft["text"]), draft["finish"])
        assert self._config.from_
        made = worked_guidance(row, self._config.from_, self._config.kind_of(row), self._decompositions.get(row.id))
        return Written(made, "stop")

    async def _useless(self, row: Row, guidance: str) -> Rejection | None:
        assert self._verifier
        if row.id not in self._store.verified:
            verified = await self._verifier.verify(row, guidance, self._config.kind_of(row))
            self._store.add_verified(verified)
        return useless(self._store.verified[row.id], row)

    def _failed(self, row: Row, error: Exception) -> None:
        said = f"{type(error).__name__}: {error}"
        self.errors.append(said)
        self._tell("error", [])
        self._in_a_row += 1
        if self._in_a_row >= MOST_FAILURES:
            raise RunError(
                f"{MOST_FAILURES} questions in a row failed, the last ({row.id!r}) with {said[:300]}; all replies are "
                f"kept, continue with: {self._config.command()}"
            ) from error

    def _calls_of(self, row: Row) -> list[CallRecord]:
        found = (self._store.drafts.get(row.id), self._store.verified.get(row.id))
        return [call for reply in found if reply for call in reply["calls"]]

    def _tell(self, outcome: Outcome, calls: list[CallRecord]) -> None:
        if self._progress:
            self._progress.advance(outcome, total_cost(calls))
