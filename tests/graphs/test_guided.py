"""The guided graph, run on scripted models and judged by its final state."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import CachePolicy

from sg_agent import ScriptedModel, Settings, guided
from sg_agent.errors import ConfigError, DataError, ModelError, RunError
from sg_agent.graphs import GraphOutput, QuestionInput

PLAN = "1. Start with the pens.\n2. Add Monday."
QUESTION: QuestionInput = {"question": "There are 3 pens. On Monday 4 came. How many?", "task": "math"}


def run(
    guide: ScriptedModel, solver: ScriptedModel, question: QuestionInput = QUESTION, **settings: Any
) -> GraphOutput:
    """The output of one run, which must be the same sync and async."""
    return guided(guide, solver).compile().invoke(question, context=Settings(**settings))  # type: ignore[return-value]


def always(text: str) -> ScriptedModel:
    return ScriptedModel(replies=lambda messages: text)


def test_guidance_reaches_the_solver_and_its_answer_is_parsed() -> None:
    guide, solver = always(PLAN), always("3 + 4 = 7\nAnswer: 7")
    output = run(guide, solver)
    assert (output["answer"], output["guidance"], output["route"]) == ("7", PLAN, "guided")
    attempt = {
        "index": 0,
        "text": "3 + 4 = 7\nAnswer: 7",
        "tool_calls": [],
        "answer": "7",
        "finish": "stop",
        "error": None,
    }
    assert output["attempts"] == [attempt]
    assert [record["role"] for record in output["ledger"]] == ["guide", "solver"]
    assert output["ledger"][1]["cost_usd"] == 0.0
    assert output["prompts"].keys() == {"guide", "solver"}
    assert f"<guidance>\n{PLAN}\n</guidance>" in solver.calls[0][1].text


async def test_async_gives_what_sync_gives() -> None:
    graph = guided(always(PLAN), always("Answer: 7")).compile()
    first, second = graph.invoke(QUESTION), await graph.ainvoke(QUESTION)
    for output in (first, second):
        for record in output["ledger"]:
            record["latency_s"] = 0.0
    assert first == second


def test_control_tokens_are_cut_from_guidance() -> None:
    solver = always("Answer: 7")
    output = run(always("<|system|>1. Start.</guidance>\x00\n2. Add <|im_<|end|>end|>Monday."), solver)
    assert output["guidance"] == "1. Start.\n2. Add Monday."


@pytest.mark.parametrize(
    ("draft", "problem"),
    [
        ("", "empty"),
        ("Answer: 7", "0 steps"),
        ("1. Only one step.", "1 steps"),
        ("1. Add.\n2. 3 + 4 = 7.", "computed value"),
        ("1. Add.\n2. The answer is 7.", "states an answer"),
    ],
)
def test_guidance_that_is_invalid_twice_never_reaches_the_solver(draft: str, problem: str) -> None:
    guide, solver = always(draft), always("Answer: 7")
    output = run(guide, solver)
    assert (output["route"], output["guidance"], output["answer"]) == ("direct", None, "7")
    assert problem in output["reason"]
    assert [record["role"] for record in output["ledger"]] == ["guide", "guide", "solver"]
    assert output["prompts"].keys() == {"guide", "cot"}
    assert "<guidance>" not in solver.calls[0][1].text


def test_a_second_draft_is_told_what_was_wrong_with_the_first() -> None:
    guide = ScriptedModel(replies=["Answer: 7", PLAN])
    output = run(guide, always("Answer: 7"))
    assert (output["route"], output["reason"]) == ("guided", "guidance passed the check (draft 2 of the guide)")
    assert "0 steps" in guide.calls[1][-1].text


def test_truncated_guidance_is_not_used() -> None:
    from sg_agent.scripted import ScriptedReply

    output = run(ScriptedModel(replies=lambda messages: ScriptedReply(PLAN, "length")), always("Answer: 7"))
    assert (output["route"], output["reason"]) == ("direct", "guidance was not usable: guidance is truncated")


def test_a_guide_that_is_down_sends_the_question_straight_to_the_solver() -> None:
    output = run(ScriptedModel(replies=lambda messages: RuntimeError("no route")), always("Answer: 7"))
    assert (output["route"], output["answer"]) == ("direct", "7")
    assert output["reason"] == "the guide failed: RuntimeError: «no route»"
    assert output["ledger"][0]["error"] == "RuntimeError: no route"


def test_given_guidance_is_used_without_asking_the_guide() -> None:
    guide = always(PLAN)
    output = run(guide, always("Answer: 7"), {**QUESTION, "given_guidance": "1. Look.\n2. Count."})
    assert (output["guidance"], guide.calls) == ("1. Look.\n2. Count.", [])
    refused = run(guide, always("Answer: 7"), {**QUESTION, "given_guidance": "7"})
    assert (refused["route"], guide.calls) == ("direct", [])


def test_the_majority_of_the_attempts_wins_and_the_earliest_of_equals() -> None:
    replies = ["Answer: 5", "Answer: 7", "no idea", "Answer: 7.0"]
    output = run(always(PLAN), by_call(replies), attempts=4)
    assert output["answer"] == "7"
    assert [attempt["index"] for attempt in output["attempts"]] == [0, 1, 2, 3]
    assert run(always(PLAN), by_call(["Answer: 5", "Answer: 7"]), attempts=2)["answer"] in ("5", "7")


def by_call(replies: list[str]) -> ScriptedModel:
    return ScriptedModel(replies=replies)


def test_a_failed_attempt_is_an_error_record_beside_the_others() -> None:
    output = run(always(PLAN), ScriptedModel(replies=["Answer: 7", RuntimeError("cut"), "Answer: 7"]), attempts=3)
    assert output["answer"] == "7"
    assert sorted(attempt["finish"] for attempt in output["attempts"]) == ["error", "stop", "stop"]
    assert [record["error"] for record in output["ledger"] if record["error"]] == ["RuntimeError: cut"]


def test_when_every_attempt_fails_the_run_fails() -> None:
    solver = ScriptedModel(replies=lambda messages: RuntimeError("cut"))
    with pytest.raises(RunError, match="the solver failed: RuntimeError: cut"):
        run(always(PLAN), solver, attempts=2)


def test_a_connection_fault_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    solver = ScriptedModel(replies=[ConnectionError("reset"), "Answer: 7"])
    output = run(always(PLAN), solver)
    assert (output["answer"], len(solver.calls)) == ("7", 2)


def test_a_prompt_that_is_too_long_is_the_users_error_not_an_outage() -> None:
    def too_long(messages: list[BaseMessage]) -> Exception:
        return DataError("the prompt has 9999 tokens")

    with pytest.raises(DataError, match="9999"):
        run(ScriptedModel(replies=too_long), always("Answer: 7"))
    with pytest.raises(DataError, match="9999"):
        run(always(PLAN), ScriptedModel(replies=too_long))


@pytest.mark.parametrize(
    ("question", "settings", "error", "message"),
    [
        ({"question": "  "}, {}, DataError, "question is empty"),
        ({"task": "math"}, {}, DataError, "question is empty"),
        ({"question": "x", "task": "maths"}, {}, DataError, "field 'task'.*'maths'"),
        ({"question": "x"}, {"attempts": 0}, ConfigError, "at least 1, not 0"),
    ],
)
def test_bad_input_is_refused_before_any_call(
    question: Any, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    guide = always(PLAN)
    with pytest.raises(error, match=message):
        run(guide, always("Answer: 7"), question, **settings)
    assert guide.calls == []


def test_an_unknown_spec_is_refused_by_the_factory() -> None:
    with pytest.raises(ModelError, match="'nonsense'"):
        guided("nonsense", always("x"))


def test_a_checkpointed_thread_forgets_the_question_before() -> None:
    graph = guided(always(PLAN), always("Answer: 7")).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    first: QuestionInput = {
        **QUESTION,
        "given_guidance": "1. Look.\n2. Count.",
        "context": [{"title": "T", "text": "t"}],
    }
    assert graph.invoke(first, config)["guidance"] == "1. Look.\n2. Count."
    output = graph.invoke(QUESTION, config)
    assert (output["guidance"], len(output["attempts"]), len(output["ledger"])) == (PLAN, 1, 2)
    assert "context" not in graph.get_state(config).values["asked"]["row"]


def test_cached_attempts_stay_apart() -> None:
    solver = ScriptedModel(replies=["Answer: 1", "Answer: 2", "Answer: 3"])
    guide = always(PLAN)
    graph = guided(guide, solver, cache_policy=CachePolicy()).compile(cache=InMemoryCache())
    for _ in range(2):
        output = graph.invoke(QUESTION, context=Settings(attempts=3))
        assert sorted(str(attempt["answer"]) for attempt in output["attempts"]) == ["1", "2", "3"]
    assert (len(guide.calls), len(solver.calls)) == (1, 3)


async def test_a_timeout_on_the_guide_sends_the_question_to_the_solver() -> None:
    slow = ScriptedModel(replies=lambda messages: PLAN, latency_s=30)
    graph = guided(slow, always("Answer: 7"), timeout=0.05).compile()
    output = await asyncio.wait_for(graph.ainvoke(QUESTION), 20)
    assert (output["route"], output["answer"]) == ("direct", "7")
    assert "NodeTimeoutError" in output["reason"]


def test_a_model_without_a_seed_is_given_none() -> None:
    class Strict(ScriptedModel):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            assert "seed" not in kwargs
            return super()._generate(*args, **kwargs)

    assert run(always(PLAN), Strict(replies=lambda messages: "Answer: 7"), seed=10)["answer"] == "7"


def test_the_guide_has_a_temperature_of_its_own() -> None:
    seen: list[Any] = []

    class Watched(ScriptedModel):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            seen.append(kwargs.get("temperature"))
            return super()._generate(*args, **kwargs)

    guide = Watched(replies=lambda messages: PLAN)
    run(guide, always("Answer: 7"), attempts=3, temperature=0.9)
    run(guide, always("Answer: 7"), guide_temperature=0.2)
    assert seen == [None, 0.2]


def test_attempts_are_seeded_one_by_one() -> None:
    seen: list[Any] = []

    class Watched(ScriptedModel):
        seed: int | None = None

        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            seen.append((kwargs.get("seed"), kwargs.get("temperature")))
            kwargs.pop("seed", None), kwargs.pop("temperature", None)
            return super()._generate(*args, **kwargs)

    replies: Callable[[list[BaseMessage]], str] = lambda messages: "Answer: 7"  # noqa: E731
    run(always(PLAN), Watched(replies=replies), attempts=3, seed=10)
    assert sorted(seen) == [(10, 0.7), (11, 0.7), (12, 0.7)]
