"""Sums that a reply writes out, done again."""

import time

import pytest

from sg_agent.gate.arithmetic import equations, evaluate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3 * 4", 12), ("2 + 3 * 4", 14), ("(2 + 3) * 4", 20), ("10 - 2 - 3", 5), ("2 * -3", -6), ("-3 + 5", 2),
        ("50% * 20", 10), ("8 / 4 / 2", 1), ("((2))", 2),
    ],
)  # fmt: skip
def test_a_sum_has_its_value(text: str, value: float) -> None:
    assert evaluate(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "1 / 0", "2 ** 3", "import os", "3 +", "* 3", "2 3", "(1 + 2", "a + 1", "()"])
def test_what_is_no_sum_has_none(text: str) -> None:
    assert evaluate(text) is None


def test_a_wrong_sum_is_found_among_right_ones() -> None:
    text = "She has 3 * $4 = $12. Then 12 + 1,000 = 1,012 and 5 + 5 = 11. So 10/3 = 3.33."
    assert [(one.result, one.holds) for one in equations(text)] == [
        (12, True), (1012, True), (11, False), (3.33, True)
    ]  # fmt: skip


def test_a_name_for_a_number_is_no_sum() -> None:
    assert equations("x = 5 and the total = 12") == []


def test_a_hostile_reply_is_read_in_bounded_time() -> None:
    start = time.process_time()
    for text in ("(" * 50_000, "1+" * 50_000, "1" * 50_000 + "=", "- " * 50_000 + "= 1", "9*9*" * 20 + "9 = 1" * 9999):
        equations(text)
    assert time.process_time() - start < 5
