"""Usefulness: the share of guided answers that are right; what an outage took away is no wrong answer."""

from itertools import islice

from langchain_core.messages import BaseMessage

from sg_agent.rows import Row
from sg_agent.scripted import Scripted, ScriptedModel
from sg_agent.training.usefulness import measure_usefulness

ROWS = [Row(id=str(i), question=f"What is {i} + 1?", answer=str(i + 1), task="math") for i in range(4)]
GUIDE = ScriptedModel(replies=lambda _: "1. Take the number.\n2. Add one.")


def test_it_is_the_fraction_of_right_answers() -> None:
    assert measure_usefulness(GUIDE, ScriptedModel(replies=lambda _: "The answer is 2."), ROWS).accuracy == 0.25


def test_an_outage_is_left_out_and_counted() -> None:
    def solve(messages: list[BaseMessage]) -> Scripted:
        return ValueError("down") if "3 + 1" in messages[-1].text else "The answer is 2."

    measured = measure_usefulness(GUIDE, ScriptedModel(replies=solve), ROWS)
    assert (measured.accuracy, measured.n, measured.errors, measured.guided) == (1 / 3, 3, 1, 3)
    assert "down" in (measured.first_error or "")


def test_when_nothing_was_answered_there_is_no_usefulness() -> None:
    assert (
        measure_usefulness(GUIDE, ScriptedModel(replies=lambda _: ValueError("down")), list(islice(ROWS, 1))).accuracy
        is None
    )


def test_an_answer_without_usable_guidance_counts_as_it_is() -> None:
    guide = ScriptedModel(replies=lambda _: "no")
    measured = measure_usefulness(guide, ScriptedModel(replies=lambda _: "The answer is 2."), ROWS)
    assert (measured.accuracy, measured.guided) == (0.25, 0)
