"""The arms side by side, as LangGraph's dev server loads and runs them."""

import asyncio
import json
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from sg_agent.errors import ConfigError, DataError
from sg_agent.evals import studio
from sg_agent.evals.arms import ARMS
from sg_agent.graphs.state import Settings
from sg_agent.scripted import ScriptedModel

PATH: str = json.loads((Path(__file__).parents[2] / "langgraph.json").read_text())["graphs"]["side_by_side"]
QUESTION: studio.QuestionAndAnswer = {"question": "3 pens and 4 pens?", "task": "math"}
PLAN = "1. Look.\n2. Count."


def reply(messages: list[BaseMessage]) -> str:
    return PLAN if "Write a" in messages[0].text else "Answer: 7"


@pytest.fixture(autouse=True)
def scripted_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio, "load_model", lambda spec, **_: ScriptedModel(replies=reply))


def ask(**given: Any) -> dict[str, dict[str, Any]]:
    module, _, variable = PATH.partition(":")
    graph = asyncio.run(getattr(import_module(module), variable)({}))
    output = asyncio.run(graph.ainvoke({**QUESTION, **given}))
    assert output.keys() == {"results"}
    return {result["arm"]: result for result in output["results"]}


def test_a_question_with_its_answer_is_scored_on_every_arm() -> None:
    results = ask(answer="7", guidance=PLAN)
    assert results.keys() == ARMS.keys() - {"placebo", "stronger"}
    assert {result["outcome"] for result in results.values()} == {"correct"}
    assert results["oracle"]["guidance"] == PLAN


async def test_the_graph_is_made_outside_of_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    made_in: set[int] = set()

    def load(spec: str) -> ScriptedModel:
        made_in.add(threading.get_ident())
        return ScriptedModel(replies=[])

    monkeypatch.setattr(studio, "load_model", load)
    await studio.side_by_side({})
    assert made_in
    assert threading.get_ident() not in made_in


def test_a_question_without_its_answer_is_answered_and_not_scored() -> None:
    results = ask()
    assert "oracle" not in results
    for result in results.values():
        assert result["answer"] == "7"
        assert not result.keys() & {"correct", "f1", "outcome"}


def test_only_the_arms_named_are_run() -> None:
    assert ask(arms=["cot", "leak"]).keys() == {"cot", "leak"}
    with pytest.raises(ConfigError, match="unknown arm 'placebo'; accepted: standard, cot"):
        ask(arms=["placebo"])


def test_a_bad_question_is_refused() -> None:
    with pytest.raises(DataError, match="'maths'"):
        ask(task="maths")


def test_the_form_shows_what_may_be_asked_and_set() -> None:
    graph = studio.build()
    asked, settings = graph.get_input_jsonschema(), graph.get_context_jsonschema()
    assert asked["properties"].keys() == studio.QuestionAndAnswer.__annotations__.keys()
    assert asked["required"] == ["question"]
    assert settings
    assert settings["properties"]["attempts"]["default"] == 1


def test_attempts_are_those_of_every_arm() -> None:
    output = asyncio.run(studio.build().ainvoke({**QUESTION, "arms": ["cot", "guided"]}, context=Settings(attempts=3)))
    assert [len(result["attempts"]) for result in output["results"]] == [3, 3]


def test_every_call_is_greedy_though_the_models_are_loaded_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    temperatures: list[float | None] = []

    class Heard(ScriptedModel):
        async def _agenerate(self, *arguments: Any, **settings: Any) -> ChatResult:
            temperatures.append(settings.get("temperature"))
            return await super()._agenerate(*arguments, **settings)

    def load(spec: str) -> Heard:
        return Heard(replies=reply)

    monkeypatch.setattr(studio, "load_model", load)
    ask(arms=["cot", "guided"])
    assert temperatures == [0.0] * 3
