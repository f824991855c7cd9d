"""The graphs on the embedded models, as `langgraph.json` names them for LangGraph's dev server (`langgraph dev`)."""

from typing import Any

from langgraph.graph.state import CompiledStateGraph

from sg_agent import graphs
from sg_agent.graphs.state import GraphOutput, QuestionInput, Settings, State

Compiled = CompiledStateGraph[State, Settings, QuestionInput, GraphOutput]
GUIDE, SOLVER = "embedded:guide", "embedded:solver"


def standard(config: dict[str, Any]) -> Compiled:  # noqa: ARG001 - the server passes its config
    return graphs.standard(SOLVER).compile(name="standard")


def cot(config: dict[str, Any]) -> Compiled:  # noqa: ARG001
    return graphs.cot(SOLVER).compile(name="cot")


def guided(config: dict[str, Any]) -> Compiled:  # noqa: ARG001
    return graphs.guided(GUIDE, SOLVER).compile(name="guided")
