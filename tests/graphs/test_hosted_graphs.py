"""The graphs over hosted models that fail: who asks again, when a fallback answers, and what is said about it."""

import time
from typing import Any

import pytest
from faulty_server import Act, FaultyServer, faulty_server

from sg_agent import Settings, cot, guided, standard
from sg_agent.errors import BudgetSpent, ModelError, SolverError
from sg_agent.graphs.model_node import retry_policy
from sg_agent.metered import metered
from sg_agent.models import load_model
from sg_agent.scripted import ScriptedModel

QUESTION: Any = {"question": "Ann has 3 pens and buys 4. How many has she?", "task": "math"}
PLAN = "1. Start with the pens that Ann has.\n2. Add the pens that she buys."
SLOW_DOWN = Act(status=429, headers={"retry-after-ms": "400"})
DOWN = Act(status=500, headers={"retry-after-ms": "1"})


def spec(server: FaultyServer, api: str = "openai") -> str:
    return f"{api}:solver@{server.base_url}"


def saying(*replies: Any) -> ScriptedModel:
    return ScriptedModel(replies=replies, model="stand-in")


@pytest.mark.parametrize("api", ["openai", "openai-responses"])
def test_a_plain_graph_waits_as_long_as_retry_after_says(api: str) -> None:
    with faulty_server(SLOW_DOWN, Act()) as server:
        output = standard(spec(server, api)).compile().invoke(QUESTION, context=Settings(seed=1))
    assert output["answer"] == "7"
    assert len(server.asked) == 2
    assert server.times[1] - server.times[0] >= 0.4


@pytest.mark.parametrize("act", [DOWN, Act(status=429, headers={"retry-after-ms": "1"})], ids=["500", "429"])
def test_retries_of_client_and_graph_do_not_multiply(act: Act) -> None:
    with faulty_server(act) as server, pytest.raises(SolverError, match="refused by the test"):
        standard(spec(server)).compile().invoke(QUESTION)
    assert len(server.asked) == 3


def test_a_model_without_retries_of_its_own_is_asked_again_by_its_node() -> None:
    output = standard(saying(ConnectionError("reset"), "Answer: 7")).compile().invoke(QUESTION)
    assert output["answer"] == "7"
    assert [call.get("retries") for call in output["ledger"]] == [1]


async def test_the_retries_of_a_metered_model_are_in_the_ledger() -> None:
    with faulty_server(Act(status=503, headers={"retry-after-ms": "50"}), Act()) as server:
        model = metered(load_model(spec(server), max_retries=0), most=2)
        output = await standard(model).compile().ainvoke(QUESTION)
    assert [call.get("retries") for call in output["ledger"]] == [1]


@pytest.mark.parametrize("api", ["openai", "openai-responses"])
async def test_a_stream_that_is_cut_is_asked_again(api: str) -> None:
    with faulty_server(Act("I add 3 and 4\nAnswer: 7", cut=3), Act()) as server:
        graph = standard(spec(server, api)).compile()
        parts: list[Any] = [part async for part in graph.astream(QUESTION, stream_mode=["messages", "values"])]
    mode, output = parts[-1]
    assert mode == "values"
    assert output["answer"] == "7"
    assert len(server.asked) == 2
    (call,) = output["ledger"]
    assert (call.get("retries"), len(call.get("lost", []))) == (1, 1)


@pytest.mark.parametrize(
    ("act", "calls"), [(Act(body="{not json"), 3), (Act(body='{"choices": null}'), 1)], ids=["malformed", "no choices"]
)
def test_a_reply_that_cannot_be_read_is_an_error_and_no_answer(act: Act, calls: int) -> None:
    with faulty_server(act) as server, pytest.raises(SolverError, match="the solver failed"):
        standard(spec(server)).compile().invoke(QUESTION)
    assert len(server.asked) == calls, "JSON that is none may have been cut, and is asked for again"


def test_an_empty_reply_is_no_answer_and_says_so() -> None:
    with faulty_server(Act("")) as server:
        output = standard(spec(server)).compile().invoke(QUESTION)
    assert output["answer"] is None
    assert [(attempt["finish"], attempt["error"]) for attempt in output["attempts"]] == [("empty", None)]


def test_a_guide_that_is_down_leads_to_the_solver_and_the_result_says_so() -> None:
    output = guided("openai:guide@http://127.0.0.1:9/v1", saying("Answer: 7")).compile().invoke(QUESTION)
    assert (output["answer"], output["route"]) == ("7", "direct")
    assert output["reason"].startswith("the guide failed: OpenAIConnectionError")


