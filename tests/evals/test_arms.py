"""Arms: what each is made from, and what they refuse before a model is loaded."""

import re
from dataclasses import replace
from typing import Any

import pytest

from sg_agent.errors import ConfigError, ModelError
from sg_agent.evals.arms import ARMS, EMBEDDED, Setup, is_control, joined_names, make_arms, question_input
from sg_agent.evals.arms.untrained import base_of
from sg_agent.evals.config import EvalConfig
from sg_agent.evals.suites import load_suite
from sg_agent.gate.routing import Routing
from sg_agent.graphs.state import Settings
from sg_agent.rows import Row
from sg_agent.scripted import ScriptedModel

BARE = Row(id="bare", question="q", answer="secret", task="open")
DEPOT = load_suite("depot", limit=20).rows
WITH_STRONGER = Routing(stronger="s:2")


def test_the_stronger_solver_alone_needs_to_be_named() -> None:
    with pytest.raises(ConfigError, match="arm 'stronger' needs --stronger"):
        make_arms(("stronger",), Setup(DEPOT, "g:1", "s:1"))
    EvalConfig("depot", arms=("stronger",), stronger=ScriptedModel(replies=[])).check()
    with pytest.raises(ConfigError, match="--policy is for the arm auto, which is not asked for"):
        EvalConfig("depot", arms=("stronger",), stronger="embedded:solver", policy="never").check()


def test_unknown_arm_names_the_accepted() -> None:
    with pytest.raises(ConfigError, match="'guded'; accepted: standard, cot, guided"):
        make_arms(("standard", "guded"), Setup(DEPOT, "g:1", "s:1"))


def test_the_same_arm_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="'cot@3' is named twice"):
        make_arms(("cot", "cot@3", "cot@3"), Setup(DEPOT, "g:1", "s:1"))


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ("cot@0", "'cot@0': attempts after @ must be a whole number from 2 to 1000, not '0'"),
        ("cot@1", "not '1'"),
        ("cot@", "not ''"),
        ("cot@x", "not 'x'"),
        ("cot@05", "not '05'"),
        ("cot@1001", "not '1001'"),
        ("cot@5@5", "not '5@5'"),
        ("nope@5", "unknown arm 'nope@5'; accepted: standard, cot"),
        ("=package:graph", "the name '' is not accepted"),
        ("my arm=package:graph", "the name 'my arm' is not accepted: a letter, then letters, digits, _ and -"),
        ("mine@5=package:graph", "the name 'mine@5' is not accepted"),
        ("a-vs-b=package:graph", "without -vs-"),
        ("cot=package:graph", "'cot' is a built-in arm"),
        ("mine=", "'' names no graph; accepted: package.module:graph"),
        ("mine=package.module", "'package.module' names no graph"),
        ("mine=./agent.py:graph", "'./agent.py:graph' names no graph"),
    ],
)
def test_a_name_of_no_accepted_form_is_refused_with_the_form(arm: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        make_arms(("standard", arm), Setup(DEPOT, "g:1", "s:1"))


def test_attempts_belong_to_the_arm_that_asks_for_them() -> None:
    made = make_arms(("cot", "cot@5", "leak@2"), Setup(DEPOT, "g:1", "s:1"))
    assert [(arm.name, arm.attempts) for arm in made] == [("cot", None), ("cot@5", 5), ("leak@2", 2)]


def test_one_attempt_is_greedy_and_several_are_sampled_unless_a_temperature_is_given() -> None:
    one, five = make_arms(("cot", "cot@5"), Setup(DEPOT, "g:1", "s:1"))
    assert (one.settings(Settings()).attempts, one.settings(Settings()).temperature) == (1, 0)
    assert (five.settings(Settings()).attempts, five.settings(Settings()).temperature) == (5, None)  # the graphs' own
    warm = Settings(temperature=0.3)
    assert [arm.settings(warm).temperature for arm in (one, five)] == [0.3, 0.3]
    assert [arm.settings(warm).guide_temperature for arm in (one, five)] == [0, 0]
    with pytest.raises(ConfigError, match="5 attempts at temperature 0 are all the same"):
        five.settings(Settings(temperature=0))


def test_each_arm_names_the_models_it_uses() -> None:
    made = make_arms(tuple(ARMS), Setup(DEPOT, "local:base@adapter", "s:1", routing=WITH_STRONGER))
    assert {arm.name: arm.models for arm in made} == {
        "standard": ("s:1",),
        "cot": ("s:1",),
        "guided": ("local:base@adapter", "s:1"),
        "auto": ("local:base@adapter", "s:1", "s:2"),
        "stronger": ("s:2",),
        "untrained": ("local:base", "s:1"),
        "self_plan": ("s:1", "s:1"),
        "guide_alone": ("local:base@adapter",),
        "leak": ("local:base@adapter", "s:1"),
        "oracle": ("s:1",),
        "placebo": ("s:1",),
    }


@pytest.mark.parametrize(
    ("arms", "unused"),
    [
        (("standard", "cot@3", "self_plan", "oracle", "placebo"), {"guide"}),
        (("guide_alone",), {"solver"}),
        (("leak",), set()),
        (("guided@2",), set()),
    ],
)
def test_only_models_that_an_arm_uses_are_checked(arms: tuple[str, ...], unused: set[str]) -> None:
    good = ScriptedModel(replies=[])
    for role in ("guide", "solver"):
        models: dict[str, Any] = {"guide": good, "solver": good, role: "nonsense"}
        config = EvalConfig("depot", arms=arms, **models)
        if role in unused:
            config.check()
        else:
            with pytest.raises(ModelError, match="unknown model 'nonsense'"):
                config.check()


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_says_what_it_controls_for(arm: str) -> None:
    said = " ".join((ARMS[arm].__doc__ or "").split())
    assert arm in ("guided", "auto") or "Controls for" in said


def test_arms_are_made_before_any_row_is_read() -> None:
    assert len(make_arms(tuple(ARMS), Setup((), "embedded:guide", "s:1", routing=WITH_STRONGER))) == len(ARMS)


def test_a_name_cannot_come_to_stand_for_another_graph() -> None:
    assert joined_names(["cot", "mine=a:g"], ("mine=a:g", "cot@5"), "'run'") == ("cot", "mine=a:g", "cot@5")
    with pytest.raises(ConfigError, match="'run' holds answers of 'mine=a:g'; give 'mine=b:g' a name of its own"):
        joined_names(["mine=a:g"], ("mine=b:g",), "'run'")


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


def test_every_arm_says_itself_what_it_shows_with_examples_and_whether_it_is_a_control() -> None:
    made = {arm.name: arm for arm in make_arms(tuple(ARMS), replace(EMBEDDED, routing=WITH_STRONGER))}
    measured = {"standard", "cot", "guided", "auto", "stronger"}
    assert {name for name, arm in made.items() if arm.control} == made.keys() - measured
    assert {name for name in made if is_control(f"{name}@3")} == {name for name, arm in made.items() if arm.control}
    assert {name: arm.phases for name, arm in made.items() if "solver" not in arm.phases} == {
        "standard": ("standard",),
        "cot": ("cot",),
        "stronger": ("cot",),
        "guide_alone": ("cot",),
        "leak": ("guide", "leak"),
    }
    assert not is_control("mine")
