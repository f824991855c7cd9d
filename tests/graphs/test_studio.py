"""The graphs that `langgraph.json` names are there for LangGraph's dev server, with the forms that its Studio shows."""

import asyncio
import json
import threading
from importlib import import_module
from pathlib import Path

import pytest

from sg_agent import ScriptedModel
from sg_agent.graphs import studio

GRAPHS: dict[str, str] = json.loads((Path(__file__).parents[2] / "langgraph.json").read_text())["graphs"]


@pytest.fixture(autouse=True)
def scripted_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio, "GUIDE", ScriptedModel(replies=lambda messages: "1. Look.\n2. Count."))
    monkeypatch.setattr(studio, "SOLVER", ScriptedModel(replies=lambda messages: "Answer: 7"))


@pytest.mark.parametrize("name", ["standard", "cot", "guided"])
def test_a_named_graph_is_importable_and_answers(name: str) -> None:
    module, _, variable = GRAPHS[name].partition(":")
    graph = asyncio.run(getattr(import_module(module), variable)({}))
    assert graph.name == name
    assert graph.invoke({"question": "How many?", "task": "math"})["answer"] == "7"


async def test_graphs_are_made_outside_of_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    made_in: list[int] = []

    def load(spec: str | ScriptedModel) -> ScriptedModel:
        made_in.append(threading.get_ident())
        return ScriptedModel(replies=[])

    monkeypatch.setattr("sg_agent.graphs.build.load_model", load)
    for factory in (studio.standard, studio.cot, studio.guided):
        await factory({})
    assert len(made_in) == 4  # guided has two models
    assert threading.get_ident() not in made_in, "the dev server fails a run whose factory reads files in its loop"


def test_the_forms_show_what_may_be_asked_and_set() -> None:
    graph = asyncio.run(studio.guided({}))
    asked, settings = graph.get_input_jsonschema(), graph.get_context_jsonschema()
    assert asked["properties"].keys() == {"question", "messages", "task", "choices", "context", "given_guidance"}
    assert "required" not in asked
    assert settings
    assert settings["properties"]["attempts"]["default"] == 1
    assert graph.get_output_jsonschema()["properties"].keys() >= {"answer", "route", "reason", "ledger"}
