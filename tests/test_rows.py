"""Canonical rows: what is accepted, and the one line that a bad file gets."""

import csv
import json
import os
from pathlib import Path

import pytest

from sg_agent.errors import DataError
from sg_agent.evals.scoring import score
from sg_agent.row_files import LONGEST
from sg_agent.rows import Passage, Row, load_rows

GOOD = {"id": "a", "question": "How many?", "answer": 3}
SHARED = Path(os.environ.get("SG_AGENT_SHARED_DATA", "shared/data"))


def write(path: Path, *records: object) -> Path:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records) + "\n", encoding="utf-8")
    return path


def write_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_jsonl_and_csv_give_the_same_rows(tmp_path: Path) -> None:
    choices = ["x", "y"]
    jsonl = write(
        tmp_path / "a.jsonl", {**GOOD, "choices": choices, "answer": "B"}, {**GOOD, "id": 2, "extra": "ignored"}
    )
    csv_file = write_csv(
        tmp_path / "a.csv", "id,question,answer,choices", 'a,How many?,B,"[""x"", ""y""]"', "2,How many?,3,"
    )
    assert load_rows(jsonl) == load_rows(csv_file)
    assert [row.task for row in load_rows(jsonl)] == ["multiple_choice", "open"]


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_no_mistake(tmp_path: Path) -> None:
    for name, text in (
        ("a.jsonl", json.dumps(GOOD) + "\r\n\r\n" + json.dumps({**GOOD, "id": "b"}) + "\r\n"),
        ("a.csv", "id,question,answer\r\na,How many?,3\r\n\r\nb,How many?,3\r\n"),
        ("A.CSV", ",id,question,answer\r\n0,a,How many?,3\r\n1,b,How many?,3\r\n"),
    ):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert [row.id for row in load_rows(tmp_path / name)] == ["a", "b"], name


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"id": "b", "answer": "3"}, r"bad.jsonl:2: field 'question': Field required; a row needs id, question and"),
        ({**GOOD, "id": "b", "question": "  "}, r"bad.jsonl:2: field 'question'"),
        ({**GOOD, "id": "b", "question": "half \ud800"}, r"bad.jsonl:2: field 'question'.*unicode"),
        ({**GOOD, "id": "b", "answer": ""}, r"bad.jsonl:2: field 'answer'"),
        ({**GOOD, "id": "b", "answer": None}, r"bad.jsonl:2: field 'answer'"),
        ({**GOOD, "id": "b", "task": "maths"}, r"bad.jsonl:2: field 'task': Input should be 'math'.*'maths'"),
        ({**GOOD, "id": "b", "context": [{"title": "T"}]}, r"bad.jsonl:2: field 'context.0.text'"),
        ({**GOOD, "id": "b", "choices": "x, y"}, r"bad.jsonl:2: field 'choices': .*JSON list"),
        (GOOD, r"bad.jsonl:2: id 'a' is already on line 1"),
        ('{"id": ', r"bad.jsonl:2: not JSON.*one object on each line"),
        ("[" * 100_000, r"bad.jsonl:2: not JSON"),
        ('{"id": "b", "question": "q", "answer": ' + "9" * 5000 + "}", r"bad.jsonl:2: not JSON"),
        ([1], r"bad.jsonl:2: a row must be an object"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_field(tmp_path: Path, record: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_rows(write(tmp_path / "bad.jsonl", GOOD, record))


@pytest.mark.parametrize(
    ("task", "answer", "choices", "accepted"),
    [
        ("multiple_choice", "E", ["x", "y", "z", "u"], "names no choice; accepted: a letter from A to D"),
        ("multiple_choice", "w", ["x", "y"], "names no choice"),
        ("multiple_choice", "x.", ["x", "X"], "names no choice"),
        ("multiple_choice", "A", ["x"], "field 'choices': 1 of them, accepted are 2 to 10"),
        ("multiple_choice", "A", list("abcdefghijk"), "field 'choices': 11 of them"),
        ("boolean", "maybe", None, "accepted: yes, true, no, false"),
        ("boolean", "1", None, "accepted: yes, true, no, false"),
        ("math", "twelve", None, "no number or expression.*the task is open"),
        ("math", "well-known", None, "no number or expression"),
        ("math", "and/or", None, "no number or expression"),
    ],
)
def test_an_answer_that_cannot_be_scored_for_its_task_is_refused(
    tmp_path: Path, task: str, answer: str, choices: list[str] | None, accepted: str
) -> None:
    row = {"id": "b", "question": "q", "answer": answer, "task": task, "choices": choices}
    with pytest.raises(DataError, match=rf"bad.jsonl:2: .*{accepted}"):
        load_rows(write(tmp_path / "bad.jsonl", GOOD, row))


@pytest.mark.parametrize(
    ("task", "answer", "choices"),
    [
        ("multiple_choice", "b", ["x", "y"]),
        ("multiple_choice", "(B)", ["x", "y"]),
        ("multiple_choice", "Dry  palms.", ["wet palms", "dry palms"]),
        ("multiple_choice", "C", None),
        ("multiple_choice", "x", ["x", "X"]),
        ("multiple_choice", "c++", ["C++", "C"]),
        ("multiple_choice", "C", ["C++", "C"]),
        ("multiple_choice", "A.M.", ["morning", "A.M."]),
        ("multiple_choice", "B. blue", ["red", "blue"]),
        ("boolean", True, None),
        ("boolean", "False", None),
        ("boolean", "Y", None),
        ("boolean", "no.", None),
        ("math", -3.5, None),
        ("math", "$1,200", None),
        ("math", r"\frac{1}{2}", None),
        ("math", "-x", None),
        ("math", "x", None),
        ("open", "twelve", None),
    ],
)
def test_an_answer_that_can_be_scored_is_kept_and_is_right(
    tmp_path: Path, task: str, answer: object, choices: list[str] | None
) -> None:
    row = {"id": "b", "question": "q", "answer": answer, "task": task, "choices": choices}
    (kept,) = load_rows(write(tmp_path / "good.jsonl", row))
    assert kept.task == task
    assert score(kept.answer, kept).correct


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id,answer", "a,3"], r"bad.csv:1: no column 'question' among 'id', 'answer'"),
        (["id;question;answer", "a;q;3"], r"bad.csv:1: no column 'id' among 'id;question;answer'"),
        (["id,id,question,answer", "a,b,q,3"], r"bad.csv:1: column 'id' is there twice"),
        (["id,question,answer", "a,q", "b,q,3"], r"bad.csv:2: 2 cells for 3 columns"),
        (["id,question,answer", "a,q,3", "", "b,first, second,3"], r"bad.csv:4: 4 cells for 3 columns.*quote"),
        (["id,question,answer", "a,q,3", 'b,"never closed,3', "c,q,3"], r"bad.csv:3: not CSV"),
        (["id,question,answer", 'a,"two\nlines",3', "b,,3"], r"bad.csv:4: field 'question'"),
        (["id,question,answer,choices", "a,q,A,x y"], r"bad.csv:2: field 'choices': .*JSON list.*'x y'"),
    ],
)
def test_a_bad_csv_is_named_by_line(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_rows(write_csv(tmp_path / "bad.csv", *lines))


def test_a_long_cell_is_read_and_a_huge_one_refused(tmp_path: Path) -> None:
    usual = csv.field_size_limit()
    long = write_csv(tmp_path / "long.csv", "id,question,answer", f"a,{'q' * 1_000_000},3")
    assert len(load_rows(long)[0].question) == 1_000_000
    with pytest.raises(DataError, match=r"huge.csv:2: not CSV: field larger"):
        load_rows(write_csv(tmp_path / "huge.csv", "id,question,answer", f"a,{'q' * (LONGEST + 1)},3"))
    with pytest.raises(DataError, match=r"huge.jsonl:1: 5,\d\d\d,\d\d\d characters, a row has at most 5,000,000"):
        load_rows(write(tmp_path / "huge.jsonl", {**GOOD, "question": "q" * LONGEST}))
    assert csv.field_size_limit() == usual


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_rows(tmp_path / "none.jsonl")
    for empty in ("empty.jsonl", "empty.csv"):
        with pytest.raises(DataError, match=f"{empty} has no rows"):
            load_rows(write(tmp_path / empty, ""))
    with pytest.raises(DataError, match="no rows"):
        load_rows(write_csv(tmp_path / "header.csv", "id,question,answer"))
    with pytest.raises(DataError, match=r"\.jsonl or \.csv"):
        load_rows(write(tmp_path / "a.txt", GOOD))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize("name", ["wrong.jsonl", "wrong.csv"])
def test_another_encoding_is_named_with_its_line(tmp_path: Path, name: str, encoding: str) -> None:
    (tmp_path / name).write_bytes('{"id": 1}\n{"id": "\u00e9"}'.encode(encoding))
    with pytest.raises(DataError, match=rf"{name}:\d is not UTF-8: .*save the file as UTF-8"):
        load_rows(tmp_path / name)


def test_a_wanted_task_is_given_to_rows_without_one_and_refuses_others(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", GOOD, {**GOOD, "id": "b", "task": "math"}, {**GOOD, "id": "c", "task": "open"})
    with pytest.raises(DataError, match=r"a.jsonl:3: field 'task': 'open' is not the task asked for, which is 'math'"):
        load_rows(path, task="math")
    write(path, GOOD, {**GOOD, "id": "b", "task": "math"})
    assert [row.task for row in load_rows(path, task="math")] == ["math", "math"]
    assert [row.task for row in load_rows(path)] == ["open", "math"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the development data, in shared/data or $SG_AGENT_SHARED_DATA")
def test_real_rows_of_every_task_are_accepted() -> None:
    files = sorted(SHARED.glob("*.jsonl"))
    assert len(files) > 5
    for path in files:
        assert load_rows(path), path


def test_what_guidance_may_repeat_is_the_question_and_its_passages_without_titles_and_choices() -> None:
    passages = [Passage(title="T", text="Bo sings.")]
    row = Row(id="a", question="Who?", answer="A", choices=["Ann", "Bo"], context=passages)
    assert row.shown_text == "Who?\nBo sings."
