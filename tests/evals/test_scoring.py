"""Scoring: what counts as the right answer."""

import pytest

from sg_agent.answers import parse_answer
from sg_agent.evals.scoring import Score, score, token_f1
from sg_agent.rows import Row, Task, checked_row


def row(answer: str, task: Task, *, choices: list[str] | None = None, aliases: list[str] | None = None) -> Row:
    return Row(id="1", question="?", answer=answer, task=task, choices=choices, answer_aliases=aliases or [])


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("20", "20"), ("20.00", "20"), ("$20.00", "20"), ("20 dollars", "20"), ("1,319", "1319"), ("1 319", "1319"),
        ("-5", "-5"), ("\u22125", "-5"), ("-$5", "$-5"), ("1/2", "0.5"), ("1 1/2", "1.5"), ("x = 7", "7"), ("7.", "7"),
        ("50%", "50"), ("50%", "0.5"), ("50 percent", "50%"), ("€3.50", "3.5"), ("US$1,000", "1000"), ("5 m2", "5"),
        (".5", "1/2"), ("20 km/h", "20"), ("0.1", "1/10"), ("\\frac{1}{2}", "0.5"), ("\\dfrac{1}{2}", "1/2"),
        ("2\\frac{1}{2}", "2.5"), ("(-3)", "-3"), ("1e3", "1000"),
    ],
)  # fmt: skip
def test_equal_numbers_match_however_they_are_written(answer: str, gold: str) -> None:
    assert score(answer, row(gold, "math")) == Score(True, None)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("21", "20"), ("20 or 30", "20"), ("2 000 0", "20000"), ("12,5", "125"), ("1/0", "0"), ("", "0"), ("-5", "5"),
        ("0.333", "1/3"), ("20 + 1", "21"), ("2**3", "8"), ("1e400000000", "1"), ("twenty", "20"), ("10:30", "10"),
        ("0.5", "50"), ("50%", "0.5%"), ("20 + 1", "20 - 1"), ("1e2", "1"), ("9" * 1000, "9"),
    ],
)  # fmt: skip
def test_other_numbers_and_unevaluated_text_do_not_match(answer: str, gold: str) -> None:
    assert score(answer, row(gold, "math")) == Score(False, None)


def test_maths_that_is_no_number_is_compared_as_text() -> None:
    assert score("X + 1", row("x + 1", "math")).correct
    assert score("10:30", row("10:30", "math")).correct
    assert score("The Monday.", row("Monday", "math")).correct


def test_numbers_are_exact() -> None:
    assert score("0.30000000000000004", row("0.3", "math")).correct is False


def test_a_huge_answer_is_wrong() -> None:
    assert score("9" * 10_000_000, row("9", "math")) == Score(False, None)
    assert score("1" + " " * 1_000_000 + "x", row("1", "open")) == Score(False, 0.0)


@pytest.mark.parametrize("answer", ["B", "b", "(B)", "B.", "B. blue", "b) blue", "blue", " Blue "])
def test_a_choice_matches_by_letter_or_text(answer: str) -> None:
    assert score(answer, row("B", "multiple_choice", choices=["red", "blue", "green"])) == Score(True, None)
    assert score(answer, row("blue", "multiple_choice", choices=["red", "blue", "green"])).correct


@pytest.mark.parametrize("answer", ["A", "D", "Z", "blues", "A or B", ""])
def test_another_choice_does_not_match(answer: str) -> None:
    assert not score(answer, row("B", "multiple_choice", choices=["red", "blue", "green"])).correct


def test_choices_that_differ_in_punctuation_only_are_told_apart() -> None:
    choices = ["2.5", "25", "-25", "C", "C++"]
    assert score("25", row("25", "multiple_choice", choices=choices)).correct
    assert not score("2.5", row("25", "multiple_choice", choices=choices)).correct
    assert score("C++", row("E", "multiple_choice", choices=choices)).correct


@pytest.mark.parametrize(("answer", "right"), [("Yes", True), ("true", True), ("no.", False), ("maybe", False)])
def test_yes_and_no(answer: str, right: bool) -> None:
    assert score(answer, row("yes", "boolean")) == Score(right, None)


def test_text_matches_without_case_articles_and_punctuation() -> None:
    assert score("the Eiffel-Tower!", row("Eiffel Tower", "multihop_qa")).f1 == 0.0
    assert score("The \u201cEiffel Tower\u201d.", row("eiffel tower", "multihop_qa")) == Score(True, 1.0)


def test_an_alias_is_as_good_as_the_answer() -> None:
    assert score("NYC", row("New York City", "multihop_qa", aliases=["NYC"])) == Score(True, 1.0)
    assert score("New York", row("NYC", "multihop_qa", aliases=["New York City"])) == Score(False, 0.8)


def test_f1_counts_shared_words_as_often_as_both_have_them() -> None:
    assert score("Barack Hussein Obama", row("Barack Obama", "multihop_qa")) == Score(False, 0.8)
    assert token_f1("new new york", "new york") == 0.8


@pytest.mark.parametrize(
    ("answer", "gold"), [("yes it is", "yes"), ("yes", "yes he did"), ("no", "yes"), ("noanswer x", "noanswer")]
)
def test_yes_no_and_noanswer_earn_f1_only_whole(answer: str, gold: str) -> None:
    assert score(answer, row(gold, "multihop_qa")) == Score(False, 0.0)


def test_a_number_in_a_multihop_answer_must_have_its_value_and_its_words() -> None:
    assert score("25", row("2.5", "multihop_qa")) == Score(False, 0.0)
    assert score("1,000", row("1000", "multihop_qa")) == Score(True, 1.0)
    assert score("20 people", row("20", "multihop_qa")).correct is False


def test_an_open_answer_that_is_a_number_is_compared_by_value() -> None:
    assert not score("25", row("2.5", "open")).correct
    assert score("1,000 people", row("1000", "open")) == Score(True, 1.0)


def test_no_answer_is_not_right() -> None:
    assert score(None, row("5", "math")) == Score(False, None)
    assert score(None, row("x", "multihop_qa")) == Score(False, 0.0)


@pytest.mark.parametrize(
    ("gold", "choices", "right", "wrong"),
    [
        ("c++", ["C++", "C"], "A", "B"),
        ("C++", ["C++", "C"], "C++", "C"),
        ("C", ["C++", "C"], "B", "A"),
        ("A.M.", ["morning", "A.M."], "B", "A"),
        ("the red one", ["red one", "blue one"], "A", "B"),
        ("B. blue", ["red", "blue"], "B", "A"),
    ],
)
def test_a_gold_choice_that_a_file_is_accepted_with_can_be_answered(
    gold: str, choices: list[str], right: str, wrong: str
) -> None:
    asked = checked_row({"id": "1", "question": "?", "answer": gold, "choices": choices}, "here")
    assert score(right, asked).correct
    assert not score(wrong, asked).correct
    said = parse_answer(f"Answer: {gold}", "multiple_choice", choices)
    assert score(said, asked).correct
