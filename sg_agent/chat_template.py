"""Turns LangChain messages into the tokens a local model reads. Nothing in a message's text can end or begin a turn."""

import re
import threading

from jinja2 import TemplateError
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage
from transformers import PreTrainedTokenizerBase

from sg_agent.errors import ModelError

ROLES = {"system": "system", "human": "user", "ai": "assistant"}


class ChatTemplate:
    """A tokenizer's chat template and what is needed to use it from many threads."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        # The tokenizers library refuses two threads at once.
        self._lock = threading.Lock()
        special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
        special.update(tokenizer.all_special_tokens)
        self._control = re.compile("|".join(re.escape(t) for t in sorted(special, key=len, reverse=True)) or r"(?!)")

    def encode(self, messages: list[BaseMessage]) -> list[int]:
        """The token ids of the exchange, up to where the reply begins. Raises ModelError for what it cannot hold."""
        turns = [{"role": _role(message), "content": self.clean(message_text(message))} for message in messages]
        try:
            prompt = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise ModelError(f"the chat template of {self.tokenizer.name_or_path!r} refuses: {error}") from error
        return self.tokens(str(prompt))

    def tokens(self, text: str) -> list[int]:
        """The token ids of a text, nothing added."""
        with self._lock:
            return [int(token) for token in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    def clean(self, text: str) -> str:
        """The text without control tokens, also those that appear once an inner one is gone."""
        while (cleaned := self._control.sub("", text)) != text:
            text = cleaned
        return text


def _role(message: BaseMessage) -> str:
    if isinstance(message, AIMessage) and message.tool_calls:
        raise ModelError("a local model takes no tool calls; the conversation holds one")
    if isinstance(message, ChatMessage) and message.role in ROLES.values():
        return message.role
    if message.type not in ROLES:
        role = message.role if isinstance(message, ChatMessage) else message.type
        raise ModelError(f"a local model takes system, user and assistant messages, not {role!r}")
    return ROLES[message.type]


def message_text(message: BaseMessage) -> str:
    """All text of a message. Raises ModelError for a block of anything else."""
    if isinstance(message.content, str):
        return message.content
    parts = []
    for block in message.content:
        if isinstance(block, str):
            parts.append(block)
        elif block.get("type") == "text" and isinstance(block.get("text"), str):
            parts.append(block["text"])
        else:
            raise ModelError(f"a local model takes text only, not a block of type {block.get('type')!r}")
    return "".join(parts)
