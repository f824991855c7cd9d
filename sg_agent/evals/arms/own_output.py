"""What a graph of the user's own answered, in the form of ours."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, convert_to_messages
from pydantic import TypeAdapter

from sg_agent.answers import parse_answer
from sg_agent.finish import finish_of
from sg_agent.graphs.state import Attempt, GraphOutput
from sg_agent.ledger import CallRecord
from sg_agent.rows import Row

ACCEPTED = "{'answer': text or None}, {'messages': [...]} with a reply, a message, a text, or the output of our graphs"
_OURS: TypeAdapter[GraphOutput] = TypeAdapter(GraphOutput)


def read_output(output: Any, row: Row, ledger: list[CallRecord]) -> GraphOutput:
    """The output of a graph as one of ours, `ledger` being what was seen of its calls.

    With all required keys of GraphOutput it is taken as it is. An `answer` alone is the answer, to the letter. Of
    `messages` the last reply is read as a solver's reply is, and so is a message or text that is no dict. Raises
    ValueError for anything else, and for a graph that stopped to wait for input.
    """
    if not isinstance(output, Mapping):
        return _replied(output, row, ledger)
    if "__interrupt__" in output:
        raise ValueError("it stopped at an interrupt and waits for input")
    if GraphOutput.__required_keys__ <= output.keys():
        return _OURS.validate_python(dict(output))
    if "answer" in output:
        answer = _as_answer(output["answer"])
        return _output(
            Attempt(index=0, text=answer or "", answer=answer, finish="stop", error=None, tool_calls=[]), ledger
        )
    if "messages" in output:
        replies = [message for message in convert_to_messages(output["messages"]) if isinstance(message, AIMessage)]
        if replies:
            return _replied(replies[-1], row, ledger)
    raise ValueError(f"its output has the keys {sorted(map(str, output))}; accepted: {ACCEPTED}")


def _as_answer(answer: Any) -> str | None:
    if isinstance(answer, bool) or not isinstance(answer, str | int | float | None):
        raise ValueError(f"its 'answer' is of type {type(answer).__name__}; accepted: text, a number or None")
    return None if answer is None else str(answer)


def _replied(reply: Any, row: Row, ledger: list[CallRecord]) -> GraphOutput:
    message = AIMessage(reply) if isinstance(reply, str) else reply
    if not isinstance(message, BaseMessage):
        raise ValueError(f"its output is of type {type(reply).__name__}; accepted: {ACCEPTED}")
    finish = finish_of(message) if isinstance(message, AIMessage) else "stop"
    answer = parse_answer(message.text, row.task, row.choices, whole=finish == "stop")
    return _output(Attempt(index=0, text=message.text, answer=answer, finish=finish, error=None, tool_calls=[]), ledger)


def _output(attempt: Attempt, ledger: list[CallRecord]) -> GraphOutput:
    return {
        "answer": attempt["answer"],
        "chosen": attempt["index"],
        "messages": [],
        "attempts": [attempt],
        "guidance": None,
        "route": "direct",
        "reason": "a graph of the user's own",
        "prompts": {},
        "ledger": ledger,
    }
