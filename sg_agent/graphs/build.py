"""What graphs share: the state; the beginning, guide -> check; and the end, solve (n attempts) -> vote -> END."""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy, TimeoutPolicy

from sg_agent.graphs.model_node import RETRY, ModelNode
from sg_agent.graphs.nodes import (
    Onward,
    Prompts,
    after_check,
    after_route,
    attempts,
    check,
    guide_failed,
    guide_node,
    route,
    solve_failed,
    solve_node,
    vote,
)
from sg_agent.graphs.review import after_route_to_review, by_review, review_node
from sg_agent.graphs.state import GraphOutput, QuestionInput, Settings, SolverPhase, State
from sg_agent.models import Model, load_model, model_name
from sg_agent.prompts import Phase, load_prompt

Graph: TypeAlias = StateGraph[State, Settings, QuestionInput, GraphOutput]
Timeout: TypeAlias = TimeoutPolicy | float | None


def solver_graph(
    solver: Model, prompts: Prompts | None, cache_policy: CachePolicy[Any] | None, timeout: Timeout
) -> Graph:
    """START -> route, and solve -> vote -> END: what lies between is the arm's own."""
    model = load_model(solver)
    graph: Graph = StateGraph(State, Settings, input_schema=QuestionInput, output_schema=GraphOutput)
    graph.add_node("route", route)
    cache = cached(cache_policy, model, prompts)
    add_model_node(graph, "solve", solve_node(model, prompts or {}), solve_failed(model), cache, timeout)
    graph.add_node("vote", vote)
    graph.add_edge(START, "route")
    graph.add_edge("solve", "vote")
    graph.add_edge("vote", END)
    return graph


def add_guide(
    graph: StateGraph[State, Settings, QuestionInput, Any],
    guide: Model,
    onward: Onward,
    ends: list[str],
    prompts: Prompts | None,
    cache_policy: CachePolicy[Any] | None,
    timeout: Timeout,
    *,
    review: bool = False,
) -> None:
    """From route to guide -> check (-> guide once), then `onward`, to one of `ends`: with guidance or without.

    With `review`, what passed the check goes by a person first.
    """
    model = load_model(guide)
    cache = cached(cache_policy, model, prompts)
    add_model_node(graph, "guide", guide_node(model, prompts or {}), guide_failed(model, onward), cache, timeout)
    graph.add_node("check", check)
    graph.add_edge("guide", "check")
    if review:
        graph.add_node("review", review_node)
        graph.add_conditional_edges("route", after_route_to_review)
        graph.add_conditional_edges("check", after_check(by_review(onward)), ["guide", "review", *ends])
        graph.add_conditional_edges("review", onward, ends)
    else:
        graph.add_conditional_edges("route", after_route)
        graph.add_conditional_edges("check", after_check(onward), ["guide", *ends])


def add_model_node(
    graph: StateGraph[State, Settings, QuestionInput, Any],
    name: str,
    node: ModelNode[Any],
    on_error: Callable[..., Any],
    cache_policy: CachePolicy[Any] | None,
    timeout: Timeout,
) -> None:
    """A node that calls a model: retried on transient faults, then handed to `on_error`."""
    graph.add_node(name, node, retry_policy=RETRY, cache_policy=cache_policy, error_handler=on_error, timeout=timeout)


def direct_graph(
    phase: SolverPhase, solver: Model, prompts: Prompts | None, cache_policy: CachePolicy[Any] | None, timeout: Timeout
) -> Graph:
    """START -> route -> solve (x n attempts) -> vote -> END, the solver asked with the prompt of `phase`."""
    graph = solver_graph(solver, prompts, cache_policy, timeout)
    graph.add_conditional_edges("route", lambda state: attempts(state, phase), ["solve"])
    return graph


def cached(
    policy: CachePolicy[Any] | None, model: BaseChatModel, prompts: Prompts | None
) -> CachePolicy[Callable[..., bytes]] | None:
    """`policy` with a key of all that decides the reply: model, prompt, examples, question, settings and attempt.

    LangGraph's own key is the pickled input of the node, which knows neither model nor prompt.
    """
    if policy is None:
        return None
    owner = [model_name(model), model._get_ls_params()]

    def key(state: dict[str, Any]) -> bytes:
        seen = {**state.get("asked", {}), **state}  # the guide's input is the whole state, the solver's its own
        phase: Phase = seen.get("phase", "guide")
        form = seen["row"]["task"] if phase == "guide" else seen["form"]
        stamp = load_prompt(phase, form, (prompts or {}).get(phase)).stamp
        names = ["chat", "guidance", "index", "settings"] if phase != "guide" else ["kind", "guide", "draft"]
        decisive = {name: seen[name] for name in ("row", "examples", *names)}
        return json.dumps([owner, phase, stamp, decisive], sort_keys=True).encode()

    return CachePolicy(key_func=key, ttl=policy.ttl)
