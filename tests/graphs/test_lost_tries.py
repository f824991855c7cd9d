"""Tries of a call that failed after the host may have billed them: in the ledger, in their own run alone."""

from typing import Any

import pytest
from faulty_server import Act, faulty_server
from hosted import Hosted
from langchain_core.messages import BaseMessage
from langgraph.cache.memory import InMemoryCache
from langgraph.types import CachePolicy, RetryPolicy

from sg_agent import Settings, cot, guided, standard
from sg_agent.errors import SolverError
from sg_agent.graphs import model_node
from sg_agent.ledger import CallRecord, total_cost
from sg_agent.prices import Prices
from sg_agent.scripted import ScriptedModel

QUESTION: Any = {"question": "Ann has 3 pens and buys 4. How many has she?", "task": "math"}
PLAN = "1. Start with the pens that Ann has.\n2. Add the pens that she buys."
PRICES = Prices.of([{"model": "openai:solver", "input": 1.0, "output": 1.0}])


class Refused(Exception):
    status_code = 503


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangGraph's pauses between tries are left out."""

    def policy(**settings: Any) -> RetryPolicy:
        return RetryPolicy(initial_interval=0, jitter=False, **settings)

    monkeypatch.setattr(model_node, "RetryPolicy", policy)


def hosted(*replies: Any) -> Hosted:
    return Hosted(replies=replies, model="solver")


def shown(record: CallRecord) -> tuple[list[str], str | None, bool, int | None]:
    """The types of the lost errors and of the last, whether the cost is known, how often the call was repeated."""
    lost, error = [said.partition(":")[0] for said in record.get("lost", [])], record["error"]
    return lost, error and error.partition(":")[0], record["cost_usd"] is not None, record.get("retries")


async def test_a_broken_and_a_late_try_before_the_answer_make_the_cost_unknown() -> None:
    with faulty_server(Act("I add 3 and 4\nAnswer: 7", cut=3), Act(wait_s=1.5), Act()) as server:
        graph = cot(f"openai:solver@{server.base_url}", timeout=0.7, prices=PRICES).compile()
        parts: list[Any] = [part async for part in graph.astream(QUESTION, stream_mode=["messages", "values"])]
    output = parts[-1][1]
    assert (output["answer"], len(server.asked)) == ("7", 3)
    (call,) = output["ledger"]
    assert shown(call) == (["ConnectionError", "NodeTimeoutError"], None, False, 2)
    assert call["input_tokens"] == 50
    assert total_cost(output["ledger"]) is None


@pytest.mark.parametrize("sync", [True, False])
async def test_refused_tries_and_those_of_a_model_of_this_process_are_free(sync: bool) -> None:
    here = ScriptedModel(replies=[ConnectionError("reset"), "Answer: 7"])
    for model, retries in ((hosted(Refused("busy"), Refused("busy"), "Answer: 7"), 2), (here, 1)):
        graph = standard(model, prices=PRICES).compile()
        output = graph.invoke(QUESTION) if sync else await graph.ainvoke(QUESTION)
        assert [shown(record) for record in output["ledger"]] == [([], None, True, retries)]


@pytest.mark.parametrize("sync", [True, False])
async def test_a_lost_try_is_not_hidden_by_a_free_refusal_after_it(sync: bool) -> None:
    graph = standard(hosted(ConnectionError("cut"), Refused("busy"), Refused("busy")), prices=PRICES).compile()
    with pytest.raises(SolverError) as raised:
        graph.invoke(QUESTION) if sync else await graph.ainvoke(QUESTION)
    assert [shown(record) for record in raised.value.ledger] == [(["ConnectionError"], "Refused", False, None)]


@pytest.mark.parametrize("sync", [True, False])
async def test_lost_tries_of_the_guide_and_of_a_solver_with_a_fallback_are_in_the_ledger(sync: bool) -> None:
    guide, solver = hosted(ConnectionError("cut"), PLAN), hosted(ConnectionError("cut"), ValueError("bad"))
    stand_in = ScriptedModel(replies=["Answer: 7"])
    graph = guided(guide, solver, fallback=stand_in, prices=PRICES).compile()
    output = graph.invoke(QUESTION) if sync else await graph.ainvoke(QUESTION)
    assert (output["answer"], output["route"]) == ("7", "guided")
    assert [shown(record) for record in output["ledger"]] == [
        (["ConnectionError"], None, False, 1),
        (["ConnectionError"], "ValueError", False, None),
        ([], None, True, None),
    ]


def test_a_guide_that_loses_a_try_and_is_then_refused_is_not_free() -> None:
    guide = hosted(ConnectionError("cut"), Refused("busy"), Refused("busy"))
    output = guided(guide, ScriptedModel(replies=["Answer: 7"])).compile().invoke(QUESTION)
    assert shown(output["ledger"][0]) == (["ConnectionError"], "Refused", False, None)


def test_a_call_that_a_cache_remembers_was_paid_for_by_another_run() -> None:
    model = hosted(ConnectionError("cut"), "Answer: 7")
    graph = standard(model, cache_policy=CachePolicy(), prices=PRICES).compile(cache=InMemoryCache())
    assert total_cost(graph.invoke(QUESTION)["ledger"]) is None
    assert total_cost(graph.invoke(QUESTION)["ledger"]) == 0


@pytest.mark.parametrize("sync", [True, False])
async def test_attempts_beside_each_other_and_later_runs_do_not_see_each_others_tries(sync: bool) -> None:
    broken: set[str] = set()

    def reply(messages: list[BaseMessage]) -> str | Exception:
        asked = messages[-1].text
        first = "Bob" in asked and asked not in broken
        broken.add(asked)
        return ConnectionError("cut") if first else "Answer: 7"

    graph = standard(Hosted(replies=reply, model="solver"), prices=PRICES).compile()
    settings = Settings(attempts=4)
    for question, lost in (("Bob?", 1), ("Ann?", 0), ("And Bob?", 1)):
        asked: Any = {**QUESTION, "question": question}
        output = graph.invoke(asked, context=settings) if sync else await graph.ainvoke(asked, context=settings)
        expected: list[Any] = [([], None, True, None)] * (4 - lost) + [(["ConnectionError"], None, False, 1)] * lost
        assert sorted(map(repr, map(shown, output["ledger"]))) == sorted(map(repr, expected))
