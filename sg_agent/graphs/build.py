"""What graphs share: the state; the beginning, guide -> check; and the end, solve (n attempts) -> vote -> END."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy, RetryPolicy, TimeoutPolicy

from sg_agent.graphs.model_node import retry_policy
from sg_agent.graphs.nodes import (
    Onward,
    Prompts,
    after_gather,
    after_route,
    attempts,
    check,
    checked_then,
    gather,
    guide_failed,
    guide_node,
    route,
    solve_failed,
    solve_node,
)
from sg_agent.graphs.review import after_route_to_review, by_review, review_node
from sg_agent.graphs.state import GraphOutput, QuestionInput, Settings, SolverPhase, State
from sg_agent.graphs.vote import vote
from sg_agent.models import Model, load_model, model_name
from sg_agent.prices import Prices
from sg_agent.prompts import Phase, load_prompt

Graph: TypeAlias = StateGraph[State, Settings, QuestionInput, GraphOutput]
Timeout: TypeAlias = TimeoutPolicy | float | None


@dataclass(frozen=True)
class Calls:
    """How a graph's models are called; the fields are the arguments of `guided`."""

    prompts: Prompts = field(default_factory=dict)
    cache_policy: CachePolicy[Any] | None = None
    timeout: Timeout = None
    guide_timeout: Timeout = None
    fallback: Model | None = None
    prices: Prices | None = None


def solver_graph(solver: Model, calls: Calls) -> Graph:
    """START -> route, and solve -> vote -> END: what lies between is the arm's own.

    With a fallback, solve -> gather -> fallback (x failed attempts) -> vote.
    """
    model = load_model(solver)
    graph: Graph = StateGraph(State, Settings, input_schema=QuestionInput, output_schema=GraphOutput)
    graph.add_node("route", route)
    node = solve_node(model, calls.prompts, calls.prices)
    on_error = solve_failed(model, fallback=calls.fallback is not None)
    graph.add_node("solve", node, **_around(model, calls, on_error, calls.timeout, retry_policy(model)))
    if calls.fallback is None:
        graph.add_edge("solve", "vote")
    else:
        _add_fallback(graph, load_model(calls.fallback), calls)
    graph.add_node("vote", vote)
    graph.add_edge(START, "route")
    graph.add_edge("vote", END)
    return graph


def _add_fallback(graph: Graph, model: BaseChatModel, calls: Calls) -> None:
    """Between solve and vote: the failed attempts, when all have ended, asked of the fallback, once."""
    node = solve_node(model, calls.prompts, calls.prices, as_fallback=True)
    graph.add_node(
        "fallback", node, **_around(model, calls, solve_failed(model, as_fallback=True), calls.timeout, None)
    )
    graph.add_node("gather", gather)
    graph.add_edge("solve", "gather")
    graph.add_conditional_edges("gather", after_gather, ["fallback", "vote"])
    graph.add_edge("fallback", "vote")


def add_guide(
    graph: StateGraph[State, Settings, QuestionInput, Any],
    guide: Model,
    calls: Calls,
    *,
    onward: Onward,
    ends: list[str],
    review: bool = False,
) -> None:
    """From route to guide -> check (-> guide once), then `onward`, to one of `ends`: with guidance or without.

    When the guide fails, or takes too long, the question goes `onward` too. With `review`, what passed the check goes
    by a person first.
    """
    model = load_model(guide)
    node, on_error = guide_node(model, calls.prompts, calls.prices), guide_failed(model, onward)
    timeout = calls.timeout if calls.guide_timeout is None else calls.guide_timeout
    retry = retry_policy(model, after_timeout=False)
    graph.add_node("guide", node, **_around(model, calls, on_error, timeout, retry))
    graph.add_node("check", check)
    graph.add_edge("guide", "check")
    if review:
        graph.add_node("review", review_node)
        graph.add_conditional_edges("route", after_route_to_review)
        graph.add_conditional_edges("check", checked_then(by_review(onward)), ["guide", "review", *ends])
        graph.add_conditional_edges("review", onward, ends)
    else:
        graph.add_conditional_edges("route", after_route)
        graph.add_conditional_edges("check", checked_then(onward), ["guide", *ends])


def _around(
    model: BaseChatModel, calls: Calls, on_error: Callable[..., Any], timeout: Timeout, retry: RetryPolicy | None
) -> dict[str, Any]:
    """What LangGraph does around a model call."""
    cache = cached(calls.cache_policy, model, calls.prompts)
    return {"retry_policy": retry, "cache_policy": cache, "error_handler": on_error, "timeout": timeout}


def direct_graph(phase: SolverPhase, solver: Model, calls: Calls) -> Graph:
    """START -> route -> solve (x n attempts) -> vote -> END, the solver asked with the prompt of `phase`."""
    graph = solver_graph(solver, calls)
    graph.add_conditional_edges("route", lambda state: attempts(state, phase), ["solve"])
    return graph


def cached(
    policy: CachePolicy[Any] | None, model: BaseChatModel, prompts: Prompts
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
        stamp = load_prompt(phase, form, prompts.get(phase)).stamp
        names = ["chat", "guidance", "index", "settings"] if phase != "guide" else ["kind", "guide", "draft"]
        decisive = {name: seen[name] for name in ("row", "examples", *names)}
        return json.dumps([owner, phase, stamp, decisive], sort_keys=True).encode()

    return CachePolicy(key_func=key, ttl=policy.ttl)
