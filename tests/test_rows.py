"""Canonical rows: what is accepted, and the one line that a bad file gets."""

import json
from pathlib import Path

import pytest

from sg_agent.errors import DataError
from sg_agent.rows import load_rows

GOOD = {"id": "a", "question": "How many?", "answer": 3}


def write(path: Path, *records: object) -> Path:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records) + "\n", encoding="utf-8")
    return path


def test_jsonl_and_csv_give_the_same_rows(tmp_path: Path) -> None:
    choices = ["x", "y"]
    jsonl = write(tmp_path / "a.jsonl", {**GOOD, "choices": choices}, {**GOOD, "id": 2, "extra": "ignored"})
    csv = tmp_path / "a.csv"
    csv.write_text('id,question,answer,choices\na,How many?,3,"[""x"", ""y""]"\n2,How many?,3,\n', encoding="utf-8")
    assert load_rows(jsonl) == load_rows(csv)
    assert [row.task for row in load_rows(jsonl)] == ["multiple_choice", "open"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"id": "b", "answer": "3"}, r"bad.jsonl:2: field 'question': Field required"),
        ({**GOOD, "id": "b", "question": "  "}, r"bad.jsonl:2: field 'question'"),
        ({**GOOD, "id": "b", "answer": ""}, r"bad.jsonl:2: field 'answer'"),
        ({**GOOD, "id": "b", "task": "maths"}, r"bad.jsonl:2: field 'task': Input should be 'math'.*'maths'"),
        ({**GOOD, "id": "b", "context": [{"title": "T"}]}, r"bad.jsonl:2: field 'context.0.text'"),
        (GOOD, r"bad.jsonl:2: id 'a' is already on line 1"),
        ('{"id": ', r"bad.jsonl:2: not JSON"),
        ([1], r"bad.jsonl:2: a row must be an object"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_field(tmp_path: Path, record: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_rows(write(tmp_path / "bad.jsonl", GOOD, record))


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_rows(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="no rows"):
        load_rows(write(tmp_path / "empty.jsonl", ""))
    with pytest.raises(DataError, match=r"\.jsonl or \.csv"):
        load_rows(write(tmp_path / "a.txt", GOOD))
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes('{"id": "é"}'.encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        load_rows(latin)
