"""The Inspect task of an eval: a sample per question, a solver that runs the eval graph on the arms still missing, and
a scorer that reads one score per arm from the stored results. An arm that ended in an error is unscored, not wrong.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageAssistant
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver
from langgraph.graph.state import CompiledStateGraph

from sg_agent.evals.graph import ArmResult, EvalInput, EvalOutput, EvalState
from sg_agent.evals.store import ResultStore
from sg_agent.gate.decision import decided
from sg_agent.graphs.state import Settings
from sg_agent.rows import Row

CompiledEvalGraph = CompiledStateGraph[EvalState, Settings, EvalInput, EvalOutput]


def eval_task(
    name: str,
    rows: Sequence[Row],
    arms: Sequence[str],
    *,
    graph: CompiledEvalGraph,
    settings: Settings,
    store: ResultStore,
    on_result: Callable[[ArmResult], None],
) -> Task:
    """A task that asks `rows` on those of `arms` that the store has no good result of, and stores each as it ends."""
    by_id = {row.id: row for row in rows}

    @solver
    def arms_side_by_side() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001 - Inspect\'s signature
            row = by_id[str(state.sample_id)]
            asked: EvalInput = {"row": row.model_dump(), "arms": store.missing(row.id, arms)}
            async for update in graph.astream(asked, context=settings, stream_mode="updates"):
                for result in _results(update):
                    store.append(result)
                    on_result(result)
                    state.messages.append(ChatMessageAssistant(content=transcript(result)))
            state.completed = True
            return state

        return solve

    @scorer(metrics={"*": [mean(), stderr()]})
    def correct_by_arm() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001 - Inspect\'s signature
            found = {arm: store.latest.get((str(state.sample_id), arm)) for arm in arms}
            results = [result for result in found.values() if result]
            return Score(
                value={arm: _value(result) for arm, result in found.items()},
                answer=", ".join(f"{result['arm']}: {result['answer']}" for result in results),
                # Whole results would be copied and compressed many times over; they are in results.jsonl.
                metadata={result["arm"]: result["outcome"] for result in results},
            )

        return score

    samples = [Sample(id=row.id, input=row.question, target=row.answer) for row in rows]
    return Task(
        dataset=MemoryDataset(samples, name=name), solver=arms_side_by_side(), scorer=correct_by_arm(), name=name
    )


def _results(update: Any) -> Iterable[ArmResult]:
    """The results in one streamed update, {arm: {"results": [...]}}."""
    return [result for output in update.values() for result in output["results"]]


def _value(result: ArmResult | None) -> float:
    """1 or 0; NaN, which Inspect counts as unscored, for an error and for what a budget left unasked."""
    return math.nan if result is None or result["correct"] is None else float(result["correct"])


def transcript(result: ArmResult) -> str:
    """What Inspect's viewer shows of an arm: outcome, what was decided, guidance, and the replies or the error."""
    guidance = [f"guidance:\n{result['guidance']}"] if result["guidance"] else []
    said = [result["error"]] if result["error"] else [attempt["text"] for attempt in result["attempts"]]
    decisions = filter(None, decided(result).values())
    why = [f"{decision['route']}: {decision['reason']} {decision['scores'] or ''}".strip() for decision in decisions]
    return "\n\n".join([f"{result['arm']}: {result['outcome']}", *why, *guidance, *said])
