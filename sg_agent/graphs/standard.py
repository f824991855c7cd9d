"""The `standard` graph: the solver answers at once.

START -> route -> solve (x n attempts) -> vote -> END
"""

from typing import Any

from langgraph.types import CachePolicy

from sg_agent.graphs.build import Calls, Graph, Timeout, direct_graph
from sg_agent.graphs.nodes import Prompts
from sg_agent.models import Model
from sg_agent.prices import Prices


def standard(
    solver: Model,
    *,
    prompts: Prompts | None = None,
    cache_policy: CachePolicy[Any] | None = None,
    timeout: Timeout = None,
    fallback: Model | None = None,
    prices: Prices | None = None,
) -> Graph:
    """The solver answers at once. Returns the uncompiled graph over a model or spec; arguments as in `guided`."""
    calls = Calls(prompts or {}, cache_policy, timeout, fallback=fallback, prices=prices)
    return direct_graph("standard", solver, calls)
