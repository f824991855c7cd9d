"""`sg-agent doctor`: what is there, what is missing, and whether the embedded pair works."""

import json

import pytest
from langchain_core.messages import BaseMessage
from typer.testing import CliRunner

from sg_agent.cli import app
from sg_agent.cli.doctor import find_extras
from sg_agent.errors import ModelError
from sg_agent.scripted import ScriptedModel


def reply(messages: list[BaseMessage]) -> str:
    return "1. Read.\n2. Count." if "Write a" in str(messages[0].content) else "Answer: 1"


def test_a_working_pair_exits_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sg_agent.cli.request.load_model", lambda *_, **__: ScriptedModel(replies=reply))
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert shown["embedded"]["works"] is True
    assert shown["packages"]["langgraph"]


def test_a_pair_that_cannot_be_loaded_exits_1_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise ModelError("weights are missing")

    monkeypatch.setattr("sg_agent.cli.request.load_model", load)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "ModelError: weights are missing" in done.stdout


def test_keys_are_shown_by_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sg_agent.cli.request.load_model", lambda *_, **__: ScriptedModel(replies=reply))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    done = CliRunner().invoke(app, ["doctor"])
    assert "OPENAI_API_KEY" in done.stdout
    assert "sk-secret" not in done.output


def test_a_missing_extra_comes_with_its_command_and_one_not_used_yet_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Declared:
        def get_all(self, name: str) -> list[str]:
            assert name == "Provides-Extra"
            return ["fly", "core", "all", "dev", "scale"]

    monkeypatch.setattr("sg_agent.cli.doctor.metadata.metadata", lambda _: Declared())
    requires = ['no-such-package>=1; extra == "fly"', 'langgraph; extra == "core"', "typer"]
    monkeypatch.setattr("sg_agent.cli.doctor.metadata.requires", lambda _: requires)
    assert find_extras() == {
        "fly": {"missing": ["no-such-package"], "install": 'pip install "sg-agent[fly]"'},
        "core": {"missing": [], "install": 'pip install "sg-agent[core]"'},
    }
