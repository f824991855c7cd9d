"""What a teach run has done so far, in journals that survive a kill: rows kept, rows rejected, replies paid for.

A reply is written down before it is judged, so that no kill, full disk or failing solver makes it be paid for twice.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypedDict

from sg_agent.graphs.state import Finish
from sg_agent.journal import Journal, damaged, read_journal
from sg_agent.ledger import CallRecord
from sg_agent.training.teach.files import TeachFiles
from sg_agent.training.teach.filters import Rejection


class Draft(TypedDict):
    """What a teacher replied, a line of calls.jsonl. `created` is UTC, ISO 8601."""

    id: str
    role: Literal["teacher"]
    text: str
    finish: Finish
    created: str
    calls: list[CallRecord]


class Verified(TypedDict):
    """What a solver made of the guidance, a line of calls.jsonl."""

    id: str
    role: Literal["solver"]
    answer: str | None
    correct: bool
    created: str
    calls: list[CallRecord]


class TeachStore:
    """Open for reading and appending, as a context manager that holds the locks.

    `drafts` and `verified` by row id; `judged` are the ids that need nothing more. Raises as `Journal`.
    """

    def __init__(self, files: TeachFiles) -> None:
        self.files = files
        self.drafts: dict[str, Draft] = {}
        self.verified: dict[str, Verified] = {}
        self.calls: list[CallRecord] = []
        self.kept: set[str] = set()
        self.rejected: dict[str, str] = {}  # id -> filter
        self._kept, self._rejected, self._calls = map(Journal, (files.kept, files.rejected, files.calls))
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as on_error:
            for journal in (self._kept, self._rejected, self._calls):
                on_error.enter_context(journal)
            self._read(*(journal.records for journal in (self._kept, self._rejected, self._calls)))
            self._open = on_error.pop_all()
        for journal in (self._kept, self._rejected, self._calls):
            journal.records.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def peek(self) -> Self:
        """Read what is there by now, without opening it for writing."""
        self._read(*map(read_journal, (self.files.kept, self.files.rejected, self.files.calls)))
        return self

    @property
    def judged(self) -> set[str]:
        """The ids of all rows that were kept or rejected."""
        return self.kept | self.rejected.keys()

    @property
    def rejections(self) -> dict[str, int]:
        """Rows rejected, by filter."""
        return dict(Counter(self.rejected.values()))

    @property
    def spent_usd(self) -> float:
        """US dollars of all replies, as far as prices are known."""
        return sum(call["cost_usd"] or 0.0 for call in self.calls)

    def keep(self, row: dict[str, Any]) -> None:
        """Write a row that passed."""
        self._kept.append(row)
        self.kept.add(row["id"])

    def reject(self, row: dict[str, Any], rejection: Rejection) -> None:
        """Write a row that did not pass, with the reason."""
        self._rejected.append({**row, "rejected_by": rejection.filter, "reason": rejection.reason})
        self.rejected[row["id"]] = rejection.filter

    def add_draft(self, draft: Draft) -> None:
        """Write down a teacher's reply."""
        self._calls.append(draft)
        self._count(draft)

    def add_verified(self, verified: Verified) -> None:
        """Write down a solver's answer."""
        self._calls.append(verified)
        self._count(verified)

    def _count(self, reply: Draft | Verified) -> None:
        self.calls += reply["calls"]
        if reply["role"] == "teacher":
            self.drafts[reply["id"]] = reply
        else:
            self.verified[reply["id"]] = reply

    def _read(self, kept: list[Any], rejected: list[Any], calls: list[Any]) -> None:
        _each(self.files.kept, kept, lambda row: self.kept.add(row["id"]))
        _each(self.files.rejected, rejected, lambda row: self.rejected.update({row["id"]: row["rejected_by"]}))
        _each(self.files.calls, calls, self._count)


def _each(path: Path, records: list[Any], take: Callable[[Any], None]) -> None:
    for number, record in enumerate(records, 1):
        try:
            take(record)
        except (KeyError, TypeError) as error:
            raise damaged(path, number, error) from error