async def test_a_slow_guide_is_asked_once_and_leads_to_the_solver() -> None:
    with faulty_server(Act(PLAN, wait_s=3.0)) as server:
        graph, start = guided(spec(server), saying("Answer: 7"), guide_timeout=0.5).compile(), time.monotonic()
        output = await graph.ainvoke(QUESTION)
        assert time.monotonic() - start < 2.5
    assert (output["answer"], output["route"], len(server.asked)) == ("7", "direct", 1)
    assert "the guide failed: NodeTimeoutError" in output["reason"]
    assert [(call["role"], bool(call["error"])) for call in output["ledger"]] == [("guide", True), ("solver", False)]


async def test_without_a_timeout_of_its_own_the_guide_has_that_of_all_calls() -> None:
    slow = ScriptedModel(replies=lambda _: PLAN, latency_s=3.0)
    output = await guided(slow, saying("Answer: 7"), timeout=0.3).compile().ainvoke(QUESTION)
    assert (output["route"], len(slow.calls)) == ("direct", 0)


@pytest.mark.parametrize("graph", ["standard", "cot", "guided"])
async def test_the_fallback_answers_when_the_solver_fails(graph: str) -> None:
    with faulty_server(DOWN) as server:
        stand_in = saying("Answer: 7")
        made = {
            "standard": lambda: standard(spec(server), fallback=stand_in),
            "cot": lambda: cot(spec(server), fallback=stand_in),
            "guided": lambda: guided(saying(PLAN), spec(server), fallback=stand_in),
        }[graph]()
        output = await made.compile().ainvoke(QUESTION)
    assert output["answer"] == "7"
    (attempt,) = output["attempts"]
    assert (attempt["fallback"], attempt["error"]) == ("scriptedmodel:stand-in", None)
    assert output["reason"].endswith(
        "; the solver failed, and the fallback scriptedmodel:stand-in answered 1 of 1 attempts"
    )
    solver = [(call["model"], bool(call["error"])) for call in output["ledger"] if call["role"] == "solver"]
    assert solver == [("openai-compatible:solver", True), ("scriptedmodel:stand-in", False)]
    shown = [message["content"] for message in server.asked[0]["messages"]]
    assert [message.text for message in stand_in.calls[0]] == shown, "the same prompt"


def test_only_failed_attempts_go_to_the_fallback_and_the_vote_waits_for_them() -> None:
    solver = saying("Answer: 1", ValueError("bad"), ValueError("bad"))
    stand_in = ScriptedModel(replies=lambda _: "Answer: 7", latency_s=0.2)
    output = standard(solver, fallback=stand_in).compile().invoke(QUESTION, context=Settings(attempts=3))
    assert output["answer"] == "7"
    assert sorted(attempt["index"] for attempt in output["attempts"]) == [0, 1, 2]
    assert sum("fallback" in attempt for attempt in output["attempts"]) == 2
    assert "answered 2 of 3 attempts" in output["reason"]
    assert sorted(bool(call["error"]) for call in output["ledger"]) == [False, False, False, True, True]


def test_a_fallback_that_fails_too_is_an_error_with_both_calls() -> None:
    with pytest.raises(SolverError, match="also down") as raised:
        standard(saying(ValueError("down")), fallback=saying(ValueError("also down"))).compile().invoke(QUESTION)
    assert [call["error"] for call in raised.value.ledger] == ["ValueError: down", "ValueError: also down"]


@pytest.mark.parametrize("error", [BudgetSpent("no money"), ModelError("no such model")], ids=["budget", "user"])
def test_a_spent_budget_and_a_users_mistake_stop_the_question(error: Exception) -> None:
    stand_in = saying("Answer: 7")
    with pytest.raises(type(error)):
        standard(saying(error), fallback=stand_in).compile().invoke(QUESTION)
    assert stand_in.calls == []


def test_an_answer_of_the_solver_leaves_the_fallback_alone() -> None:
    stand_in = saying("Answer: 1")
    output = standard(saying("Answer: 7"), fallback=stand_in).compile().invoke(QUESTION)
    assert (output["answer"], output["reason"], stand_in.calls) == ("7", "the arm asks the solver directly", [])


def test_a_node_repeats_only_what_a_client_with_retries_does_not() -> None:
    class Status(Exception):
        status_code = 503

    with faulty_server(Act()) as server:
        by_itself, once = load_model(spec(server)), load_model(spec(server), max_retries=0)
    for model, expected in ((by_itself, False), (once, True), (saying(), True)):
        retry_on = retry_policy(model).retry_on
        assert callable(retry_on)
        assert retry_on(Status("busy")) is expected
        assert retry_on(ConnectionError("the reply broke off"))
        assert not retry_on(ValueError("bug"))
