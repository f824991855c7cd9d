"""The eval graph: the arms side by side on one question, a branch per arm.

Input {row, arms}, output {results}: one plain record per arm. An arm that raises becomes an error record, never a
wrong answer, and leaves the other arms alone; so does one that got by without a call that failed, because a fallback's
answer is not the arm's. Stream with `stream_mode="updates"` to have each arm as it finishes.
"""

import asyncio
import operator
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, Protocol, TypedDict

from langchain_core.language_models import BaseChatModel
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from sg_agent.errors import BudgetSpent, RunError, SolverError
from sg_agent.evals.arms import Arm, Load
from sg_agent.evals.outcomes import Outcome, outcome
from sg_agent.evals.scoring import score
from sg_agent.gate import Decision
from sg_agent.gate.decision import decided
from sg_agent.graphs.state import Attempt, GraphOutput, Route, Settings
from sg_agent.ledger import CallRecord, failed_call, in_process
from sg_agent.models import Model
from sg_agent.rows import Row

if TYPE_CHECKING:
    EvalGraph = StateGraph["EvalState", Settings, "EvalInput", "EvalOutput"]

LONGEST_ERROR = 500

Admit = Callable[[], AbstractAsyncContextManager[object]]


class ArmResult(TypedDict):
    """One arm's answer to one question, a line of results.jsonl. `latency_s` is the arm's time on the clock.

    `decision`, `reconsidered` and `recheck` are there of the arm `auto`.
    """

    id: str
    arm: str
    answer: str | None
    correct: bool | None
    f1: float | None
    outcome: Outcome
    error: str | None
    route: Route | None
    reason: str | None
    guidance: str | None
    attempts: list[Attempt]
    ledger: list[CallRecord]
    latency_s: float
    prompts: dict[str, str]
    decision: NotRequired[Decision]
    reconsidered: NotRequired[Decision | None]
    recheck: NotRequired[Decision | None]


class EvalInput(TypedDict):
    """A row (as `Row.model_dump` gives it) and the names of the arms to run on it."""

    row: dict[str, Any]
    arms: list[str]


class EvalOutput(TypedDict):
    results: Annotated[list[ArmResult], operator.add]


class EvalState(EvalInput, EvalOutput):
    pass


class Branch(Protocol):
    """A node that runs one arm."""

    def __call__(self, state: EvalState, *, runtime: Runtime[Settings]) -> Awaitable[EvalOutput]: ...


def eval_graph(arms: Sequence[Arm], load: Load, *, admit: Admit = nullcontext) -> "EvalGraph":
    """The uncompiled graph of `arms`, their models loaded by `load`. Run it async, with Settings as its context.

    Each arm answers within a context of `admit`, which may make it wait; that time is not the arm's. An arm that
    meets BudgetSpent, there or in a call, has no result at all.
    """
    graph: EvalGraph = StateGraph(EvalState, Settings, input_schema=EvalInput, output_schema=EvalOutput)
    for arm in arms:
        graph.add_node(arm.name, _branch(arm, load, admit))
    graph.add_conditional_edges(START, lambda state: state["arms"], [arm.name for arm in arms])
    return graph


def _branch(arm: Arm, load: Load, admit: Admit) -> Branch:
    models: list[BaseChatModel] = []

    def loaded(model: Model) -> BaseChatModel:
        models.append(load(model))
        return models[-1]

    compiled = arm.graph(loaded).compile(name=arm.name)

    async def answer(state: EvalState, *, runtime: Runtime[Settings]) -> EvalOutput:
        try:
            async with admit():
                return {"results": [await result(Row.model_validate(state["row"]), runtime.context or Settings())]}
        except BudgetSpent:
            return {"results": []}

    async def result(row: Row, settings: Settings) -> ArmResult:
        start, ledger = time.perf_counter(), None
        try:
            output = await compiled.ainvoke(arm.question(row), context=arm.settings(settings))
            latency_s, ledger = time.perf_counter() - start, output["ledger"]
            return await asyncio.to_thread(answered, row, arm.name, output, latency_s)  # scoring may take seconds
        except BudgetSpent:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary that turns a failed question into an error record
            paid = _paid_till(error, models) if ledger is None else ledger
            return failed(row, arm.name, error, time.perf_counter() - start, paid)

    return answer


def answered(row: Row, arm: str, output: GraphOutput | dict[str, Any], latency_s: float) -> ArmResult:
    """The record of a question that an arm has answered, scored; an error record when one of its calls failed."""
    if broken := next((call for call in output["ledger"] if call["error"]), None):
        error = RunError(f"the {broken['role']} failed: {broken['error']}")
        return failed(row, arm, error, latency_s, output["ledger"])
    scored = score(output["answer"], row)
    result: ArmResult = {
        "id": row.id,
        "arm": arm,
        "answer": output["answer"],
        "correct": scored.correct,
        "f1": scored.f1,
        "outcome": outcome(output["answer"], scored, output["attempts"]),
        "error": None,
        "route": output["route"],
        "reason": output["reason"],
        "guidance": output["guidance"],
        "attempts": output["attempts"],
        "ledger": output["ledger"],
        "latency_s": round(latency_s, 4),
        "prompts": output["prompts"],
    }
    result |= decided(output)  # type: ignore[typeddict-item] # its keys are three of the TypedDict's
    return result


def _paid_till(error: Exception, models: Sequence[BaseChatModel]) -> list[CallRecord]:
    """The calls that were made before `error` ended a run over `models`.

    Only a SolverError says which. Else each hosted model may have been asked, for nobody knows how much.
    """
    if isinstance(error, SolverError):
        return error.ledger
    calls = [failed_call("solver", model, error) for model in models if not in_process(model)]
    return [{**call, "cost_usd": None} for call in {call["model"]: call for call in calls}.values()]


def failed(row: Row, arm: str, error: Exception, latency_s: float, ledger: list[CallRecord]) -> ArmResult:
    """The record of a question that an arm could not answer: no score at all."""
    return {
        "id": row.id,
        "arm": arm,
        "answer": None,
        "correct": None,
        "f1": None,
        "outcome": "error",
        "error": f"{type(error).__name__}: {error}"[:LONGEST_ERROR],
        "route": None,
        "reason": None,
        "guidance": None,
        "attempts": [],
        "ledger": ledger,
        "latency_s": round(latency_s, 4),
        "prompts": {},
    }
