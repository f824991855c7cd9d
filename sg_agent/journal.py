"""An append-only file of JSON lines that outlives a kill: every line is flushed as it is written.

A line torn by a kill is cut off when the file is opened again, one cut short by a full disk at once. Only one process
may write at a time. What a line holds is its owner's business. No fsync: a power cut may lose the newest lines.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sg_agent.errors import ConfigError, DataError, WriteError

if sys.platform != "win32":
    import fcntl


class Journal:
    """Open for reading and appending, as a context manager that holds the file's lock.

    `records` are the lines that were there when it was opened. Raises ConfigError when another process has it open,
    DataError when a line but the last is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[Any] = []
        self._file: FileIO | None = None
        self._end = 0

    def __enter__(self) -> Self:
        with ExitStack() as on_error:
            # Unbuffered: what a full disk did not take must not be tried again when the file is closed.
            try:
                file = on_error.enter_context(self.path.open("a+b", buffering=0))
            except OSError as error:
                raise ConfigError(f"{str(self.path)!r} cannot be written: {error.strerror or error}") from error
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

    def append(self, record: Any) -> None:
        """Write one line; from here on it survives a kill. Raises WriteError when the disk does not take it."""
        assert self._file
        line = json.dumps(record, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
        left = memoryview(line)
        try:
            while left:
                left = left[self._file.write(left) or 0 :]
        except OSError as error:
            self._file.truncate(self._end)
            reason = error.strerror or error
            raise WriteError(
                f"{str(self.path)!r} could not be written: {reason}; all that was written before is kept, free some "
                "space and give the same command to continue"
            ) from error
        self._end += len(line)

    def _lock(self, file: FileIO) -> None:
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(f"another run is writing to {str(self.path)!r}; wait for it or use --out") from None

    def _read(self, file: FileIO) -> None:
        file.seek(0)
        whole, newline, torn = file.readall().rpartition(b"\n")
        self.records = list(_parse(self.path, whole))
        self._end = len(whole) + len(newline)
        if torn:
            file.truncate(self._end)


def read_journal(path: Path) -> list[Any]:
    """The whole lines that a journal has by now, read without opening it for writing; none where there is no file."""
    return list(_parse(path, path.read_bytes().rpartition(b"\n")[0])) if path.is_file() else []


def _parse(path: Path, whole: bytes) -> Iterator[Any]:
    for number, line in enumerate(whole.split(b"\n") if whole else [], 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise damaged(path, number, error) from error


def damaged(path: Path, number: int, error: Exception) -> DataError:
    """The error of a line that is not what the file's owner wrote."""
    return DataError(f"{path}:{number}: damaged: {error}; delete the line to continue")
