"""`leak`: how much of the answer the guidance holds."""

from langgraph.types import Send

from sg_agent.evals.arms.arm import Arm, Setup
from sg_agent.graphs.build import Calls, Graph, add_guide, solver_graph
from sg_agent.graphs.nodes import attempts
from sg_agent.graphs.state import State
from sg_agent.models import Model
from sg_agent.prices import Prices


def leak(setup: Setup) -> Arm:
    """The guide writes guidance on the question, the solver sees the guidance alone: no question, passages or choices.

    Controls for a guide that answers instead of guiding: what this arm gets right is given away (or guessed). A
    rationale quotes evidence, so giving away is its trade; a plan's is not. Where no guidance passes the check nothing
    is shown, and there is no answer.
    """
    return Arm(
        "leak",
        (setup.guide, setup.solver),
        lambda load: leak_graph(load(setup.guide), load(setup.solver), prices=setup.prices),
        phases=("guide", "leak"),
        control=True,
    )


def leak_graph(guide: Model, solver: Model, *, prices: Prices | None = None) -> Graph:
    """Uncompiled: START -> route -> guide -> check -> solve (x n attempts, by the prompt of `leak`) -> vote -> END.

    From check it is back to guide once, then to vote without an answer.
    """
    calls = Calls(prices=prices)
    graph = solver_graph(solver, calls, solve)
    add_guide(graph, guide, calls, onward=solve, ends=["solve", "vote"])
    return graph


def solve(state: State) -> list[Send] | str:
    """Show the solver the guidance alone, or end without an answer."""
    return "vote" if state["guidance"] is None else attempts(state, "leak")
