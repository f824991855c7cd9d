"""A conversation around a question: the user's last turn is the question, what came before and after it stays as it is.

What comes after the last turn is the solver's use of tools for it. The guide reads the question alone, which is what it
was trained on.
"""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    convert_to_messages,
    message_to_dict,
    messages_from_dict,
    messages_to_dict,
)
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from sg_agent.errors import DataError
from sg_agent.graphs.state import Attempt

CHAT = "chat"
"""In place of a task: the prompts of a conversation, which ask for no particular form of answer."""


class Chat(TypedDict):
    """Messages as plain data, split at the user's last turn."""

    before: list[dict[str, Any]]
    turn: dict[str, Any]
    after: list[dict[str, Any]]


def split(messages: Sequence[Any]) -> tuple[str, Chat]:
    """The question that the user's last turn asks, and the conversation around it.

    `messages` may be of any form that LangChain takes. Raises DataError for what it cannot read, and when no turn of
    the user's has text.
    """
    try:
        known = convert_to_messages(messages)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise DataError(f"the messages cannot be read: {error}") from error
    last = max((i for i, message in enumerate(known) if isinstance(message, HumanMessage)), default=None)
    if last is None:
        raise DataError("the messages hold no turn of the user's: there is nothing to answer")
    if not (question := known[last].text.strip()):
        raise DataError("the user's last message is empty")
    before, after = messages_to_dict(known[:last]), messages_to_dict(known[last + 1 :])
    return question, Chat(before=before, turn=message_to_dict(known[last]), after=after)


def within(chat: Chat, rendered: list[BaseMessage]) -> list[BaseMessage]:
    """The conversation, its last turn as `rendered`: an instruction, examples and the question.

    What is sent shares as much as it can with what the turn before sent, for providers' prompt caches: the
    conversation's own system message first, the turns as they are, and what is of this turn alone at its end. The
    instruction, which another turn may not have, joins the system message in a first turn and before examples only.
    What is no text in the turn, such as an image, stays there.
    """
    instruction, *shown, question = rendered
    before, (turn,) = messages_from_dict(chat["before"]), messages_from_dict([chat["turn"]])
    own = [before.pop(0).text] if before and isinstance(before[0], SystemMessage) else []
    told = [] if before and not shown else [instruction.text]
    system = "\n\n".join(filter(None, [*own, *told]))
    turn = _asked(turn, question.text, "" if told else instruction.text)
    after = messages_from_dict(chat["after"])
    return [*([SystemMessage(system)] if system else []), *shown, *before, turn, *after]


def _asked(turn: BaseMessage, rendered: str, instruction: str) -> BaseMessage:
    """The turn as `rendered`, with the instruction. Where it begins with the turn's own words, the rest follows."""
    said = turn.text.strip()
    if not rendered.startswith(said):
        text = "\n\n".join(filter(None, [instruction, rendered]))
        kept = [block for block in turn.content if isinstance(block, dict) and block.get("type") != "text"]
        return turn.model_copy(update={"content": [{"type": "text", "text": text}, *kept] if kept else text})
    added = (f"\n\n{instruction}" if instruction else "") + rendered.removeprefix(said)
    if isinstance(turn.content, str):
        return turn.model_copy(update={"content": said + added})
    return turn.model_copy(update={"content": [*turn.content, *([{"type": "text", "text": added}] if added else [])]})


def reply(attempt: Attempt) -> AIMessage:
    """An attempt as the next message of the conversation."""
    return AIMessage(attempt["text"], tool_calls=attempt["tool_calls"])
