"""What the tests of agents share: a tool, and models that are told what to say."""

from typing import Any

from langchain_core.messages import ToolCall

from sg_agent import ScriptedModel
from sg_agent.scripted import ScriptedReply

PLAN = "1. Start with the pens.\n2. Add Monday."
MARKED = f"<guidance>\n{PLAN}\n</guidance>"
THREAD: Any = {"configurable": {"thread_id": "1"}}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def calling(*calls: tuple[str, dict[str, Any]]) -> ScriptedReply:
    """A reply that calls these tools at once."""
    return ScriptedReply("", tool_calls=[ToolCall(name=n, args=a, id=f"{n}-{i}") for i, (n, a) in enumerate(calls)])


ADD = calling(("add", {"a": 3, "b": 4}))


def guiding() -> ScriptedModel:
    return ScriptedModel(replies=lambda messages: PLAN)


def shown(solver: ScriptedModel) -> list[str]:
    """All text that each call of the solver saw."""
    return ["\n".join(message.text for message in call) for call in solver.calls]
