"""results.jsonl: every (question, arm) result ever finished, one line each, appended and flushed at once.

A line torn by a kill is cut off when the file is opened again. Only one process may write at a time.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from sg_agent.errors import ConfigError, DataError
from sg_agent.evals.graph import ArmResult
from sg_agent.ledger import CallRecord

if sys.platform != "win32":
    import fcntl

Key = tuple[str, str]


class ResultStore:
    """Open for reading and appending, as a context manager.

    `latest` has what counts for each question and arm, `superseded` the calls of all other lines, by arm: they were
    paid for too. Raises ConfigError when another process has it open or it cannot be written, DataError when a
    line but the last is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.latest: dict[Key, ArmResult] = {}
        self.superseded: defaultdict[str, list[CallRecord]] = defaultdict(list)
        self.spent_usd = 0.0  # of all lines, the superseded included; unknown costs are left out
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        with ExitStack() as on_error:
            file = on_error.enter_context(self._open())
            self._lock(file)
            self._read(file)
            on_error.pop_all()
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file
        self._file.close()

    def peek(self) -> Self:
        """Read what is there by now, without opening it for writing."""
        if self.path.is_file():
            self._parse(self.path.read_bytes().rpartition(b"\n")[0])
        return self

    def append(self, result: ArmResult) -> None:
        """Write one result and flush it; from here on it survives a kill."""
        assert self._file
        self._file.write(json.dumps(result, ensure_ascii=False).encode(errors="backslashreplace") + b"\n")
        self._file.flush()
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
            self.superseded[kept["arm"]] += kept["ledger"]
        self.latest[key] = result

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("a+b")
        except OSError as error:
            raise ConfigError(f"{str(self.path)!r} cannot be written: {error.strerror}") from error

    def _lock(self, file: BinaryIO) -> None:
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(f"another run is writing to {str(self.path)!r}; wait for it or use --out") from None

    def _read(self, file: BinaryIO) -> None:
        file.seek(0)
        whole, _, torn = file.read().rpartition(b"\n")
        self._parse(whole)
        if torn:
            file.truncate(len(whole) + 1 if whole else 0)

    def _parse(self, whole: bytes) -> None:
        for number, line in enumerate(whole.split(b"\n") if whole else [], 1):
            try:
                self._keep(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"{self.path}:{number}: not a result: {error}; delete the line to continue") from error
