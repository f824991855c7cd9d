"""Dry runs: they say what would be asked, and touch nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hosted import Hosted
from langchain_core.messages import BaseMessage

from sg_agent.checks import check_guidance
from sg_agent.errors import ConfigError
from sg_agent.evals.config import EvalConfig
from sg_agent.evals.plan import ASSUMED_OUTPUT, CallPlan, EvalPlan, plan_eval
from sg_agent.evals.run import run_eval
from sg_agent.evals.stand_in import REPLY, StandIn
from sg_agent.evals.suites import load_suite
from sg_agent.ledger import Source
from sg_agent.prompts import load_prompt

# Inspect AI leaves streams to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")


def never(messages: list[BaseMessage]) -> str:
    raise AssertionError("a dry run asks nobody")


def config(out: Path, **changed: Any) -> EvalConfig:
    model = Hosted(replies=never, model="gpt-4.1-mini")
    given: dict[str, Any] = {"guide": model, "solver": model, "limit": 4, "out": out / "run"}
    return EvalConfig("depot", **{**given, **changed})


def by_line(plan: EvalPlan) -> dict[tuple[str, str], CallPlan]:
    return {(call["arm"], call["role"]): call for call in plan["calls"]}


def test_calls_are_counted_by_arm_role_and_model_and_nothing_is_written(tmp_path: Path) -> None:
    plan = plan_eval(
        config(tmp_path, guide=Hosted(replies=never, model="gpt-4.1-nano"), arms=("standard@3", "cot@3", "guided@3"))
    )
    assert {line: (call["model"], call["calls"]) for line, call in by_line(plan).items()} == {
        ("standard@3", "solver"): ("openai:gpt-4.1-mini", 12),
        ("cot@3", "solver"): ("openai:gpt-4.1-mini", 12),
        ("guided@3", "guide"): ("openai:gpt-4.1-nano", 4),
        ("guided@3", "solver"): ("openai:gpt-4.1-mini", 12),
    }
    assert plan["total_calls"] == 40
    assert list(tmp_path.iterdir()) == []


def test_input_is_the_rendered_prompt_and_output_is_assumed_and_priced(tmp_path: Path) -> None:
    plan = plan_eval(config(tmp_path, arms=("standard",), limit=1))
    (call,) = plan["calls"]
    row = load_suite("depot", limit=1).rows[0]
    characters = sum(len(message.text) for message in load_prompt("standard", row.task).render(row))
    assert call["input_tokens"] == -(-characters // 4)
    assert (call["output_tokens"], call["output_from"]) == (ASSUMED_OUTPUT, "assumed")
    assert plan["cost_usd"] == pytest.approx((call["input_tokens"] * 0.4 + ASSUMED_OUTPUT * 1.6) / 1e6)


def test_max_tokens_bounds_the_estimate_of_the_solver_only(tmp_path: Path) -> None:
    lines = by_line(plan_eval(config(tmp_path, arms=("guided",), max_tokens=40)))
    assert (lines["guided", "solver"]["output_tokens"], lines["guided", "solver"]["output_from"]) == (160, "max_tokens")
    assert lines["guided", "guide"]["output_from"] == "assumed"


def test_a_started_run_says_what_is_there_and_estimates_from_it(tmp_path: Path) -> None:
    def reply(messages: list[BaseMessage]) -> str | Exception:
        return RuntimeError("outage") if rows[1].question in messages[-1].text else "one two three four Answer: 1"

    rows = load_suite("depot", limit=4).rows
    asked = Hosted(replies=reply, model="gpt-4.1-mini")
    changed = {"arms": ("standard",), "guide": asked, "solver": asked}
    run_eval(config(tmp_path, **changed))
    plan = plan_eval(config(tmp_path, **{**changed, "arms": ("standard", "cot")}))
    assert plan["arms"] == {
        "standard": {"done": 3, "errors": 1, "missing": 1},
        "cot": {"done": 0, "errors": 0, "missing": 4},
    }
    lines = by_line(plan)
    assert (lines["standard", "solver"]["calls"], lines["standard", "solver"]["output_tokens"]) == (1, 6)
    assert lines["standard", "solver"]["output_from"] == "measured"
    assert lines["cot", "solver"]["output_from"] == "assumed"
    assert plan["spent_usd"] > 0


def test_a_finished_run_has_nothing_to_ask(tmp_path: Path) -> None:
    asked = Hosted(replies=lambda _: "Answer: 1", model="gpt-4.1-mini")
    run_eval(config(tmp_path, arms=("cot",), solver=asked))
    plan = plan_eval(config(tmp_path, arms=("cot",), solver=asked))
    assert (plan["calls"], plan["total_calls"], plan["cost_usd"]) == ([], 0, 0)


def test_an_unknown_price_is_unknown_and_not_zero(tmp_path: Path) -> None:
    plan = plan_eval(config(tmp_path, guide=Hosted(replies=never, model="a-model-without-a-price")))
    assert by_line(plan)["guided", "guide"]["cost_usd"] is None
    assert by_line(plan)["guided", "solver"]["cost_usd"]
    assert plan["cost_usd"] is None


def test_more_missing_questions_than_are_rehearsed_are_scaled_up(tmp_path: Path) -> None:
    plan = plan_eval(config(tmp_path, arms=("guided",), limit=120))
    assert {call["role"]: call["calls"] for call in plan["calls"]} == {"guide": 120, "solver": 120}


def test_another_runs_directory_is_refused(tmp_path: Path) -> None:
    asked = Hosted(replies=lambda _: "Answer: 1", model="gpt-4.1-mini")
    run_eval(config(tmp_path, arms=("cot",), solver=asked))
    with pytest.raises(ConfigError, match="seed was 0 and is now 1"):
        plan_eval(config(tmp_path, arms=("cot",), solver=asked, seed=1))


def test_a_budget_that_cannot_be_kept_is_refused_here_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is unknown"):
        plan_eval(config(tmp_path, guide=Hosted(replies=never, model="a-model-without-a-price"), max_cost=1.0))


@pytest.mark.parametrize(
    ("spec", "known_as"),
    [
        ("openai:gpt-4.1-mini", ("openai", "gpt-4.1-mini")),
        ("openai:llama-3@http://127.0.0.1:9/v1", ("openai-compatible", "llama-3")),
        ("anthropic:claude-x", ("anthropic", "claude-x")),
        ("local:some/model@some/adapter", ("local", "some/model@some/adapter")),
    ],
)
def test_a_stand_in_goes_by_the_name_that_prices_go_by(spec: str, known_as: tuple[str, str]) -> None:
    assert Source.of(StandIn.of(spec))[:2] == known_as


def test_what_a_stand_in_says_passes_the_gate_as_guidance_of_either_kind() -> None:
    assert check_guidance(REPLY, "plan") is None
    assert check_guidance(REPLY, "rationale") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseline": "nowhere.json"}, "'nowhere.json' cannot be read"),
        ({"baseline": "before/result.json", "seed": 1}, "holds other questions"),
        ({"baseline": "before/result.json", "out": "before"}, "this run's own result"),
        ({"out": "something_else"}, "is no run directory"),
        ({"out": "file/run"}, "cannot be written"),
        ({"out": "before", "arms": ("cot=module:graph",)}, "'cot' is a built-in arm"),
    ],
)
def test_what_the_run_would_refuse_is_refused_here_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], message: str
) -> None:
    asked = Hosted(replies=lambda _: "Answer: 1", model="gpt-4.1-mini")
    monkeypatch.chdir(tmp_path)
    before = replace(config(tmp_path, arms=("cot",), solver=asked), out="before")
    run_eval(before)
    (tmp_path / "something_else").mkdir()
    (tmp_path / "something_else" / "notes.txt").write_text("mine")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=message):
        plan_eval(replace(before, **{"out": "now", **change}))
    with pytest.raises(ConfigError, match=message):
        run_eval(replace(before, **{"out": "now", **change}))


def test_guide_and_solver_on_one_base_are_told_apart(tmp_path: Path) -> None:
    lines = by_line(plan_eval(config(tmp_path, guide="embedded:guide", solver="embedded:solver", arms=("guided",))))
    assert {role: call["model"] for (_, role), call in lines.items()} == {
        "guide": "embedded:guide",
        "solver": "embedded:solver",
    }
