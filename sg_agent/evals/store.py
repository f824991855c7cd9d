"""results.jsonl: every (question, arm) result ever finished, one line each, in a `Journal` that survives a kill."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sg_agent.evals.graph import ArmResult
from sg_agent.journal import Journal, damaged, read_journal
from sg_agent.ledger import CallRecord

Key = tuple[str, str]


class ResultStore:
    """Open for reading and appending, as a context manager.

    `latest` has what counts for each question and arm, `superseded` the ledgers of all other lines, by arm: they were
    paid for too. Raises ConfigError when another process has it open, DataError when a line but the last is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.latest: dict[Key, ArmResult] = {}
        self.superseded: defaultdict[str, list[list[CallRecord]]] = defaultdict(list)
        self.spent_usd = 0.0  # of all lines, the superseded included; unknown costs are left out
        self._journal = Journal(path)

    def __enter__(self) -> Self:
        with ExitStack() as on_error:
            journal = on_error.enter_context(self._journal)
            self._keep_all(journal.records)
            journal.records.clear()
            on_error.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.__exit__(kind, value, trace)

    def peek(self) -> Self:
        """Read what is there by now, without opening it for writing."""
        self._keep_all(read_journal(self.path))
        return self

    def append(self, result: ArmResult) -> None:
        """Write one result; from here on it survives a kill."""
        self._journal.append(result)
        self._keep(result)

    def missing(self, row_id: str, arms: Sequence[str]) -> list[str]:
        """The arms that have no result on this question yet, or only errors."""
        return [arm for arm in arms if self._outcome(row_id, arm) in (None, "error")]

    def results(self, arm: str, ids: list[str]) -> list[ArmResult]:
        """What counts for `arm`: the newest good result of each question, the newest error where there is none."""
        return [self.latest[row_id, arm] for row_id in ids if (row_id, arm) in self.latest]

    def _outcome(self, row_id: str, arm: str) -> str | None:
        kept = self.latest.get((row_id, arm))
        return kept["outcome"] if kept else None

    def _keep(self, result: ArmResult) -> None:
        self.spent_usd += sum(call["cost_usd"] or 0.0 for call in result.get("ledger", []))
        key = (result["id"], result["arm"])
        kept = self.latest.get(key)
        if kept and result["outcome"] == "error" and kept["outcome"] != "error":
            kept, result = result, kept
        if kept:
            self.superseded[kept["arm"]].append(kept["ledger"])
        self.latest[key] = result

    def _keep_all(self, records: Iterable[Any]) -> None:
        for number, record in enumerate(records, 1):
            try:
                self._keep(record)
            except (KeyError, TypeError) as error:
                raise damaged(self.path, number, error) from error
