"""What all graphs share: the state, and the end of the way — solve (n attempts) -> vote -> END."""

import pickle
from collections.abc import Callable
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy, TimeoutPolicy

from sg_agent.graphs.model_node import RETRY
from sg_agent.graphs.nodes import Prompts, SolverPhase, attempts, route, solve_failed, solve_node, vote
from sg_agent.graphs.state import GraphOutput, QuestionInput, Settings, State
from sg_agent.ledger import provider_and_name
from sg_agent.models import Model, load_model

Graph: TypeAlias = StateGraph[State, Settings, QuestionInput, GraphOutput]
Timeout: TypeAlias = TimeoutPolicy | float | None


def solver_graph(solver: Model, prompts: Prompts | None, cache_policy: CachePolicy | None, timeout: Timeout) -> Graph:
    """START -> route, and solve -> vote -> END: what lies between is the arm's own."""
    model = load_model(solver)
    graph: Graph = StateGraph(State, Settings, input_schema=QuestionInput, output_schema=GraphOutput)
    graph.add_node("route", route)
    graph.add_node(
        "solve",
        solve_node(model, prompts or {}).as_runnable(),
        retry_policy=RETRY,
        cache_policy=cached(cache_policy, model, prompts),
        error_handler=solve_failed(model),
        timeout=timeout,
    )
    graph.add_node("vote", vote)
    graph.add_edge(START, "route")
    graph.add_edge("solve", "vote")
    graph.add_edge("vote", END)
    return graph


def direct_graph(
    phase: SolverPhase, solver: Model, prompts: Prompts | None, cache_policy: CachePolicy | None, timeout: Timeout
) -> Graph:
    """START -> route -> solve (x n attempts) -> vote -> END, the solver asked with the prompt of `phase`."""
    graph = solver_graph(solver, prompts, cache_policy, timeout)
    graph.add_conditional_edges("route", lambda state: attempts(state, phase), ["solve"])
    return graph


def cached(
    policy: CachePolicy | None, model: BaseChatModel, prompts: Prompts | None
) -> CachePolicy[Callable[..., bytes]] | None:
    """`policy` with a key that tells models and prompts apart; LangGraph's own hashes the node's input alone."""
    if policy is None:
        return None
    owner = (provider_and_name(model), sorted((phase, str(path)) for phase, path in (prompts or {}).items()))

    def key(state: dict[str, Any]) -> bytes:
        seen = {name: state.get(name) for name in ("asked", "draft", "row", "guidance", "phase", "index", "settings")}
        return pickle.dumps((owner, seen))

    return CachePolicy(key_func=key, ttl=policy.ttl)
