"""The arm `auto`: what it runs on, what it refuses, and that its decisions are in the results."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from gate_heads import make
from langchain_core.messages import BaseMessage
from typer.testing import CliRunner

from sg_agent import EvalConfig, ScriptedModel
from sg_agent.cli import app
from sg_agent.errors import ConfigError, ModelError
from sg_agent.evals.arms import Setup, make_arms
from sg_agent.evals.graph import ArmResult, eval_graph
from sg_agent.evals.suites import load_suite
from sg_agent.evals.task import transcript
from sg_agent.gate import save_gate
from sg_agent.gate.routing import Routing
from sg_agent.graphs.state import Settings

ROW = load_suite("depot", limit=1).rows[0]
PLAN = "1. Start with the pens.\n2. Subtract Tuesday."


def reply(messages: list[BaseMessage]) -> str:
    return PLAN if "Write a" in str(messages[0].content) else "no idea"


def ask(routing: Routing) -> ArmResult:
    model = ScriptedModel(replies=reply)
    graph = eval_graph(make_arms(("auto",), Setup((ROW,), model, model, routing=routing)), lambda it: it).compile()  # type: ignore[arg-type, return-value]
    asked: Any = {"row": ROW.model_dump(), "arms": ["auto"]}
    result: ArmResult = asyncio.run(graph.ainvoke(asked, context=Settings()))["results"][0]
    return result


def test_the_decisions_are_in_the_results_and_the_logs() -> None:
    result = ask(Routing("never", stronger=ScriptedModel(replies=[f"Answer: {ROW.answer}"])))
    assert (result["outcome"], result["route"]) == ("correct", "escalate")
    assert (result["decision"]["route"], result["recheck"] and result["recheck"]["route"]) == ("direct", "escalate")
    assert "direct: never guided\n\nescalate: no answer could be read, 50% must {'agreement': 0.0}" in transcript(
        result
    )
    assert ask(Routing())["route"] == "guided"


def test_what_is_given_for_another_arm_is_refused() -> None:
    for given in ({"policy": "never"}, {"gate": "gate.json"}, {"stronger": "openai:big"}):
        config = EvalConfig("depot", arms=("cot", "guided@3"), **given)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=f"--{next(iter(given))} is for the arm auto"):
            config.check()


def test_a_gate_for_other_models_is_refused_before_any_is_loaded(tmp_path: Path) -> None:
    save_gate(make(), tmp_path / "gate.json")
    with pytest.raises(ModelError, match="fitted for the guide 'openai:guide', and here it is 'embedded:guide'"):
        EvalConfig("depot", arms=("auto@3",), gate=tmp_path / "gate.json").check()
    with pytest.raises(ModelError, match="unknown model 'nonsense'"):
        EvalConfig("depot", arms=("auto",), stronger="nonsense").check()


def test_only_what_is_given_changes_a_runs_identity() -> None:
    suite, plain = load_suite("depot", limit=1), EvalConfig("depot", arms=("auto",))
    never = EvalConfig("depot", arms=("auto",), policy="never", stronger="embedded:solver", stop_early=True)
    more = never.identity(suite).keys() - plain.identity(suite).keys()
    assert more == {"policy", "stronger", "stronger_sha256", "stop_early"}
    assert "--policy never --stronger embedded:solver --stop-early" in never.command()


def test_ask_takes_the_arm_and_its_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sg_agent.cli.request.load_model", lambda spec, **_: ScriptedModel(replies=reply))
    monkeypatch.setattr("sg_agent.cli.request.check_spec", lambda spec: None)
    asked = ["ask", ROW.question, "--arm", "auto", "--policy", "never", "--json"]
    said = json.loads(CliRunner().invoke(app, asked).stdout)
    assert (said["route"], said["decision"]["route"], said["decision"]["reason"]) == (
        "direct",
        "direct",
        "never guided",
    )
    refused = CliRunner().invoke(app, ["ask", ROW.question, "--policy", "never"])
    assert refused.exit_code == 2
