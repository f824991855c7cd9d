"""Arms: what each is made from, and what they refuse before a model is loaded."""

import pytest

from sg_agent.errors import ConfigError
from sg_agent.evals.arms import Setup, base_of, make_arms, question_input
from sg_agent.evals.suites import load_suite
from sg_agent.rows import Row

BARE = Row(id="bare", question="q", answer="secret", task="open")
DEPOT = load_suite("depot", limit=20).rows


def test_unknown_arm_names_the_accepted() -> None:
    with pytest.raises(ConfigError, match="'guded'; accepted: standard, cot, guided"):
        make_arms(("standard", "guded"), Setup(DEPOT, "g:1", "s:1"))


def test_the_same_arm_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="named twice"):
        make_arms(("cot", "cot"), Setup(DEPOT, "g:1", "s:1"))


@pytest.mark.parametrize("arm", ["oracle", "placebo"])
def test_gold_arms_refuse_rows_without_guidance(arm: str) -> None:
    with pytest.raises(ConfigError, match="row 'bare' has none"):
        make_arms((arm,), Setup((*DEPOT, BARE), "g:1", "s:1"))


def test_placebo_refuses_a_single_question() -> None:
    with pytest.raises(ConfigError, match="at least two rows"):
        make_arms(("placebo",), Setup(DEPOT[:1], "g:1", "s:1"))


def test_oracle_shows_the_own_and_placebo_another_guidance() -> None:
    oracle, placebo = make_arms(("oracle", "placebo"), Setup(DEPOT, "g:1", "s:1"))
    for row in DEPOT:
        assert oracle.question(row)["given_guidance"] == row.guidance
        assert placebo.question(row)["given_guidance"] != row.guidance


def test_placebo_takes_the_next_guidance_that_differs() -> None:
    rows = tuple(Row(id=str(i), question="q", answer="a", guidance=text) for i, text in enumerate(("x", "x", "y")))
    (placebo,) = make_arms(("placebo",), Setup(rows, "g:1", "s:1"))
    assert [placebo.question(row)["given_guidance"] for row in rows] == ["y", "y", "x"]


def test_no_arm_is_given_the_answer() -> None:
    assert "secret" not in str(question_input(BARE))


def test_the_base_of_a_guide_is_its_model_without_adapter() -> None:
    assert base_of("embedded:guide") == "embedded:solver"
    assert base_of("local:org/base@dir/adapter") == "local:org/base"


@pytest.mark.parametrize("guide", ["local:org/base", "openai:gpt-4.1-mini", "embedded:solver"])
def test_a_guide_without_adapter_has_no_untrained_arm(guide: str) -> None:
    with pytest.raises(ConfigError, match="accepted: embedded:guide, local:BASE@ADAPTER"):
        make_arms(("untrained",), Setup(DEPOT, guide, "s:1"))
