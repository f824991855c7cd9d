"""The `guided` graph: a guide writes guidance, a gate checks it, a frozen solver answers with it.

START -> route -+-> guide -> check -+-> solve (x n attempts) -> vote -> END
                |     `- failed ----+ (directly, by chain of thought)
                |             `- invalid twice -+
                `- guidance given -> check

With `review`, guidance that passed the check goes check -> review -> solve: a person approves, edits or rejects it.
"""

from typing import Any

from langgraph.types import CachePolicy, Send

from sg_agent.graphs.build import Calls, Graph, Timeout, add_guide, solver_graph
from sg_agent.graphs.nodes import Prompts, attempts
from sg_agent.graphs.state import State
from sg_agent.models import Model
from sg_agent.prices import Prices


def guided(
    guide: Model,
    solver: Model,
    *,
    prompts: Prompts | None = None,
    cache_policy: CachePolicy[Any] | None = None,
    timeout: Timeout = None,
    review: bool = False,
    guide_timeout: Timeout = None,
    fallback: Model | None = None,
    prices: Prices | None = None,
) -> Graph:
    """The uncompiled graph over two models or specs; compile it with the checkpointer, cache and store of your choice.

    Guidance that fails the check is written again once; then, or when the guide fails, the question goes to the
    solver's own chain of thought and `reason` says why. `prompts` maps a phase to a template of your own.
    `cache_policy` lets guide and solve be cached; `timeout` bounds one model call in seconds, in async runs only
    (LangGraph cannot cancel a sync node), and `guide_timeout` a call of the guide, which is then not asked again. An
    attempt at which the solver fails, after its retries, goes once to the `fallback`, by the same prompt. `prices` are
    the user's own. With `review` a run stops before the solver and waits for a person (review.py says what is asked and
    what `Command(resume=...)` may answer); it needs a checkpointer. Raises ModelError for a spec that cannot be used.
    """
    calls = Calls(prompts or {}, cache_policy, timeout, guide_timeout, fallback, prices)
    graph = solver_graph(solver, calls, solve)
    add_guide(graph, guide, calls, onward=solve, ends=["solve"], review=review)
    return graph


def solve(state: State) -> list[Send]:
    """Ask the solver: without guidance by its own chain of thought, the best it can do alone."""
    return attempts(state, "cot" if state["guidance"] is None else "solver")
