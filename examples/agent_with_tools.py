"""A LangChain agent with tools, guided: offline, with the guide that ships in the package.

    python examples/agent_with_tools.py

A script stands in for the solver. For a real one put "openai:gpt-4.1-mini", or any chat model, in its place.
"""

from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import ToolCall
from langgraph.checkpoint.memory import InMemorySaver

from sg_agent import GuidanceMiddleware, ScriptedModel
from sg_agent.scripted import ScriptedReply


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def call(tool: str, a: int, b: int) -> ScriptedReply:
    return ScriptedReply("", tool_calls=[ToolCall(name=tool, args={"a": a, "b": b}, id=f"{tool}-{a}-{b}")])


solver = ScriptedModel(replies=[call("multiply", 3, 12), call("add", 20, 36), "There are 56 lamps.", "You're welcome."])
guidance = GuidanceMiddleware("embedded:guide", task="math", when=lambda question: "how many" in question.lower())
agent = create_agent(solver, [multiply, add], middleware=[guidance], checkpointer=InMemorySaver())
thread: Any = {"configurable": {"thread_id": "1"}}

for said in (
    "The depot has 20 lamps. On Monday 3 crates of lamps came in. How many lamps are there at the end?",
    "Thank you!",
):
    state = agent.invoke({"messages": [{"role": "user", "content": said}]}, thread)
    print("user:    ", said)
    print("guidance:", state["guidance"], f"({state['guidance_reason']})")
    print("agent:   ", state["messages"][-1].text)
    print("guide:   ", sum(record["output_tokens"] for record in state["guidance_ledger"]), "tokens written\n")

# prints: 2. Multiply Monday by 12 and add.
# prints: agent:    There are 56 lamps.
# prints: None (`when` decided against guidance)
