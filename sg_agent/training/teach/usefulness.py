"""Is guidance useful? Only when a solver that is shown it answers right. Its failures say nothing about guidance."""

import asyncio

from langchain_core.language_models import BaseChatModel

from sg_agent import graphs
from sg_agent.checks import check_guidance
from sg_agent.evals.arms import question_input
from sg_agent.evals.scoring import score
from sg_agent.graphs.sampling import greedy
from sg_agent.graphs.state import Settings
from sg_agent.prices import Prices
from sg_agent.rows import Kind, Row
from sg_agent.training.teach.filters import USEFULNESS, Rejection
from sg_agent.training.teach.store import Verified
from sg_agent.training.teach.teacher import now


class Verifier:
    """Asks `solver` as the guided graph does, guidance given; its guide is never asked. Once, at temperature 0."""

    def __init__(self, solver: BaseChatModel, prices: Prices | None = None) -> None:
        self._graph = graphs.guided(solver, solver, prices=prices).compile()

    async def verify(self, row: Row, guidance: str, kind: Kind) -> Verified:
        """The solver's answer and whether it is right. Raises SolverError when the solver fails, after retries."""
        asked = question_input(row, guidance=guidance)
        done = await self._graph.ainvoke(asked, context=greedy(Settings(kind=kind)))
        scored = await asyncio.to_thread(score, done["answer"], row)  # may take seconds
        return Verified(
            id=row.id,
            role="solver",
            answer=done["answer"],
            correct=scored.correct,
            created=now(),
            calls=done["ledger"],
        )


def unusable(row: Row, guidance: str, kind: Kind) -> Rejection | None:
    """Why the gate would keep the guidance from the solver, which then need not be asked; None when it would not."""
    problem = check_guidance(guidance, kind, row.shown_text)
    return Rejection(USEFULNESS, f"never reaches a solver: {problem}") if problem else None


def useless(verified: Verified, row: Row) -> Rejection | None:
    """Why guidance is not useful, None when it is."""
    if verified["correct"]:
        return None
    return Rejection(USEFULNESS, f"the solver answered {verified['answer']!r}, not {row.answer!r}")
