"""The step-by-step files of a training run: JSON lines that a kill cannot spoil and a continued run does not repeat.

    metrics.jsonl   {"step", "time_s", "epoch", numbers ...}: one line per step that was logged
    samples.jsonl   {"step", "question_id", "guidance", "rewards"}: guidance the guide wrote
    health.jsonl    {"step", "name", "line"}: what went wrong, when it began and when it ended

A step is an update of the weights, counted from 1. Only process 0 of a run writes.
"""

import errno
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sg_agent.errors import DataError, RunError

METRICS, SAMPLES, HEALTH = "metrics.jsonl", "samples.jsonl", "health.jsonl"
LONGEST_LINE = 1 << 16  # of metrics.jsonl, in bytes

Line = dict[str, Any]


def read_lines(path: Path) -> list[Line]:
    """The lines of such a file, oldest first, none where it is missing; a torn last line is left out.

    Raises DataError when another line is no object with a step.
    """
    whole = path.read_bytes().rpartition(b"\n")[0] if path.is_file() else b""
    return [_line(path, number, line) for number, line in enumerate(whole.split(b"\n"), 1) if line]


def append(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write the records, a line each; from here on they survive a kill. Raises RunError when they cannot be written."""
    _write(path, b"".join(_encoded(record) for record in records), at=_size(path))


def append_or_join(path: Path, record: Mapping[str, Any]) -> None:
    """As `append`, but a record of the last line's step joins that line: its values come to those already there."""
    size = _size(path)
    last = _last_line(path, size)
    if last and (before := _line(path, 0, last))["step"] == record["step"]:
        # Never shorter than the line it takes the place of, so that nothing is left of that one at any moment.
        joined = _encoded({**before, **record})[:-1].ljust(len(last) - 1) + b"\n"
        _write(path, joined, at=size - len(last))
    else:
        append(path, [record])


def rewind(out: Path, step: int) -> None:
    """Make the run's files fit the checkpoint of `step`: torn lines and those of later steps are cut off.

    Raises DataError for a damaged line, RunError when a file cannot be written.
    """
    for path in (out / METRICS, out / SAMPLES, out / HEALTH):
        if path.is_file():
            kept = b"".join(_encoded(line) for line in read_lines(path) if line["step"] <= step)
            partial = path.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            _write(partial, kept, at=0)
            partial.replace(path)


def _last_line(path: Path, size: int) -> bytes:
    """The last line with its end; empty where there is none."""
    if not size:
        return b""
    with path.open("rb") as file:
        file.seek(max(0, size - LONGEST_LINE))
        return file.read().rstrip(b"\n").rpartition(b"\n")[2] + b"\n"


def _line(path: Path, number: int, line: bytes) -> Line:
    try:
        record = json.loads(line)
        if isinstance(record["step"], int):
            return dict(record)
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{path}:{number}: not an object with a step: {line[:80]!r}; delete the line to continue")


def _encoded(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace") + b"\n"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _write(path: Path, content: bytes, *, at: int) -> None:
    """Write all of the content at a place; what cannot be written whole is not left in part at the file's end."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        end = os.fstat(file).st_size
        try:
            os.lseek(file, at, os.SEEK_SET)
            if os.write(file, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, end)
            raise
        finally:
            os.close(file)
    except OSError as error:
        raise RunError(
            f"{str(path)!r} cannot be written: {error.strerror}; what is in it is kept, and the same command continues"
        ) from error
