"""What a node cache answers: the same call of the same model by the same prompt, and nobody pays for it twice."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis_server
from langgraph.cache.base import BaseCache
from langgraph.cache.memory import InMemoryCache
from langgraph.cache.redis import RedisCache
from langgraph.cache.sqlite import SqliteCache
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
    examples: Sequence[dict[str, Any]] = (),
) -> GraphOutput:
    graph = guided(guide, solver, cache_policy=CachePolicy(), prompts=prompts).compile(cache=cache)
    settings = Settings(attempts=attempts, examples=examples)
    return graph.invoke(QUESTION, context=settings)  # type: ignore[return-value]


@pytest.fixture(params=["memory", "sqlite", "redis"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseCache[object]]:
    """Each of LangGraph's caches, empty."""
    if request.param == "memory":
        yield InMemoryCache()
    elif request.param == "sqlite":
        yield SqliteCache(path=str(tmp_path / "cache.sqlite"))
    elif redis_server.PROGRAM is None:
        pytest.skip(redis_server.MISSING)
    else:
        with redis_server.redis_server() as server:
            yield RedisCache(server.client)


def test_a_cached_call_is_marked_and_free(cache: BaseCache[object]) -> None:
    guide, solver = scripted(PLAN), scripted("Answer: 7")
    first, second = ask(guide, solver, cache), ask(guide, solver, cache)
    assert [record["cached"] for record in first["ledger"]] == [False, False]
    assert [(record["cached"], record["cost_usd"]) for record in second["ledger"]] == [(True, 0.0), (True, 0.0)]
    assert second["ledger"][0]["input_tokens"] == first["ledger"][0]["input_tokens"]
    assert {**first, "ledger": []} == {**second, "ledger": []}
    assert (len(guide.calls), len(solver.calls)) == (1, 1)


async def test_async_runs_share_what_sync_ones_cached(cache: BaseCache[object]) -> None:
    guide, solver = scripted(PLAN), scripted("Answer: 7")
    ask(guide, solver, cache)
    output = await guided(guide, solver, cache_policy=CachePolicy()).compile(cache=cache).ainvoke(QUESTION)
    assert [record["cached"] for record in output["ledger"]] == [True, True]
    assert (len(guide.calls), len(solver.calls)) == (1, 1)


def test_more_attempts_keep_the_cached_guidance(cache: BaseCache[object]) -> None:
    guide, solver = scripted(PLAN), scripted("Answer: 7")
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


def test_other_examples_are_asked_anew() -> None:
    guide, solver, cache = scripted(PLAN), scripted("Answer: 7"), InMemoryCache[object]()
    example = {"id": 1, "question": "2 and 2?", "answer": 4, "task": "math", "guidance": "1. Take 2.\n2. Add 2."}
    for examples in ((), (example,), (example,), (example, {**example, "id": 2, "question": "2 and 3?", "answer": 5})):
        ask(guide, solver, cache, examples=examples)
    assert [len(messages) for messages in guide.calls] == [2, 4, 6]
    assert [len(messages) for messages in solver.calls] == [2, 4, 6]


def test_a_failed_call_is_not_remembered() -> None:
    guide, solver = ScriptedModel(replies=[RuntimeError("down"), PLAN]), scripted("Answer: 7")
    cache = InMemoryCache[object]()
    assert [ask(guide, solver, cache)["route"] for _ in range(2)] == ["direct", "guided"]


PROGRAM = """
import sys
from langgraph.cache.sqlite import SqliteCache
from sg_agent import ScriptedModel
sys.path.insert(0, sys.argv[2])
from test_cache import ask
nobody = ScriptedModel(replies=[])
print(ask(nobody, nobody, SqliteCache(path=sys.argv[1]), attempts=2)["answer"])
"""


@pytest.mark.slow
def test_another_process_finds_what_is_cached(tmp_path: Path) -> None:
    path = str(tmp_path / "cache.sqlite")
    ask(scripted(PLAN), scripted("Answer: 7"), SqliteCache(path=path), attempts=2)
    command = [sys.executable, "-c", PROGRAM, path, str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert said.strip() == "7"


@pytest.mark.skipif(redis_server.PROGRAM is None, reason=redis_server.MISSING)
def test_a_redis_that_goes_down_in_the_middle_of_a_run_costs_the_cache_and_no_answer() -> None:
    with redis_server.redis_server() as server:

        def plan_and_kill(messages: object) -> str:
            server.process.kill()
            server.process.wait()
            return PLAN

        guide, solver = ScriptedModel(replies=plan_and_kill), scripted("Answer: 7")
        outputs = [ask(guide, solver, RedisCache(server.client)) for _ in range(2)]
    assert [(output["answer"], output["guidance"]) for output in outputs] == [("7", PLAN)] * 2
    assert [record["cached"] for output in outputs for record in output["ledger"]] == [False] * 4
