"""What a question's and a reply's text say."""

from typing import Any

import pytest

from sg_agent.gate import CheapAnswer
from sg_agent.gate.question import BUCKETS, question_features, word_features
from sg_agent.gate.reply import reply_features
from sg_agent.rows import Passage, Row

ROW = Row(id="1", question="Ann has 3 boats. If she buys 12.5% more, how many are left?", answer="3", task="math")


def attempt(text: str, answer: str | None, **change: Any) -> dict[str, Any]:
    return {"index": 0, "text": text, "answer": answer, "finish": "stop", "error": None, **change}


def test_a_question_is_counted() -> None:
    found = question_features(ROW)
    assert found["decimals"] > 0
    assert found["percent"] > 0
    assert found["asked_if"] == 1
    assert found["money"] == found["passages"] == 0


def test_passages_and_choices_count() -> None:
    row = Row(id="1", question="Who?", answer="A", choices=["x", "y"], context=[Passage(title="t", text="abc")])
    found = question_features(row)
    assert found["choices"] == 2
    assert found["passage_characters"] > 0


@pytest.mark.parametrize("question", ["?", "東京", "1" * 5000, "\N{ROLLING ON THE FLOOR LAUGHING}" * 100, ". " * 900])
def test_any_text_has_the_same_features(question: str) -> None:
    row = Row(id="1", question=question, answer="1")
    assert question_features(row).keys() == question_features(ROW).keys()
    assert reply_features(row, CheapAnswer(question, None)).keys() == reply_features(ROW, CheapAnswer("", "1")).keys()


def test_words_are_hashed_alike_in_every_process() -> None:
    row = Row(id="1", question="Pens?", answer="1")
    assert word_features(row) == {"word:228": 1.0}
    assert all(int(name.removeprefix("word:")) < BUCKETS for name in word_features(ROW))
    assert sum(value**2 for value in word_features(ROW).values()) == pytest.approx(1)


def test_the_majority_is_the_answer_and_the_others_disagree() -> None:
    attempts = [attempt("one", "7"), attempt("two", "8"), attempt("three", "8.0"), attempt("", None, error="outage")]
    reply = CheapAnswer.of(attempts, "8", "math")
    assert (reply.text, reply.agreement) == ("two", 0.5)


def test_an_answer_that_could_not_be_read_is_agreed_on_by_none() -> None:
    reply = CheapAnswer.of([attempt("I do not", None, finish="length")], None, "math")
    assert (reply.agreement, reply.truncated) == (0, True)
    assert reply_features(ROW, reply)["reply:unread"] == 1


def test_the_answer_is_held_against_the_sums_before_it() -> None:
    good = reply_features(ROW, CheapAnswer("3 * 4 = 12.\n#### 12", "12"))
    bad = reply_features(ROW, CheapAnswer("3 * 4 = 13.\n#### 9", "9"))
    assert (good["reply:is_last_result"], good["reply:any_wrong_sum"], good["reply:stated"]) == (1, 0, 1)
    assert (bad["reply:is_last_result"], bad["reply:any_wrong_sum"]) == (0, 1)


def test_signals_of_a_reply_are_named() -> None:
    assert reply_features(ROW, CheapAnswer("", "1", signals={"logprob": -1.5}))["reply:signal:logprob"] == -1.5
