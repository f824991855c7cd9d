"""The eval graph: arms side by side, each with its own outcome."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hosted import Hosted
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from sg_agent.errors import DataError
from sg_agent.evals.arms import Setup, make_arms
from sg_agent.evals.graph import ArmResult, eval_graph
from sg_agent.evals.suites import load_suite
from sg_agent.graphs.state import Settings
from sg_agent.rows import Passage, Row
from sg_agent.scripted import ScriptedModel

ROW = load_suite("depot", limit=2).rows[0]
REQUEST = httpx.Request("POST", "http://127.0.0.1")
PLAN = "1. Start with the pens.\n2. Subtract Tuesday."
Reply = Callable[[list[BaseMessage]], str | Exception]


def phase(messages: list[BaseMessage]) -> str:
    """Which prompt the messages come from."""
    system = str(messages[0].content)
    return next(
        name
        for name, sign in (("guide", "Write a"), ("solver", "guidance"), ("cot", "step by step"), ("standard", ""))
        if sign in system
    )


def run(row: Row, reply: Reply, *arms: str, rows: tuple[Row, ...] = ()) -> dict[str, ArmResult]:
    model = ScriptedModel(replies=reply)
    made = make_arms(arms, Setup(rows or (row,), model, model))
    graph = eval_graph(made, _load).compile()
    asked: Any = {"row": row.model_dump(), "arms": list(arms)}
    output = asyncio.run(graph.ainvoke(asked, context=Settings()))
    return {result["arm"]: result for result in output["results"]}


def _load(model: str | BaseChatModel) -> BaseChatModel:
    assert isinstance(model, BaseChatModel)
    return model


def test_each_arm_is_scored_by_itself() -> None:
    replies = {"guide": PLAN, "solver": f"Answer: {ROW.answer}", "cot": "Answer: -1", "standard": "no idea"}
    results = run(ROW, lambda messages: replies[phase(messages)], "standard", "cot", "guided")
    assert {arm: result["outcome"] for arm, result in results.items()} == {
        "standard": "unparsed",
        "cot": "wrong",
        "guided": "correct",
    }
    guided = results["guided"]
    assert (guided["guidance"], guided["route"], guided["error"]) == (PLAN, "guided", None)
    assert [call["role"] for call in guided["ledger"]] == ["guide", "solver"]
    assert [attempt["text"] for attempt in guided["attempts"]] == [f"Answer: {ROW.answer}"]
    assert guided["prompts"]


def test_an_arm_that_fails_is_an_error_and_leaves_the_others_alone() -> None:
    def reply(messages: list[BaseMessage]) -> str | Exception:
        return RuntimeError("outage") if phase(messages) == "cot" else f"Answer: {ROW.answer}"

    results = run(ROW, reply, "standard", "cot")
    assert results["standard"]["outcome"] == "correct"
    failed = results["cot"]
    assert (failed["outcome"], failed["correct"], failed["f1"]) == ("error", None, None)
    assert "outage" in str(failed["error"])
    assert [call["error"] for call in failed["ledger"]] == ["RuntimeError: outage"]


def failing(model: type[ScriptedModel], reply: Reply, arm: str) -> ArmResult:
    models = model(replies=reply, model="a"), model(replies=reply, model="b")
    made = make_arms((arm,), Setup((ROW,), *models))
    output = asyncio.run(eval_graph(made, _load).compile().ainvoke({"row": ROW.model_dump(), "arms": [arm]}))
    result: ArmResult = output["results"][0]
    assert (result["outcome"], result["correct"]) == ("error", None)
    return result


def test_what_was_paid_before_a_run_broke_off_is_unknown_and_not_nothing() -> None:
    def reply(messages: list[BaseMessage]) -> str | Exception:
        refused = httpx.HTTPStatusError("400", request=REQUEST, response=httpx.Response(400, request=REQUEST))
        error = DataError("the question is too long")
        error.__cause__ = refused
        return PLAN if phase(messages) == "guide" else error

    hosted = failing(Hosted, reply, "guided")
    assert "too long" in str(hosted["error"])
    assert [(call["model"], call["cost_usd"]) for call in hosted["ledger"]] == [("openai:a", None), ("openai:b", None)]
    assert all("too long" in str(call["error"]) for call in hosted["ledger"])
    assert failing(ScriptedModel, reply, "guided")["ledger"] == []


def test_an_answer_that_cannot_be_scored_was_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def score(answer: str | None, row: Row) -> None:
        raise ValueError(f"cannot score {answer} of {row.id}")

    monkeypatch.setattr("sg_agent.evals.graph.score", score)
    result = failing(Hosted, lambda _: "Answer: 7", "cot")
    assert "cannot score 7" in str(result["error"])
    assert [(call["model"], call["error"]) for call in result["ledger"]] == [("openai:b", None)]


def test_an_arm_whose_guide_fails_is_an_error_and_not_its_fallback() -> None:
    def reply(messages: list[BaseMessage]) -> str | Exception:
        return RuntimeError("outage") if phase(messages) == "guide" else f"Answer: {ROW.answer}"

    failed = run(ROW, reply, "guided")["guided"]
    assert (failed["outcome"], failed["correct"]) == ("error", None)
    assert "the guide failed" in str(failed["error"])
    assert [call["role"] for call in failed["ledger"]] == ["guide", "solver"]


def test_oracle_and_placebo_show_gold_guidance_without_a_guide() -> None:
    rows = load_suite("depot", limit=2).rows
    shown: dict[str, list[str]] = {"guide": [], "solver": []}

    def reply(messages: list[BaseMessage]) -> str:
        shown[phase(messages)].append(str(messages[-1].content))
        return "Answer: 1"

    results = run(rows[0], reply, "oracle", "placebo", rows=rows)
    assert shown["guide"] == []
    assert results["oracle"]["guidance"] == rows[0].guidance
    assert results["placebo"]["guidance"] == rows[1].guidance


def test_self_plan_asks_the_solver_for_the_plan() -> None:
    replies = {"guide": PLAN, "solver": f"Answer: {ROW.answer}"}
    solver = ScriptedModel(replies=lambda messages: replies[phase(messages)])
    guide = ScriptedModel(replies=[])
    made = make_arms(("self_plan",), Setup((ROW,), guide, solver))
    output = asyncio.run(eval_graph(made, _load).compile().ainvoke({"row": ROW.model_dump(), "arms": ["self_plan"]}))
    (result,) = output["results"]
    assert (result["outcome"], result["guidance"], guide.calls) == ("correct", PLAN, [])
    assert [phase(messages) for messages in solver.calls] == ["guide", "solver"]


def test_guide_alone_answers_with_the_guides_model_and_leaves_the_solver_out() -> None:
    guide, solver = ScriptedModel(replies=[f"Answer: {ROW.answer}"]), ScriptedModel(replies=[])
    made = make_arms(("guide_alone",), Setup((ROW,), guide, solver))
    output = asyncio.run(eval_graph(made, _load).compile().ainvoke({"row": ROW.model_dump(), "arms": ["guide_alone"]}))
    assert output["results"][0]["outcome"] == "correct"
    assert [phase(messages) for messages in guide.calls] == ["cot"]


def test_leak_shows_the_guidance_and_nothing_of_the_question() -> None:
    row = Row(
        id="1",
        question="Which colour has the harbour?",
        answer="B",
        choices=["cobalt", "ochre"],
        context=[Passage(title="Harbours", text="They are painted yearly.")],
        task="multiple_choice",
    )
    plan = "1. Recall the harbour.\n2. Choose the ochre one."
    shown: dict[str, str] = {}

    def reply(messages: list[BaseMessage]) -> str:
        shown[phase(messages)] = "\n".join(message.text for message in messages)
        return plan if phase(messages) == "guide" else "Answer: ochre"

    result = run(row, reply, "leak")["leak"]
    assert (result["outcome"], result["guidance"], result["route"]) == ("correct", plan, "guided")
    assert "Which colour" in shown["guide"]
    assert plan in shown["solver"]
    for hidden in ("Which colour", "cobalt", "Harbours", "yearly"):
        assert hidden not in shown["solver"]
    assert result["prompts"]["leak"].startswith("v1/leak/multiple_choice@")


def test_leak_without_usable_guidance_has_no_answer_and_asks_no_solver() -> None:
    asked: list[str] = []

    def reply(messages: list[BaseMessage]) -> str:
        asked.append(phase(messages))
        return "Answer: 7"

    result = run(ROW, reply, "leak")["leak"]
    assert (result["answer"], result["outcome"], result["attempts"]) == (None, "unparsed", [])
    assert asked == ["guide", "guide"]
    assert [call["role"] for call in result["ledger"]] == ["guide", "guide"]


def test_leak_whose_guide_fails_is_an_error_that_asks_no_solver() -> None:
    asked: list[str] = []

    def reply(messages: list[BaseMessage]) -> Exception:
        asked.append(phase(messages))
        return RuntimeError("outage")

    result = run(ROW, reply, "leak")["leak"]
    assert (result["outcome"], asked) == ("error", ["guide"])
    assert "the guide failed" in str(result["error"])


def test_attempts_of_one_arm_vote_and_leave_the_other_at_one() -> None:
    said = {"cot": iter(["Answer: -1", f"Answer: {ROW.answer}", f"Answer: {ROW.answer}"])}

    def reply(messages: list[BaseMessage]) -> str:
        return next(said[phase(messages)]) if phase(messages) in said else "Answer: -1"

    results = run(ROW, reply, "cot@3", "standard")
    assert (results["cot@3"]["outcome"], len(results["cot@3"]["attempts"])) == ("correct", 3)
    assert [call["attempt"] for call in results["cot@3"]["ledger"]] == [0, 1, 2]
    assert (results["standard"]["outcome"], len(results["standard"]["attempts"])) == ("wrong", 1)


def test_several_attempts_are_sampled_while_guide_and_single_attempts_are_greedy() -> None:
    seen: set[tuple[str, Any]] = set()

    class Watched(ScriptedModel):
        async def _agenerate(self, messages: list[BaseMessage], *args: Any, **settings: Any) -> Any:
            seen.add((phase(messages), settings["temperature"]))
            return await super()._agenerate(messages, *args, **settings)

    model = Watched(replies=lambda messages: PLAN if phase(messages) == "guide" else "Answer: 7")
    made = make_arms(("guided@2", "cot", "standard@2"), Setup((ROW,), model, model))
    for settings in (Settings(), Settings(temperature=0.3)):
        asked: Any = {"row": ROW.model_dump(), "arms": [arm.name for arm in made]}
        asyncio.run(eval_graph(made, _load).compile().ainvoke(asked, context=settings))
    assert seen == {
        ("guide", 0.0),
        ("solver", 0.7),
        ("cot", 0.0),
        ("standard", 0.7),
        ("solver", 0.3),
        ("cot", 0.3),
        ("standard", 0.3),
    }


def test_arms_run_at_the_same_time_and_are_streamed_as_they_finish() -> None:
    fast_seen = asyncio.Event()

    class SlowAtCot(ScriptedModel):
        async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
            if phase(messages) == "cot":
                await asyncio.wait_for(fast_seen.wait(), timeout=20)
            return await super()._agenerate(messages, *args, **kwargs)

    model = SlowAtCot(replies=lambda _: f"Answer: {ROW.answer}")
    graph = eval_graph(make_arms(("standard", "cot"), Setup((ROW,), model, model)), _load).compile()

    async def stream() -> list[str]:
        order = []
        asked: Any = {"row": ROW.model_dump(), "arms": ["standard", "cot"]}
        async for update in graph.astream(asked, context=Settings(), stream_mode="updates"):
            order += list(update)
            fast_seen.set()
        return order

    assert asyncio.run(stream()) == ["standard", "cot"]
