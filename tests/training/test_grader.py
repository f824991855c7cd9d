"""Grades: what the solver's score with guidance is, what is not asked at all, and what an outage is worth."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from sg_agent.errors import RunError
from sg_agent.rows import Row
from sg_agent.scripted import Scripted, ScriptedModel
from sg_agent.training.grader import Asking, Grader

ROW = Row(id="1", question="There are 3 boxes of 4 pens. How many pens?", answer="12", task="math")
PLAN = "1. Start with the pens of a box.\n2. Multiply by the boxes."


def answering(reply: Scripted | Callable[[list[BaseMessage]], Scripted]) -> ScriptedModel:
    return ScriptedModel(replies=reply if callable(reply) else lambda _: reply)


def test_guidance_that_leads_to_the_right_answer_scores_one_and_is_asked_once() -> None:
    solver = answering("3 * 4 = 12\nAnswer: 12")
    with Grader(solver, Asking()) as grader:
        grades = grader.grades([ROW, ROW], [PLAN, f"  {PLAN}\n"])
    assert [grade.score for grade in grades] == [1.0, 1.0]
    assert len(solver.calls) == 1
    assert PLAN in solver.calls[0][-1].text


def test_the_score_is_the_mean_over_the_attempts() -> None:
    replies = iter(["Answer: 12", "Answer: 7", "Answer: 12", "nothing"])
    with Grader(answering(lambda _: next(replies)), Asking(attempts=4)) as grader:
        assert grader.begin(ROW, PLAN).result().score == 0.5


def test_leaking_and_malformed_guidance_earn_nothing_and_are_never_shown() -> None:
    solver = answering("Answer: 12")
    leaking = "1. Multiply 3 by 4.\n2. So there are 12 pens."
    with Grader(solver, Asking()) as grader:
        leak, empty, one_step, cut = (
            grader.begin(ROW, text, truncated).result()
            for text, truncated in ((leaking, False), ("", False), ("1. Multiply.", False), (PLAN, True))
        )
    assert (leak.score, leak.leak) == (0.0, True)
    assert [grade.score for grade in (empty, one_step, cut)] == [0.0, 0.0, 0.0]
    assert "truncated" in str(cut.problem)
    assert solver.calls == []


def test_an_outage_is_none_and_is_asked_again_the_next_time() -> None:
    replies: Iterator[Scripted] = iter([ValueError("down"), "Answer: 12"])
    with Grader(answering(lambda _: next(replies)), Asking()) as grader:
        first = grader.begin(ROW, PLAN).result()
        assert first.score is None
        assert "down" in str(first.error)
        assert grader.begin(ROW, PLAN).result().score == 1.0


def test_a_solver_that_hangs_fails_at_the_deadline() -> None:
    slow = ScriptedModel(replies=lambda _: "Answer: 12", latency_s=30)
    with Grader(slow, Asking(grade_deadline_s=0.2)) as grader:
        assert grader.begin(ROW, PLAN).result().score is None


def test_too_many_failures_stop_the_run_with_what_the_solver_said() -> None:
    rows = [ROW.model_copy(update={"id": str(i)}) for i in range(30)]
    with (
        Grader(answering(ValueError("no such model")), Asking()) as grader,
        pytest.raises(RunError, match=r"100% of the last 30 grades failed .*no such model"),
    ):
        grader.grades(rows, [PLAN] * 30)


def test_a_restarted_run_pays_for_nothing_twice(tmp_path: Path) -> None:
    journal = tmp_path / "grades.jsonl"
    with Grader(answering("Answer: 12"), Asking(), journal=journal) as grader:
        grader.grades([ROW, ROW], [PLAN, None])
    with journal.open("a") as file:
        file.write('{"key": "torn')
    solver = answering("Answer: 7")
    with Grader(solver, Asking(), journal=journal) as grader:
        assert [grade.score for grade in grader.grades([ROW, ROW], [PLAN, None])] == [1.0, 1.0]
    assert solver.calls == []
    assert [json.loads(line)["score"] for line in journal.read_text().splitlines()] == [1.0, 1.0]
