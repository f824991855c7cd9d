"""Usefulness: what guidance is worth to a solver; what an outage took away is no wrong answer."""

import pytest

from sg_agent.rows import Row
from sg_agent.training.grader import Grade

pytest.importorskip("torch", reason='needs pip install "sg-agent[local]"')

from pathlib import Path

from langchain_core.messages import BaseMessage
from tiny import tiny_model

from sg_agent.local import LocalChatModel
from sg_agent.scripted import Scripted, ScriptedModel
from sg_agent.training import grader as module
from sg_agent.training.grader import Asking, Grader
from sg_agent.training.usefulness import Usefulness, measure_usefulness, usefulness

ROWS = [Row(id=str(i), question=f"{i} + 1?", answer=str(i + 1), task="math") for i in range(4)]


def test_it_is_the_mean_score_of_what_was_graded() -> None:
    graded = [Grade(1.0), Grade(0.5), Grade(0.0, problem="one step"), Grade(0.0, problem="leak", leak=True)]
    assert usefulness(graded) == Usefulness(accuracy=0.375, n=4, errors=0, unfit=1, leaks=1)


def test_it_is_not_known_unless_most_questions_were_graded() -> None:
    assert usefulness([Grade(1.0), Grade(None, error="down")]) == Usefulness(None, 1, 1, 0, 0, "down")
    assert usefulness([Grade(1.0), Grade(0.0), Grade(None, error="down")]).accuracy == 0.5


def test_a_guide_is_measured_by_what_the_solver_makes_of_its_guidance_and_the_same_again_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "unfit", lambda *_, **__: None)  # what a random model writes is not fit to be shown
    monkeypatch.setattr("sg_agent.graphs.nodes.check_guidance", lambda *_, **__: None)

    def solve(messages: list[BaseMessage]) -> Scripted:
        return ValueError("down") if "3 + 1" in messages[-1].text else "The answer is 2."

    base = tiny_model(tmp_path / "base", window=2048)
    guide, solver = LocalChatModel(model=str(base), max_tokens=8), ScriptedModel(replies=solve)
    with Grader(solver, Asking()) as grader:
        found = measure_usefulness(guide, ROWS, grader)
        asked = len(solver.calls)
        assert measure_usefulness(guide, ROWS[:3], grader).accuracy == found.accuracy
    assert found.accuracy == pytest.approx(1 / 3)
    assert (found.n, found.errors) == (3, 1)
    assert "down" in (found.first_error or "")
    assert len(solver.calls) == asked
