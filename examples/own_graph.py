"""A graph of your own, with a state of your own: the guide as one node of it, or a whole guided solver as a subgraph.

python examples/own_graph.py
"""

from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from sg_agent import Settings, guided
from sg_agent.graphs import guide
from sg_agent.models import load_model


class Ticket(TypedDict, total=False):
    question: str
    guidance: str | None
    reason: str
    reply: str


solver = load_model("embedded:solver")
INSTRUCTION = (
    "Answer the question. Work through the guidance, which is advice and may be wrong, then end with one line: "
    '"Answer: <number>".'
)


def ask_solver(state: Ticket) -> Ticket:
    """Your own call of your own model, in your own words; without guidance `reason` says why there is none."""
    told = f"<guidance>\n{state['guidance']}\n</guidance>" if state["guidance"] else "Think step by step."
    question = HumanMessage(f"Question: {state['question']}\n\n{told}")
    return {"reply": solver.invoke([SystemMessage(INSTRUCTION), question]).text}


one_node = StateGraph(Ticket)
one_node.add_node("guide", guide("embedded:guide").compile())  # reads `question`, writes `guidance` and `reason`
one_node.add_node("ask_solver", ask_solver)
one_node.add_edge(START, "guide")
one_node.add_edge("guide", "ask_solver")


class Mail(TypedDict, total=False):
    """Shares no key with the graphs of sg-agent, so a node maps it."""

    body: str
    answer_to_send: str


answering = guided("embedded:guide", "embedded:solver").compile()


def answer(state: Mail) -> Mail:
    """Threads, streams and interrupts of the graph around it reach into the graph called here."""
    result = answering.invoke({"question": state["body"], "task": "math"}, context=Settings())
    return {"answer_to_send": f"It is {result['answer']} ({result['route']})."}


subgraph = StateGraph(Mail)
subgraph.add_node("answer", answer)
subgraph.add_edge(START, "answer")

question = "The depot has 20 lamps. On Monday 3 crates of lamps came in. How many lamps are there at the end?"
ticket = one_node.compile().invoke({"question": question})
print(ticket["guidance"], ticket["reason"], ticket["reply"], sep="\n")
steps: Any = subgraph.compile().stream({"body": question}, subgraphs=True)
for namespace, update in steps:
    print(namespace[0].split(":")[0] + " >" if namespace else "", *update)
    last = update
print(last["answer"]["answer_to_send"])

# prints: 2. Multiply Monday by 12 and add.
# prints: Answer: 56
# prints: answer > vote
# prints: It is 56 (guided).
