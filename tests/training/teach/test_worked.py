"""Guidance out of worked solutions: steps without values, sub-questions as steps."""

from pathlib import Path

import pytest

from sg_agent.errors import DataError
from sg_agent.rows import Row, load_rows
from sg_agent.training.teach.config import TeachConfig
from sg_agent.training.teach.run import run_teach
from sg_agent.training.teach.sentences import sentences, without_values
from sg_agent.training.teach.worked import worked_guidance

BAKERY = (
    "Mr. Hale bakes 6*12=<<6*12=72>>72 rolls before noon.\n"
    "He then sells 72 - 15 = $<<72-15=57>>57 of them. Each costs $0.50, so he earns 57 x $0.50 = $28.50.\n"
    "The answer is 28.5.\n#### 28.5"
)


@pytest.mark.parametrize(
    ("sentence", "step"),
    [
        ("She sold 48/2 = 24 clips.", "Divide: She sold so many clips."),
        ("They pay $9 + $4 + $5 = $18 in all.", "Add: They pay so much in all."),
        ("That leaves 100-64=36", "Subtract: That leaves so many."),
        ("He drives 3 hours * 60 miles/hour = 180 miles.", "Multiply: He drives so many miles."),
        ("Of these 20% are red.", "Of these that percentage are red."),
        ("The short side is 6S = 30 feet.", "The short side is so many feet."),
        ("The tax is (2/5)*500 = 200 dollars.", "Multiply and divide: The tax is so many dollars."),
        ("On the 2nd day 1,200 people came.", "On the next day so many people came."),
        ("Half of the people left.", "Half of the people left."),
        ("48 / 2 = 24", "Divide."),
        ("24", None),
    ],
)
def test_a_sentence_becomes_a_step_without_values(sentence: str, step: str | None) -> None:
    assert without_values(sentence) == step


def test_a_solution_is_split_into_sentences_without_notes_answer_and_abbreviations() -> None:
    assert sentences(BAKERY) == [
        "Mr. Hale bakes 6*12=72 rolls before noon.",
        "He then sells 72 - 15 = $57 of them.",
        "Each costs $0.50, so he earns 57 x $0.50 = $28.50.",
    ]


def test_a_worked_solution_becomes_a_plan() -> None:
    row = Row(id="1", question="What does Mr. Hale earn?", answer="28.5", task="math", rationale=BAKERY)
    assert worked_guidance(row, "rationale", "plan") == (
        "1. Multiply: Mr. Hale bakes so many rolls before noon.\n"
        "2. Subtract: He then sells so much of them.\n"
        "3. Multiply: Each costs so much, so he earns so much."
    )
    assert (
        worked_guidance(row, "rationale", "rationale").splitlines()[0] == "1. Mr. Hale bakes 6*12=72 rolls before noon."
    )


def test_more_than_six_steps_are_merged_shortest_first() -> None:
    names = ("one", "two", "three", "four", "five", "six", "seven", "eight")
    rationale = " ".join(f"{'Long ' * (9 - number)}step {name}." for number, name in enumerate(names))
    plan = worked_guidance(Row(id="1", question="q", answer="x", rationale=rationale), "rationale", "plan")
    assert len(plan.splitlines()) == 6
    assert plan.splitlines()[-1].endswith("step seven. Long Long step eight.")


def test_a_plan_keeps_its_numbers_but_no_results() -> None:
    row = Row(id="1", question="q", answer="x", guidance="1) Take 3 * 12 = 36 rolls.\n2) Subtract 2.")
    assert worked_guidance(row, "plan", "plan") == "1. Take 3 * 12 rolls.\n2. Subtract 2."


SOCRATIC = (
    "How many rolls does he bake? ** He bakes 6*12=<<6*12=72>>72 rolls.\n"
    "How much does he earn for the 57 rolls? ** He earns 57*0.5=<<57*0.5=28.5>>28.5.\n#### 28.5"
)


def test_socratic_questions_become_steps_without_numbers_that_were_worked_out() -> None:
    row = Row(id="1", question="Mr. Hale bakes 6 trays. What does he earn?", answer="28.5", rationale=SOCRATIC)
    assert worked_guidance(row, "decomposition", "plan") == (
        "1. Find: How many rolls does he bake?\n2. Find: How much does he earn for the so many rolls?"
    )


def test_a_list_of_sub_questions_refers_to_steps_even_when_they_are_merged() -> None:
    asked = ["When did the first tram run in Bern?", "When did the first car drive there?", "Is #1 before #2?"]
    row = Row(id="1", question="Did trams run in Bern before cars?", answer="yes", task="boolean")
    assert worked_guidance(row, "decomposition", "plan", asked).splitlines()[-1] == (
        "3. Find: Is (what step 1 found) before (what step 2 found)?"
    )
    many = ["A?", "B?", *(f"{'Long ' * 9}{letter}?" for letter in "CDEF"), "Is #2 more than #6?"]
    steps = worked_guidance(row, "decomposition", "plan", many).splitlines()
    assert steps[0] == "1. Find: A? Then: B?"
    assert steps[-1] == "6. Find: Is (what step 1 found) more than (what step 5 found)?"


def test_the_worlds_teach_themselves(tmp_path: Path) -> None:
    summary = run_teach(TeachConfig("depot", tmp_path / "t.jsonl", from_="plan", limit=20))
    assert (summary["kept"], summary["teacher"], summary["cost_usd"]) == (20, "rows:plan", 0)
    first = (tmp_path / "t.jsonl").read_text()
    rows = load_rows(tmp_path / "t.jsonl")
    assert all(row.guidance for row in rows)
    again = run_teach(TeachConfig("depot", tmp_path / "t.jsonl", from_="plan", limit=20))
    assert again["kept"] == 20
    assert (tmp_path / "t.jsonl").read_text() == first


def test_the_column_of_a_file_is_decomposed(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"id": 7, "question": "Is it so?", "answer": "yes", "decomposition": ["What is it?", "Is #1 so?"]}\n'
    )
    run_teach(TeachConfig(str(path), tmp_path / "t.jsonl", from_="decomposition"))
    assert load_rows(tmp_path / "t.jsonl")[0].guidance == "1. Find: What is it?\n2. Find: Is (what step 1 found) so?"


@pytest.mark.parametrize("origin", ["rationale", "plan", "decomposition"])
def test_rows_that_lack_the_solution_are_named(tmp_path: Path, origin: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "a", "question": "Is it so?", "answer": "yes"}\n')
    with pytest.raises(DataError, match=f"--from {origin}: 1 of 1 rows of 'rows' lack it, the first is 'a'"):
        run_teach(TeachConfig(str(path), tmp_path / "t.jsonl", from_=origin))  # type: ignore[arg-type] # as the CLI does
