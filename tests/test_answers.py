"""Reading answers out of replies."""

from typing import get_args

import pytest

from sg_agent.answers import parse_answer, same_answer, vote_key
from sg_agent.rows import Task


@pytest.mark.parametrize(
    ("text", "task", "answer"),
    [
        ("3 + 4 = 7\nAnswer: 7", "math", "7"),
        ("Answer: 3\nNo, wait.\nAnswer: $1,200.50.", "math", "1200.5"),
        ("**Answer:** 20.00 dollars", "math", "20"),
        ("The final answer is \\boxed{42}.", "math", "42"),
        ("so we get \\boxed{3/4}", "math", "3/4"),
        ("First 5, then 9 apples.", "math", "9"),
        ("Answer: -3", "math", "-3"),
        ("I do not know.", "math", None),
        ("Answer: (B) because", "multiple_choice", "B"),
        ("I think it is C.", "multiple_choice", "C"),
        ("Answer: dry palms", "multiple_choice", "A"),
        ("None of these.", "multiple_choice", None),
        ("Yes, so no.\nAnswer: Yes", "boolean", "yes"),
        ("That is false", "boolean", "no"),
        ("Answer: G. Stanley Hall.", "multihop_qa", "G. Stanley Hall"),
        ("Tulsa", "multihop_qa", "Tulsa"),
        ("Well, it is a long story.\nNobody knows.", "multihop_qa", None),
        ("", "open", None),
        ("Answer:", "open", None),
    ],
)
def test_the_answer_is_read_from_the_reply(text: str, task: Task, answer: str | None) -> None:
    assert parse_answer(text, task, ["dry palms", "wet palms"]) == answer


@pytest.mark.parametrize("text", ["9" * 20_000_000, "\\boxed{" * 3_000_000, "Answer: " * 2_000_000, "(" * 20_000_000])
def test_any_length_is_read_in_bounded_time(text: str) -> None:
    for task in get_args(Task):
        parse_answer(text, task, ["a", "b"])


def test_equal_numbers_and_equal_words_are_the_same_vote() -> None:
    assert vote_key("7", "math") == vote_key("7.0", "math") == vote_key("$7", "math")
    assert vote_key("0.5", "math") == vote_key("1/2", "math")
    assert vote_key("1e400000000", "math") == "1e400000000"
    assert vote_key("G. Stanley Hall", "open") == vote_key("g stanley hall", "open")


@pytest.mark.parametrize(
    ("text", "task", "answer"),
    [
        ("Answer: 3 + 4 = 7", "math", "7"),
        ("so \\boxed{\\frac{3}{4}}", "math", "3/4"),
        ("Answer: \u22125", "math", "-5"),
        ("Answer: 2 1/2 pies", "math", "5/2"),
        ("Answer: 12kg", "math", "12"),
        ("Answer: 1,234,567.50", "math", "1234567.5"),
        ("Answer: .5", "math", "0.5"),
        ("Answer: 2x + 3", "math", "2x + 3"),
        ("...\n#### 72", "math", "72"),
        ("Answer: b", "multiple_choice", "B"),
        ("Answer: $\\text{B}$", "multiple_choice", "B"),
        ("Answer: A or B", "multiple_choice", None),
        ("I would say so", "multiple_choice", None),
        ("A good guess: wet palms", "multiple_choice", "B"),
        ("Answer: Mila\n\nWhy: the answer is in the passages.", "multihop_qa", "Mila"),
        ("**Answer:**\n\nMila", "multihop_qa", "Mila"),
        ("Answer: <short answer>", "multihop_qa", None),
    ],
)
def test_other_forms_are_read_too(text: str, task: Task, answer: str | None) -> None:
    assert parse_answer(text, task, ["dry palms", "wet palms"]) == answer


def test_same_answers_are_the_same_and_no_answer_is_none_of_them() -> None:
    assert same_answer("20.0", "$20", "math")
    assert same_answer("The Hague", "the hague.", "open")
    assert not same_answer("C", "C++", "open")
    assert not same_answer(None, None, "math")
