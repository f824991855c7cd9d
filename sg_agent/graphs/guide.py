"""The `guide` graph: checked guidance on a question and no answer, as one node for a graph of your own.

START -> route -> guide -> check (-> guide once) -> settle -> END

    graph.add_node("guide", guide("embedded:guide").compile())  # reads `question`, writes `guidance` and `reason`
"""

from typing import Any, TypeAlias

from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy

from sg_agent.graphs.build import ROUTE, Calls, Timeout, add_guide
from sg_agent.graphs.nodes import Prompts
from sg_agent.graphs.state import GuideOutput, QuestionInput, Settings, State
from sg_agent.graphs.step import Step
from sg_agent.graphs.vote import settle
from sg_agent.models import Model
from sg_agent.prices import Prices

GuideGraph: TypeAlias = StateGraph[State, Settings, QuestionInput, GuideOutput]


def guide(
    model: Model,
    *,
    prompts: Prompts | None = None,
    cache_policy: CachePolicy[Any] | None = None,
    timeout: Timeout = None,
    review: bool = False,
    prices: Prices | None = None,
) -> GuideGraph:
    """The uncompiled graph over a model or spec; arguments as in `guided`.

    A guide that fails, or whose guidance fails the check twice, raises nothing: `guidance` is None and `reason` says
    why. User errors are raised.
    """
    graph: GuideGraph = StateGraph(State, Settings, input_schema=QuestionInput, output_schema=GuideOutput)
    graph.add_node("route", ROUTE)
    graph.add_node("settle", Step(settle))
    calls = Calls(prompts or {}, cache_policy, timeout, prices=prices)
    add_guide(graph, model, calls, onward=lambda _: "settle", ends=["settle"], review=review)
    graph.add_edge(START, "route")
    graph.add_edge("settle", END)
    return graph
