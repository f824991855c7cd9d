"""The guide as a tool: the solver decides itself when to ask it, a few times at most in a turn of the user's.

    create_agent("openai:gpt-4.1-mini", [*tools, consult_tool("embedded:guide")])

How often is counted in the conversation itself, so that it holds over restarts, interrupts and parallel calls.
"""

from typing import Any

from langchain.tools import BaseTool, ToolRuntime
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langgraph.types import Command

from sg_agent.errors import ConfigError
from sg_agent.graphs.adviser import Adviser
from sg_agent.graphs.middleware import of_the_user
from sg_agent.graphs.nodes import Prompts
from sg_agent.graphs.state import GuideOutput, Settings
from sg_agent.models import Model
from sg_agent.quoting import without_quotes
from sg_agent.rows import Task

Reply = Command[Any]

DESCRIPTION = """Ask the guide how to go about a question: it knows the rules of its domain and replies with a short
plan, never with the answer. The question must make sense by itself, with all its numbers and names.
You can ask {most} before you answer the user."""


def consult_tool(
    guide: Model,
    *,
    max_uses_per_turn: int = 2,
    name: str = "consult_guide",
    task: Task = "open",
    settings: Settings | None = None,
    timeout: float | None = None,
    prompts: Prompts | None = None,
) -> BaseTool:
    """The tool for an agent of LangChain's, or for a `ToolNode` over state with `messages`; needs nothing else.

    Uses are counted in the messages since the user's last one, each call to the tool as one. Where a summary has taken
    the place of that message they cannot be counted, and the guide is not asked. The tool message's `artifact` is the
    guide's whole output with its ledger, None when it was not asked; beside `GuidanceMiddleware` the calls are in
    `guidance_ledger` too. The other arguments are those of `GuidanceMiddleware`.

    Raises ConfigError, DataError or ModelError for arguments that cannot be used.
    """
    if max_uses_per_turn < 1:
        raise ConfigError(f"max_uses_per_turn must be at least 1, not {max_uses_per_turn}")
    adviser = Adviser(guide, task=task, settings=settings or Settings(), timeout=timeout, prompts=prompts)

    def refusal(runtime: ToolRuntime) -> str | None:
        uses = uses_before(runtime.state["messages"], name, str(runtime.tool_call_id))
        if uses is None:
            return "it cannot be known how often the guide was asked in this turn"
        if uses >= max_uses_per_turn:
            return f"the guide can be asked {_times(max_uses_per_turn)} in a turn, and was"
        return None

    def reply(runtime: ToolRuntime, output: GuideOutput | str) -> Reply:
        asked = None if isinstance(output, str) else output
        if asked and asked["guidance"] is not None:
            text = adviser.show(asked["guidance"])
        else:
            reason = without_quotes(asked["reason"] if asked else str(output))
            text = f"There is no guidance: {reason}. Go on without."
        message = ToolMessage(text, name=name, tool_call_id=str(runtime.tool_call_id), artifact=asked)
        return Command(update={"messages": [message], "guidance_ledger": asked["ledger"] if asked else []})

    def consult(question: str, runtime: ToolRuntime) -> Reply:
        return reply(runtime, refusal(runtime) or adviser.ask(question))

    async def aconsult(question: str, runtime: ToolRuntime) -> Reply:
        return reply(runtime, refusal(runtime) or await adviser.aask(question))

    description = DESCRIPTION.format(most=_times(max_uses_per_turn))
    return StructuredTool.from_function(consult, aconsult, name=name, description=description)


def uses_before(messages: list[BaseMessage], tool: str, call_id: str) -> int | None:
    """How many calls to the tool precede this one in the user's turn; None when its beginning is not there any more."""
    human = [index for index, message in enumerate(messages) if isinstance(message, HumanMessage)]
    if not human or not of_the_user(messages[human[-1]]):
        return None
    turn = [message for message in messages[human[-1] :] if isinstance(message, AIMessage)]
    calls = [call["id"] for message in turn for call in message.tool_calls if call["name"] == tool]
    return max((index for index, call in enumerate(calls) if call == call_id), default=None)


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
