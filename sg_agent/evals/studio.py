"""The arms side by side on one question, on the embedded models, as `langgraph.json` names them for `langgraph dev`.

Leaves out `placebo`, which needs a second question, `stronger`, which needs a third model, and @K: the context's
`attempts` are those of every arm.
"""

import asyncio
import operator
from typing import Annotated, Any, NotRequired

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Overwrite
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from sg_agent.errors import ConfigError
from sg_agent.evals.arms import ARMS, EMBEDDED, make_arms
from sg_agent.evals.graph import eval_graph
from sg_agent.graphs.state import PassageInput, Settings
from sg_agent.models import load_model
from sg_agent.rows import Task, parse_row

SIDE_BY_SIDE = tuple(arm for arm in ARMS if arm not in ("placebo", "stronger"))
SCORES = ("correct", "f1", "outcome")


class QuestionAndAnswer(TypedDict):
    """`answer` is what replies are scored by, `guidance` (or `rationale`, over passages) what `oracle` shows. `arms`
    are all by default, `oracle` only where there is guidance.
    """

    question: str
    answer: NotRequired[str]
    answer_aliases: NotRequired[list[str]]
    task: NotRequired[Task]
    choices: NotRequired[list[str]]
    context: NotRequired[list[PassageInput]]
    guidance: NotRequired[str]
    rationale: NotRequired[str]
    arms: NotRequired[list[str]]


class Results(TypedDict):
    """A record per arm (see ArmResult), without its scores when the question came without an answer."""

    results: Annotated[list[dict[str, Any]], operator.add]


class SideBySide(QuestionAndAnswer, Results):
    row: NotRequired[dict[str, Any]]


Compiled = CompiledStateGraph[SideBySide, Settings, QuestionAndAnswer, Results]


async def side_by_side(config: dict[str, Any]) -> Compiled:  # noqa: ARG001 - the server passes its config
    """START -> read -> ask (a branch per arm) -> show -> END, built in a thread since the server refuses to block."""
    return await asyncio.to_thread(build)


def build() -> Compiled:
    """The graph of `side_by_side`."""
    made = make_arms(SIDE_BY_SIDE, EMBEDDED)
    graph: StateGraph[SideBySide, Settings, QuestionAndAnswer, Results] = StateGraph(
        SideBySide, Settings, input_schema=QuestionAndAnswer, output_schema=Results
    )
    graph.add_node("read", read)
    graph.add_node("ask", eval_graph(made, load_model).compile(name="arms"))
    graph.add_node("show", show)
    graph.add_edge(START, "read")
    graph.add_edge("read", "ask")
    graph.add_edge("ask", "show")
    graph.add_edge("show", END)
    return graph.compile(name="side_by_side")


def read(state: SideBySide) -> dict[str, Any]:
    """The question as a row, and the arms to run. Raises DataError or ConfigError for what cannot be asked."""
    given = {name: value for name, value in state.items() if name in QuestionAndAnswer.__annotations__}
    row = parse_row({"answer": "unknown", **given, "id": "asked"}, "question")
    usual = [arm for arm in SIDE_BY_SIDE if arm != "oracle" or row.gold]
    arms = state.get("arms") or usual
    if unknown := [arm for arm in arms if arm not in SIDE_BY_SIDE]:
        raise ConfigError(f"unknown arm {unknown[0]!r}; accepted: {', '.join(SIDE_BY_SIDE)}")
    return {"row": row.model_dump(), "arms": arms, "results": Overwrite([])}


def show(state: SideBySide) -> dict[str, Any]:
    """Take the scores off where there was nothing to score by."""
    hidden = () if state.get("answer") else SCORES
    shown = [{name: value for name, value in result.items() if name not in hidden} for result in state["results"]]
    return {"results": Overwrite(shown)}
