"""Journals: append-only, whole after a kill or a full disk, one writer at a time."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sg_agent.errors import ConfigError, DataError, WriteError
from sg_agent.journal import Journal, read_journal


@contextmanager
def full_disk(at: int) -> Iterator[None]:
    """No file may grow beyond `at` bytes meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_lines_are_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Journal(path) as journal:
        assert journal.records == []
        journal.append({"n": 1, "text": "ä\ud800"})
        journal.append({"n": 2})
        assert read_journal(path)[1] == {"n": 2}
    with Journal(path) as journal:
        assert [record["n"] for record in journal.records] == [1, 2]


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1}\n{"n": 2, "te')
    assert read_journal(path) == [{"n": 1}]
    with Journal(path) as journal:
        journal.append({"n": 3})
    assert path.read_text() == '{"n": 1}\n{"n": 3}\n'


def test_only_a_torn_line_leaves_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"n"')
    with Journal(path) as journal:
        assert journal.records == []
    assert path.read_bytes() == b""


def test_a_damaged_line_is_refused_by_number(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1}\ngarbage\n{"n": 3}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2: damaged"), Journal(path):
        pass


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Journal(path), pytest.raises(ConfigError, match="another run is writing"), Journal(path):
        pass


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"), Journal(tmp_path):
        pass


def test_a_full_disk_keeps_the_lines_before_and_no_part_of_the_one_that_failed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with Journal(path) as journal:
        journal.append({"n": 1})
        with full_disk(40), pytest.raises(WriteError, match=r"could not be written.*before is kept"):
            journal.append({"n": 2, "text": "x" * 100})
        assert path.read_text() == '{"n": 1}\n'
        journal.append({"n": 3})
    assert [record["n"] for record in read_journal(path)] == [1, 3]
