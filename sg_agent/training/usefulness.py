"""How useful a guide's guidance is: the share of questions that a solver answers right when guided by it.

The questions take the way of the `guided` graph, check included. A question that an outage kept from an answer is no
wrong answer: it is left out and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from langchain_core.language_models import BaseChatModel

from sg_agent.evals.arms.arm import question_input
from sg_agent.evals.graph import ArmResult, answered, failed
from sg_agent.graphs import guided
from sg_agent.graphs.state import Settings
from sg_agent.rows import Row


@dataclass(frozen=True)
class Usefulness:
    """`accuracy` is the fraction right of the `n` questions that got an answer; None unless most did."""

    accuracy: float | None
    n: int
    errors: int
    guided: int
    first_error: str | None = None


def measure_usefulness(
    guide: BaseChatModel,
    solver: BaseChatModel,
    rows: Sequence[Row],
    *,
    settings: Settings | None = None,
    concurrency: int = 64,
) -> Usefulness:
    """Ask all of `rows`: errors are left out, `guided` counts answers whose guidance passed the check."""
    graph = guided(guide, solver).compile()
    outputs = graph.batch(
        [question_input(row) for row in rows],
        {"max_concurrency": concurrency},
        context=settings or Settings(),
        return_exceptions=True,
    )
    results: list[ArmResult] = [
        failed(row, "guided", output, 0.0) if isinstance(output, Exception) else answered(row, "guided", output, 0.0)
        for row, output in zip(rows, outputs, strict=True)
    ]
    scored = [result for result in results if result["correct"] is not None]
    most_answered = 2 * len(scored) > len(rows)
    return Usefulness(
        accuracy=fmean(bool(result["correct"]) for result in scored) if most_answered else None,
        n=len(scored),
        errors=len(results) - len(scored),
        guided=sum(result["route"] == "guided" for result in scored),
        first_error=next((result["error"] for result in results if result["error"]), None),
    )
