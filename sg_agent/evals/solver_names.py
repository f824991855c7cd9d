"""What ledgers call a run's solver: as it was asked, and as its replies name it, which may be a dated version."""

from collections.abc import Iterator, Mapping, Sequence

from sg_agent.errors import ModelError
from sg_agent.evals.arms import asks_solver
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.stand_in import StandIn
from sg_agent.ledger import CallRecord, Source


def solver_names(spec: str, results: Mapping[str, Sequence[ArmResult]]) -> frozenset[str]:
    """The solver's names in the ledgers of `results`; `spec` is how the run names it.

    What its replies say is read where nobody else answers in its place: not in graphs of the user's own, not from a
    fallback or the stronger solver.
    """
    ours = [answer for arm, answers in results.items() if asks_solver(arm) for answer in answers]
    return frozenset([*_asked(spec), *(call["model"] for answer in ours for call in _solved(answer))])


def _asked(spec: str) -> list[str]:
    try:
        return [Source.of(StandIn.of(spec)).spec]
    except ModelError:  # a model object of the user's, whose name is no spec
        return [spec]


def _solved(answer: ArmResult) -> Iterator[CallRecord]:
    others = {tried["index"] for tried in answer["attempts"] if "fallback" in tried or "stronger" in tried}
    for call in answer["ledger"]:
        if call["role"] == "solver" and call["attempt"] not in others and not call["error"]:
            yield call
