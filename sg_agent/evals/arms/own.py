"""A graph of the user's own as an arm: `NAME=package.module:graph`, found from the working directory as langgraph.json
does. What is named is a LangGraph graph, compiled or not, any other Runnable, or a function without arguments that
returns one. Its models, settings and cost are its own affair; what it is asked is what our graphs are asked.
"""

import uuid
from functools import cache
from typing import Any, get_type_hints

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from sg_agent.errors import ConfigError, SolverError
from sg_agent.evals.arms.arm import Arm, question_input
from sg_agent.evals.arms.own_calls import Calls
from sg_agent.evals.arms.own_output import read_output
from sg_agent.graphs.build import Graph
from sg_agent.graphs.state import GraphOutput, QuestionInput, Settings, State
from sg_agent.own_code import load_named
from sg_agent.prices import Prices
from sg_agent.prompts import load_prompt
from sg_agent.rows import Row, parse_row

ACCEPTED = "a LangGraph graph, compiled or not, a Runnable, or a function without arguments that returns one"


def own(name: str, path: str, *, prices: Prices | None = None) -> Arm:
    """The user's graph, as it is. Compare it with `standard` and `cot` over the model it uses.

    Raises ConfigError for a path that cannot be imported or is no graph.
    """
    graph = load_graph(path)
    return Arm(name, (), lambda _: own_graph(graph, prices=prices), phases=())


@cache
def load_graph(path: str) -> Runnable[Any, Any]:
    """The Runnable that `package.module:graph` names, made once. Raises ConfigError naming the path."""
    graph = load_named(path, "graph", use=_made)
    if not isinstance(graph, Runnable):
        raise ConfigError(f"graph {path!r} is of type {type(graph).__name__}; accepted: {ACCEPTED}")
    return graph


def _made(found: Any) -> Any:
    made = found() if callable(found) and not isinstance(found, Runnable | StateGraph) else found
    return made.compile() if isinstance(made, StateGraph) else made


def own_graph(graph: Runnable[Any, Any], *, prices: Prices | None = None) -> Graph:
    """START -> graph -> END: `graph` with its input and output in the form of ours. Uncompiled; runs async only.

    The graph runs as a root of its own, with its own checkpointer and store. One over our Settings gets the run's.
    """
    over_messages = _over_messages(graph)
    knows_settings = getattr(graph, "context_schema", None) is Settings

    async def ask(state: State, runtime: Runtime[Settings]) -> GraphOutput:
        row, calls = _row(state), Calls(prices)
        config: RunnableConfig = {"callbacks": [calls], "configurable": {"thread_id": uuid.uuid4().hex}}
        context = {"context": runtime.context} if knows_settings else {}
        try:
            output = await graph.ainvoke(_input(row, over_messages=over_messages), config, **context)
            if calls.failure:
                raise calls.failure
            return read_output(output, row, calls.ledger)
        except Exception as error:  # whatever a graph of the user's raises; what it paid for till then counts
            raise SolverError(f"the graph failed: {type(error).__name__}: {error}", calls.ledger) from error

    built: Graph = StateGraph(State, Settings, input_schema=QuestionInput, output_schema=GraphOutput)
    built.add_node("graph", ask)
    built.add_edge(START, "graph")
    built.add_edge("graph", END)
    return built


def _over_messages(graph: Runnable[Any, Any]) -> bool:
    """Whether the graph's input is a conversation and no question, as an agent's is."""
    fields = get_type_hints(graph.builder.input_schema) if isinstance(graph, CompiledStateGraph) else {}
    return "messages" in fields and "question" not in fields


def _row(state: State) -> Row:
    fields = {name: state.get(name) for name in ("question", "task", "choices", "context")}
    return parse_row({"id": "asked", "answer": "unknown", **fields}, "question")


def _input(row: Row, *, over_messages: bool) -> dict[str, Any]:
    """{question, task, choices?, context?}, or {messages}: the question with passages and choices, no instruction."""
    if over_messages:
        return {"messages": load_prompt("standard", row.task).render(row)[1:]}
    return dict(question_input(row))
