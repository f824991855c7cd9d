"""`leak`: how much of the answer the guidance holds."""

from typing import Literal

from langgraph.types import Send

from sg_agent.evals.arms.arm import Arm, Setup
from sg_agent.graphs.build import Calls, Graph, add_guide, solver_graph
from sg_agent.graphs.nodes import DRAFTS, attempts, check
from sg_agent.graphs.state import State
from sg_agent.models import Model, load_model
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
    graph = solver_graph(solver, calls)
    add_guide(graph, load_model(guide), calls, onward=lambda _: "vote")
    graph.add_node("check", check)
    graph.add_edge("route", "guide")
    graph.add_edge("guide", "check")
    graph.add_conditional_edges("check", after_check, ["guide", "solve", "vote"])
    return graph


def after_check(state: State) -> Literal["guide", "vote"] | list[Send]:
    """On to the solver, back to the guide once, or to the end."""
    if state["guidance"] is not None:
        return attempts(state, "leak")
    return "guide" if state["draft"] and state["draft"]["number"] < DRAFTS else "vote"
