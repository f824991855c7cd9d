"""Suites: generated worlds by name, files by path."""

import json
from pathlib import Path

import pytest

from sg_agent.errors import ConfigError, DataError
from sg_agent.evals.suites import load_suite
from sg_agent.worlds import row_text, split_of


@pytest.mark.parametrize("name", ["depot", "archive", "depot_plain", "archive_plain"])
def test_a_generated_suite_has_300_test_questions(name: str) -> None:
    suite = load_suite(name)
    assert (suite.name, len(suite.rows)) == (name, 300)
    assert {split_of(row_text(row)) for row in suite.rows} == {"test"}


def test_the_seed_chooses_the_questions() -> None:
    assert load_suite("depot", limit=5, seed=1) == load_suite("depot", limit=5, seed=1)
    assert load_suite("depot", limit=5, seed=1) != load_suite("depot", limit=5, seed=2)


def test_only_passages_make_a_suite_multihop() -> None:
    assert load_suite("archive", limit=1).multihop
    assert not load_suite("depot", limit=1).multihop


def test_a_file_is_taken_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(json.dumps({"id": i, "question": "q", "answer": "a"}) for i in range(5)))
    suite = load_suite(path, limit=2)
    assert (suite.name, [row.id for row in suite.rows]) == ("mine", ["0", "1"])
    assert len(load_suite(path).rows) == 5


def test_an_unknown_name_says_what_is_accepted() -> None:
    with pytest.raises(ConfigError, match=r"'gsm9k'.*depot, archive, .*jsonl"):
        load_suite("gsm9k")


def test_a_missing_file_is_a_data_error() -> None:
    with pytest.raises(DataError, match="no such file"):
        load_suite("missing.jsonl")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(ConfigError, match="limit must be at least 1"):
        load_suite("depot", limit=limit)
