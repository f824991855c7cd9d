"""What the guided graph costs by itself: milliseconds a question on one core, the models answering at once.

Beside it, in the same run, a bare LangGraph of four nodes that does nothing but call the same two models.

python benchmarks/graph_overhead.py [--json]
"""

import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

from sg_agent import ScriptedModel, guided
from sg_agent.graphs import QuestionInput

QUESTION: QuestionInput = {"question": "There are 3 pens. On Monday 4 came. How many are there?", "task": "math"}
TARGET_MS = 3.0
ROUNDS, PER_ROUND = 15, 40


class Bare(TypedDict, total=False):
    question: str
    task: str
    guidance: str
    text: str
    answer: str


def scripted(text: str) -> ScriptedModel:
    return ScriptedModel(replies=lambda _: text)


def bare(guide: ScriptedModel, solver: ScriptedModel) -> Any:
    """Two model calls between two idle nodes: no prompts, no check, no attempts, no ledger."""
    graph: StateGraph[Bare] = StateGraph(Bare)
    graph.add_node("route", lambda _: {})
    graph.add_node("guide", lambda state: {"guidance": guide.invoke(state["question"]).text})
    graph.add_node("solve", lambda state: {"text": solver.invoke(state["guidance"]).text})
    graph.add_node("vote", lambda state: {"answer": state["text"]})
    path = [START, "route", "guide", "solve", "vote", END]
    for source, target in pairwise(path):
        graph.add_edge(source, target)
    return graph.compile()


def round_ms(ask: Callable[[], object]) -> float:
    """Processor milliseconds a call, so that other processes on the machine do not count."""
    start = time.process_time()
    for _ in range(PER_ROUND):
        ask()
    return 1000 * (time.process_time() - start) / PER_ROUND


def measure() -> dict[str, float]:
    guide, solver = scripted("1. Start with the pens.\n2. Add Monday."), scripted("3 + 4 = 7\nAnswer: 7")
    ours, plain = guided(guide, solver).compile(), bare(guide, solver)
    asked = {
        "guided_ms": lambda: ours.invoke(QUESTION),
        "bare_ms": lambda: plain.invoke(QUESTION),
        "models_ms": lambda: (guide.invoke("x"), solver.invoke("x")),
    }
    times: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(ROUNDS + 1):
        for name, ask in asked.items():
            times[name].append(round_ms(ask))
    result = {name: median(found[1:]) for name, found in times.items()}  # the first round warms up
    return {
        name: round(value, 3) for name, value in {**result, "own_ms": result["guided_ms"] - result["models_ms"]}.items()
    }


def main() -> None:
    result = {**measure(), "target_ms": TARGET_MS}
    if "--json" in sys.argv:
        print(json.dumps(result))
        return
    print(
        f"guided graph: {result['own_ms']} ms a question beyond the models' {result['models_ms']} (target {TARGET_MS})"
    )
    print(f"bare LangGraph of four nodes, models included: {result['bare_ms']} ms; guided: {result['guided_ms']} ms")


if __name__ == "__main__":
    main()
