"""What a node cache answers: the same call of the same model by the same prompt, and nobody pays for it twice."""

from pathlib import Path

from langgraph.cache.base import BaseCache
from langgraph.cache.memory import InMemoryCache
from langgraph.types import CachePolicy

from sg_agent import ScriptedModel, Settings, guided
from sg_agent.graphs import GraphOutput, QuestionInput
from sg_agent.graphs.nodes import Prompts

PLAN = "1. Start with the pens.\n2. Add Monday."
QUESTION: QuestionInput = {"question": "There are 3 pens. On Monday 4 came. How many?", "task": "math"}


def scripted(text: str, *, model: str = "scripted") -> ScriptedModel:
    return ScriptedModel(replies=lambda messages: text, model=model)


def ask(
    guide: ScriptedModel,
    solver: ScriptedModel,
    cache: BaseCache[object],
    attempts: int = 1,
    prompts: Prompts | None = None,
) -> GraphOutput:
    graph = guided(guide, solver, cache_policy=CachePolicy(), prompts=prompts).compile(cache=cache)
    return graph.invoke(QUESTION, context=Settings(attempts=attempts))  # type: ignore[return-value]


def test_a_cached_call_is_marked_and_free() -> None:
    guide, solver, cache = scripted(PLAN), scripted("Answer: 7"), InMemoryCache[object]()
    first, second = ask(guide, solver, cache), ask(guide, solver, cache)
    assert [record["cached"] for record in first["ledger"]] == [False, False]
    assert [(record["cached"], record["cost_usd"]) for record in second["ledger"]] == [(True, 0.0), (True, 0.0)]
    assert second["ledger"][0]["input_tokens"] == first["ledger"][0]["input_tokens"]
    assert {**first, "ledger": []} == {**second, "ledger": []}
    assert (len(guide.calls), len(solver.calls)) == (1, 1)


def test_more_attempts_keep_the_cached_guidance() -> None:
    guide, solver, cache = scripted(PLAN), scripted("Answer: 7"), InMemoryCache[object]()
    ask(guide, solver, cache, attempts=2)
    output = ask(guide, solver, cache, attempts=3)
    assert [record["cached"] for record in output["ledger"]] == [True, True, True, False]
    assert (len(guide.calls), len(solver.calls)) == (1, 3)


def test_another_model_is_asked_anew() -> None:
    guide, cache = scripted(PLAN), InMemoryCache[object]()
    assert ask(guide, scripted("Answer: 7"), cache)["answer"] == "7"
    assert ask(guide, scripted("Answer: 8", model="other"), cache)["answer"] == "8"


def test_another_prompt_is_asked_anew(tmp_path: Path) -> None:
    guide, solver, cache = scripted(PLAN), scripted("Answer: 7"), InMemoryCache[object]()
    ask(guide, solver, cache)
    own = tmp_path / "own.jinja"
    own.write_text("Obey.\n=== user ===\n{{ question }} {{ guidance }}")
    ask(guide, solver, cache, prompts={"solver": own})
    assert (len(guide.calls), len(solver.calls)) == (1, 2)


def test_a_failed_call_is_not_remembered() -> None:
    guide, solver = ScriptedModel(replies=[RuntimeError("down"), PLAN]), scripted("Answer: 7")
    cache = InMemoryCache[object]()
    assert [ask(guide, solver, cache)["route"] for _ in range(2)] == ["direct", "guided"]
