"""Six outcomes, told apart."""

import asyncio
from typing import Any

import pytest

from sg_agent.evals.arms import Setup, make_arms
from sg_agent.evals.graph import ArmResult, eval_graph
from sg_agent.evals.outcomes import outcome
from sg_agent.evals.result import summarise_arm
from sg_agent.evals.scoring import Score
from sg_agent.graphs.state import Attempt, Finish, Settings
from sg_agent.rows import Row
from sg_agent.scripted import Scripted, ScriptedModel, ScriptedReply

ROW = Row(id="1", question="How many?", answer="12", task="math")
CUT, FILTERED = "length", "content_filter"


def attempt(text: str, finish: Finish = "stop", error: str | None = None) -> Attempt:
    return Attempt(index=0, text=text, tool_calls=[], answer=None, finish=finish, error=error)


def ask(*replies: Scripted) -> ArmResult:
    """What becomes of ROW when the solver's attempts, as many as there are, end with `replies`."""
    model = ScriptedModel(replies=replies)
    graph = eval_graph(make_arms(("cot",), Setup((ROW,), model, model)), lambda _: model).compile()
    asked: Any = {"row": ROW.model_dump(), "arms": ["cot"]}
    output = asyncio.run(graph.ainvoke(asked, context=Settings(attempts=len(replies))))
    result: ArmResult = output["results"][0]
    return result


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Answer: 12", "correct"),
        ("Answer: 13", "wrong"),
        ("no idea", "unparsed"),
        ("I'm sorry, but I can't help with 12 of these.", "refused"),
        (ScriptedReply("", FILTERED), "refused"),
        (ScriptedReply("Well, 12", FILTERED), "refused"),
        (ScriptedReply("He has 3 * 4 = 12", CUT), "truncated"),
        (ScriptedReply("", CUT), "truncated"),
        (ScriptedReply("Answer: 12\nFor he has", CUT), "correct"),
        (ScriptedReply("Answer: 13\nFor he has", CUT), "wrong"),
        (RuntimeError("outage"), "error"),
    ],
)
def test_a_reply_has_one_outcome(reply: Scripted, expected: str) -> None:
    result = ask(reply)
    assert result["outcome"] == expected
    assert result["correct"] is (None if expected == "error" else expected == "correct")


def test_the_voted_answer_decides_and_cut_replies_have_no_vote() -> None:
    cut = ScriptedReply("He has 9", CUT)
    assert ask("Answer: 12", cut, cut)["outcome"] == "correct"
    assert ask("Answer: 13", "Answer: 13", ScriptedReply("", FILTERED))["outcome"] == "wrong"
    assert ask(cut, cut, "no idea")["outcome"] == "truncated"


def test_most_attempts_say_why_there_is_no_answer_and_failed_ones_say_nothing() -> None:
    refused, cut, lost = attempt("", "refusal"), attempt("", "length"), attempt("", "error", "outage")
    assert outcome(None, Score(False, None), [cut, refused, refused]) == "refused"
    assert outcome(None, Score(False, None), [lost, lost, cut]) == "truncated"
    assert outcome(None, Score(False, None), []) == "unparsed"


def test_the_unanswered_are_counted_apart_and_are_wrong_and_errors_count_for_nothing() -> None:
    replies: list[Scripted] = [
        "Answer: 12",
        "?",
        ScriptedReply("", CUT),
        ScriptedReply("", FILTERED),
        OSError("outage"),
    ]
    results = [ask(reply) for reply in replies]
    for number, result in enumerate(results):
        result["id"] = str(number)
    summary = summarise_arm(results, multihop=False)
    assert (summary["unparsed"], summary["truncated"], summary["refused"], summary["errors"]) == (1, 1, 1, 1)
    assert (summary["n"], summary["accuracy"]) == (5, 0.25)
