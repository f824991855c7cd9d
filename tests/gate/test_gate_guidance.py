"""The second look: what guidance says of itself, and what a gate makes of it."""

import json
import math
from typing import Any

import pytest
from gate_heads import EASY, HARD, head, make
from langchain_core.messages import AIMessage
from recorded_run import call

from sg_agent.gate import Gate
from sg_agent.gate.guidance import Guidance, guidance_features, guidance_words
from sg_agent.gate.policy import Always, Learned, WithinBudget
from sg_agent.ledger import Source, reply_record
from sg_agent.likelihood import likelihood_of
from sg_agent.rows import Passage, Row

ROW = Row(id="1", question="There are 3 pens. On Monday 4 came. How many?", answer="7", task="math")
PLAN = Guidance("1. Start with the 3 pens.\n2. Add the 12 crates of Monday.")


def looking(**change: Any) -> Gate:
    """Guided is right when it is sure; direct is right on short questions."""
    second = head("guidance:signal:least_logprob", 1.0)
    return make(**{"second": second, "looks_again": True, **change})


def sure(least: float) -> Guidance:
    return Guidance(PLAN.text, {"mean_logprob": least / 10, "least_logprob": least})


def test_the_form_of_guidance_and_what_it_takes_from_the_question() -> None:
    found = guidance_features(ROW, PLAN)
    assert found["guidance:steps"] == math.log1p(2)
    assert found["guidance:new_numbers"] == math.log1p(3)  # 12, and the numbers of the steps that are not 3 or 4
    assert found["guidance:numbers_used"] == 1 / 2
    assert found["guidance:of_question"] == 2 / 9  # pens and Monday
    assert found["guidance:question_used"] == 2 / 8
    copied = guidance_features(ROW, Guidance(ROW.question))
    assert copied["guidance:of_question"] == copied["guidance:question_used"] == 1


def test_words_of_passages_are_told_from_those_of_the_question() -> None:
    row = Row(id="1", question="Who?", answer="x", context=[Passage(title="t", text="Kara lives here.")])
    found = guidance_features(row, Guidance("Kara lives far"))
    assert (found["guidance:of_question"], found["guidance:of_passages"]) == (0, 2 / 3)


@pytest.mark.parametrize("text", ["", "?", "東京", "1" * 50_000, "\n" * 90, ". " * 900])
def test_any_guidance_has_the_same_features(text: str) -> None:
    assert guidance_features(ROW, Guidance(text)).keys() == guidance_features(ROW, PLAN).keys()


def test_words_of_guidance_are_none_of_the_questions() -> None:
    assert all(name.startswith("word:guidance:") for name in guidance_words(PLAN))
    assert sum(value**2 for value in guidance_words(PLAN).values()) == pytest.approx(1)


@pytest.mark.parametrize("value", [0.0, 1e-9, -1e-7, -9999.0])
def test_log_probabilities_of_any_size_are_a_finite_feature(value: float) -> None:
    assert math.isfinite(guidance_features(ROW, sure(value))["guidance:signal:least_logprob"])


def test_the_last_draft_is_the_one_that_passed() -> None:
    ledger = [
        call("guide", "openai:guide", mean_logprob=-9.0, least_logprob=-9.0),
        call("guide", "openai:guide", mean_logprob=-1.0, least_logprob=-2.0),
        call("solver", "openai:solver", attempt=0),
    ]
    assert Guidance.of("x", ledger).logprobs == {"mean_logprob": -1.0, "least_logprob": -2.0}
    assert Guidance.of("x", [ledger[0], call("guide", "openai:guide")]).logprobs == {}
    assert Guidance.of("x", []).logprobs == {}


def test_a_hosted_guide_that_is_asked_for_log_probabilities_gives_them() -> None:
    said = {"logprobs": {"content": [{"token": "a", "logprob": -1.0}, {"token": "b", "logprob": -2.0}]}}
    reply = AIMessage("ab", response_metadata=said)
    assert likelihood_of(reply) == {"mean_logprob": -1.5, "least_logprob": -2.0}
    source = Source("openai", "x")
    record = reply_record("guide", source, reply, latency_s=1.0)
    assert (record["mean_logprob"], record["least_logprob"]) == (-1.5, -2.0)
    assert "mean_logprob" not in reply_record("solver", source, reply, latency_s=1.0)
    silences: list[dict[str, Any]] = [{}, {"logprobs": None}, {"logprobs": {"content": None}}]
    for silence in silences:
        assert likelihood_of(AIMessage("ab", response_metadata=silence)) == {}


def test_guidance_that_promises_too_little_is_dropped() -> None:
    kept, dropped = (Learned(looking()).reconsider(EASY, sure(least)) for least in (-0.001, -3.0))
    assert kept
    assert dropped
    assert (kept["route"], dropped["route"]) == ("guided", "direct")
    assert kept["scores"]["guided"] > kept["scores"]["direct"] == dropped["scores"]["direct"]
    assert dropped["reason"].startswith("P(right): direct ")
    strict = looking(threshold=0.9).reconsider(EASY, sure(-0.001))
    assert strict
    assert (strict["route"], strict["threshold"]) == ("direct", 0.9)


def test_a_gate_that_misses_its_log_probabilities_keeps_the_guidance_and_says_so() -> None:
    found = looking().reconsider(EASY, PLAN)
    assert found
    assert (found["route"], found["scores"]) == ("guided", {})
    assert "signals that are not given: the guidance is kept, to be safe" in found["reason"]
    no_signal = looking(heads={**make().heads, "direct": head("signal:state0", 1.0)}).reconsider(EASY, sure(-3.0))
    assert no_signal
    assert no_signal["route"] == "guided"


def test_who_does_not_look_leaves_guidance() -> None:
    for policy in (Always(), Learned(make()), Learned(looking(looks_again=False)), WithinBudget(1, {"guided": 1})):
        assert policy.reconsider(HARD, sure(-3.0)) is None


def test_a_gates_file_from_before_is_still_one() -> None:
    written = make().model_dump(mode="json")
    del written["second"], written["looks_again"]
    assert Gate.model_validate_json(json.dumps(written)) == make()
    assert Gate.model_validate_json(looking().model_dump_json()) == looking()
