"""`oracle` and `placebo`: gold guidance of the question itself, and of another question.

Together they separate what guidance says from the form of being guided; no guide's skill enters either of them.
"""

from collections.abc import Callable

from sg_agent import graphs
from sg_agent.errors import ConfigError
from sg_agent.evals.arms.arm import Arm, Load, Setup, question_input
from sg_agent.graphs.build import Graph
from sg_agent.rows import Row


def oracle(setup: Setup) -> Arm:
    """The solver is shown the question's own gold guidance. Controls for the guide's skill: what a perfect guide
    would bring.
    """
    for row in setup.rows:
        _gold(row, "oracle")
    return Arm(
        "oracle",
        (setup.solver,),
        _shown_to(setup),
        lambda row: question_input(row, guidance=_gold(row, "oracle")),
        control=True,
    )


def placebo(setup: Setup) -> Arm:
    """The solver is shown another question's gold guidance: the next row's, in the order of the suite, that differs.

    Controls for the mere presence of guidance.
    """
    others = _next_different({row.id: _gold(row, "placebo") for row in setup.rows})
    return Arm(
        "placebo",
        (setup.solver,),
        _shown_to(setup),
        lambda row: question_input(row, guidance=others[row.id]),
        control=True,
    )


def _shown_to(setup: Setup) -> Callable[[Load], Graph]:
    """The guided graph over the solver alone: guidance is always given, its guide is never asked."""
    return lambda load: graphs.guided(load(setup.solver), load(setup.solver), prices=setup.prices)


def _gold(row: Row, arm: str) -> str:
    if not row.gold:
        raise ConfigError(f"arm {arm!r} needs gold guidance on every row, and row {row.id!r} has none")
    return row.gold


def _next_different(gold: dict[str, str]) -> dict[str, str]:
    """For each row the guidance of the next row, going round, whose guidance differs."""
    ids = list(gold)
    if gold and len(set(gold.values())) < 2:
        raise ConfigError("arm 'placebo' needs at least two rows with different guidance")
    others: dict[str, str] = {}
    for i, row_id in enumerate(ids):
        following = (gold[ids[(i + step) % len(ids)]] for step in range(1, len(ids)))
        others[row_id] = next(text for text in following if text != gold[row_id])
    return others
