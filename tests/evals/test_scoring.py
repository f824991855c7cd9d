"""Scoring: what counts as the right answer."""

import pytest

from sg_agent.evals.scoring import Score, number_values, outcome, score
from sg_agent.rows import Row, Task


def row(answer: str, task: Task, *, choices: list[str] | None = None, aliases: list[str] | None = None) -> Row:
    return Row(id="1", question="?", answer=answer, task=task, choices=choices, answer_aliases=aliases or [])


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("20", "20"), ("20.00", "20"), ("$20.00", "20"), ("20 dollars", "20"), ("1,319", "1319"), ("1 319", "1319"),
        ("-5", "-5"), ("\u22125", "-5"), ("-$5", "$-5"), ("1/2", "0.5"), ("1 1/2", "1.5"), ("x = 7", "7"), ("7.", "7"),
        ("50%", "50"), ("50%", "0.5"), ("50 percent", "50%"), ("€3.50", "3.5"), ("US$1,000", "1000"), ("5 m2", "5"),
        (".5", "1/2"), ("20 km/h", "20"), ("0.1", "1/10"),
    ],
)  # fmt: skip
def test_equal_numbers_match_however_they_are_written(answer: str, gold: str) -> None:
    assert score(answer, row(gold, "math")) == Score(True, None)


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("21", "20"), ("20 or 30", "20"), ("2 000 0", "20000"), ("12,5", "125"), ("1/0", "0"), ("", "0"), ("-5", "5"),
        ("0.333", "1/3"), ("20 + 1", "21"), ("2**3", "8"), ("1e400000000", "1"), ("twenty", "20"), ("10:30", "10"),
        ("0.5", "50"),
    ],
)  # fmt: skip
def test_other_numbers_and_unevaluated_text_do_not_match(answer: str, gold: str) -> None:
    assert score(answer, row(gold, "math")) == Score(False, None)


def test_maths_that_is_no_number_is_compared_as_text() -> None:
    assert score("X + 1", row("x + 1", "math")).correct
    assert score("10:30", row("10:30", "math")).correct


def test_numbers_are_exact() -> None:
    assert score("0.30000000000000004", row("0.3", "math")).correct is False


def test_a_huge_reply_is_bounded() -> None:
    assert number_values("9" * 10_000_000) == frozenset()
    assert score("1" + " " * 1_000_000 + "x", row("1", "open")) == Score(False, 0.0)


@pytest.mark.parametrize("answer", ["B", "b", "(B)", "B.", "B. blue", "b) blue", "blue", " Blue "])
def test_a_choice_matches_by_letter_or_text(answer: str) -> None:
    assert score(answer, row("B", "multiple_choice", choices=["red", "blue", "green"])) == Score(True, None)
    assert score(answer, row("blue", "multiple_choice", choices=["red", "blue", "green"])).correct


@pytest.mark.parametrize("answer", ["A", "D", "Z", "blues", "A or B", ""])
def test_another_choice_does_not_match(answer: str) -> None:
    assert not score(answer, row("B", "multiple_choice", choices=["red", "blue", "green"])).correct


@pytest.mark.parametrize(("answer", "right"), [("Yes", True), ("true", True), ("no.", False), ("maybe", False)])
def test_yes_and_no(answer: str, right: bool) -> None:
    assert score(answer, row("yes", "boolean")) == Score(right, None)


def test_text_matches_without_case_articles_and_punctuation() -> None:
    assert score("the Eiffel-Tower!", row("Eiffel Tower", "multihop_qa")).f1 == 0.0
    assert score("The “Eiffel Tower”.", row("eiffel tower", "multihop_qa")) == Score(True, 1.0)


def test_an_alias_is_as_good_as_the_answer() -> None:
    assert score("NYC", row("New York City", "multihop_qa", aliases=["NYC"])) == Score(True, 1.0)


def test_f1_counts_shared_words() -> None:
    assert score("Barack Hussein Obama", row("Barack Obama", "multihop_qa")) == Score(False, 0.8)


def test_yes_in_a_sentence_earns_no_f1() -> None:
    assert score("yes it is", row("yes", "multihop_qa")) == Score(False, 0.0)


def test_text_that_is_a_number_keeps_its_point() -> None:
    assert not score("25", row("2.5", "open")).correct
    assert score("1,000", row("1000", "open")).correct


def test_unreadable_is_unparsed_and_not_right() -> None:
    scored = score(None, row("5", "math"))
    assert scored == Score(False, None)
    assert outcome(None, scored) == "unparsed"
    assert score(None, row("x", "multihop_qa")) == Score(False, 0.0)
