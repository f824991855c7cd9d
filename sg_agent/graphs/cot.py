"""The `cot` graph: the solver thinks step by step, then answers.

START -> route -> solve (x n attempts) -> vote -> END
"""

from typing import Any

from langgraph.types import CachePolicy

from sg_agent.graphs.build import Graph, Timeout, direct_graph
from sg_agent.graphs.nodes import Prompts
from sg_agent.models import Model


def cot(
    solver: Model,
    *,
    prompts: Prompts | None = None,
    cache_policy: CachePolicy[Any] | None = None,
    timeout: Timeout = None,
) -> Graph:
    """The uncompiled graph over a model or spec, in which the solver thinks first; arguments as in `guided`."""
    return direct_graph("cot", solver, prompts, cache_policy, timeout)
