"""What graphs share: the state; the beginning, guide -> check; and the end, solve (n attempts) -> vote -> END."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import get_runtime
from langgraph.types import CachePolicy, RetryPolicy, Send, TimeoutPolicy

from sg_agent.graphs.model_node import retry_policy
from sg_agent.graphs.nodes import (
    Onward,
    Prompts,
    Update,
    after_route,
    attempts,
    check,
    checked_then,
    gather,
    gathered_then,
    guide_failed,
    guide_node,
    route,
    solve_failed,
    solve_node,
    solved_then,
)
from sg_agent.graphs.review import after_route_to_review, by_review, review_node
from sg_agent.graphs.state import GraphOutput, QuestionInput, Settings, SolverPhase, State
from sg_agent.graphs.step import Step
from sg_agent.graphs.vote import vote
from sg_agent.models import Model, load_model, model_name
from sg_agent.prices import Prices
from sg_agent.prompts import Phase, load_prompt

Graph: TypeAlias = StateGraph[State, Settings, QuestionInput, GraphOutput]
Timeout: TypeAlias = TimeoutPolicy | float | None

ROUTE = Step(lambda state: route(state, get_runtime(Settings)), name="route")
CHECK = Step(check)


@dataclass(frozen=True)
class Calls:
    """How a graph's models are called; the fields are the arguments of `guided`."""

    prompts: Prompts = field(default_factory=dict)
    cache_policy: CachePolicy[Any] | None = None
    timeout: Timeout = None
    guide_timeout: Timeout = None
    fallback: Model | None = None
    prices: Prices | None = None


def solver_graph(solver: Model, calls: Calls, ask: Onward, *, then: str = "vote") -> Graph:
    """START -> route, and solve -> vote -> END: what lies between is the arm's own, up to `ask`, which asks the solver.

    With a fallback, attempts that may stop early, or something else to do `then`, it is solve -> gather (-> fallback,
    the failed attempts) (-> solve, the next wave) -> then.
    """
    model, gathers = load_model(solver), calls.fallback is not None or then != "vote"
    graph: Graph = StateGraph(State, Settings, input_schema=QuestionInput, output_schema=GraphOutput)
    graph.add_node("route", ROUTE)
    node = solve_node(model, calls.prompts, calls.prices)
    on_error = solve_failed(model, fallback=calls.fallback is not None, gathers=gathers)
    graph.add_node("solve", node, **around(model, calls, on_error, calls.timeout, retry_policy(model)))
    graph.add_node("gather", Step(gather))
    ends = ["solve", then] if calls.fallback is None else ["solve", then, "fallback"]
    graph.add_conditional_edges("gather", Step(gathered_then(ask, then)), ends)
    if gathers:
        graph.add_edge("solve", "gather")
    else:
        graph.add_conditional_edges("solve", Step(solved_then(then)), ["gather", then])
    if calls.fallback is not None:
        _add_fallback(graph, load_model(calls.fallback), calls)
    graph.add_node("vote", Step(vote))
    graph.add_edge(START, "route")
    graph.add_edge("vote", END)
    return graph


def _add_fallback(graph: Graph, model: BaseChatModel, calls: Calls) -> None:
    """The failed attempts of a wave, when all of it have ended, asked of the fallback, once."""
    node, on_error = (
        solve_node(model, calls.prompts, calls.prices, instead="fallback"),
        solve_failed(model, gathers=True, instead="fallback"),
    )
    graph.add_node("fallback", node, **around(model, calls, on_error, calls.timeout, None))
    graph.add_edge("fallback", "gather")


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
    if review:
        add_guide_nodes(graph, guide, calls, onward=by_review(onward), ends=["review", *ends])
        graph.add_node("review", review_node)
        graph.add_conditional_edges("route", after_route_to_review)
        graph.add_conditional_edges("review", onward, ends)
    else:
        add_guide_nodes(graph, guide, calls, onward=onward, ends=ends)
        graph.add_conditional_edges("route", Step(after_route), ["guide", "check"])


def add_guide_nodes(
    graph: StateGraph[State, Settings, QuestionInput, Any],
    guide: Model,
    calls: Calls,
    *,
    onward: Onward,
    ends: list[str],
    check: Callable[[State], Update] | Step = CHECK,
) -> None:
    """guide -> check (-> guide once), then `onward`; how a question gets there is the caller's."""
    model = load_model(guide)
    node, on_error = guide_node(model, calls.prompts, calls.prices), guide_failed(model, onward)
    timeout = calls.timeout if calls.guide_timeout is None else calls.guide_timeout
    retry = retry_policy(model, after_timeout=False)
    graph.add_node("guide", node, **around(model, calls, on_error, timeout, retry))
    graph.add_node("check", check)
    graph.add_edge("guide", "check")
    graph.add_conditional_edges("check", Step(checked_then(onward)), ["guide", *ends])


def around(
    model: BaseChatModel, calls: Calls, on_error: Callable[..., Any], timeout: Timeout, retry: RetryPolicy | None
) -> dict[str, Any]:
    """What LangGraph does around a model call."""
    cache = cached(calls.cache_policy, model, calls.prompts)
    return {"retry_policy": retry, "cache_policy": cache, "error_handler": on_error, "timeout": timeout}


def direct_graph(phase: SolverPhase, solver: Model, calls: Calls) -> Graph:
    """START -> route -> solve (x n attempts) -> vote -> END, the solver asked with the prompt of `phase`."""

    def ask(state: State) -> list[Send]:
        return attempts(state, phase)

    graph = solver_graph(solver, calls, ask)
    graph.add_conditional_edges("route", Step(ask), ["solve"])
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
