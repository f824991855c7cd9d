"""A chat model that says what it is told to: for tests of your own graphs, offline and instant."""

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, PrivateAttr


class ScriptedReply(NamedTuple):
    """A reply that did not simply stop, or that calls tools."""

    text: str
    finish: str = "stop"
    tool_calls: Sequence[ToolCall] = ()


Scripted = str | ScriptedReply | Exception


class ScriptedModel(BaseChatModel):
    """Answers from `replies`: a list in the order of the calls, or a function of the messages. An exception is raised.

    `calls` holds the messages of every call so far, `offered` the names of the tools it could call. A call beyond the
    list fails. `latency_s` delays every call. Tokens are counted as words.
    """

    replies: Sequence[Scripted] | Callable[[list[BaseMessage]], Scripted]
    latency_s: float = Field(default=0.0, ge=0)
    model: str = "scripted"

    _calls: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _offered: list[list[str]] = PrivateAttr(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def calls(self) -> list[list[BaseMessage]]:
        """The messages of every call, in order."""
        return self._calls

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def offered(self) -> list[list[str]]:
        """The names of the tools that were bound in every call, in order."""
        return self._offered

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)

    def _reply(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        with self._lock:
            self._calls.append(messages)
            self._offered.append([_name(tool) for tool in kwargs.get("tools") or []])
            call = len(self._calls)
        if callable(self.replies):
            reply = self.replies(messages)
        elif call <= len(self.replies):
            reply = self.replies[call - 1]
        else:
            raise AssertionError(f"call {call} of a model scripted for {len(self.replies)}")
        if isinstance(reply, Exception):
            raise reply
        text, finish, tool_calls = reply if isinstance(reply, ScriptedReply) else ScriptedReply(reply)
        read, written = sum(len(message.text.split()) for message in messages), len(text.split())
        return AIMessage(
            content=text,
            tool_calls=list(tool_calls),
            usage_metadata=UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written),
            response_metadata={"finish_reason": finish, "model_name": self.model, "model_provider": "scripted"},
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        time.sleep(self.latency_s)
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages, kwargs))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        await asyncio.sleep(self.latency_s)
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages, kwargs))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        time.sleep(self.latency_s)
        yield from _chunks(self._reply(messages, kwargs))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        await asyncio.sleep(self.latency_s)
        for chunk in _chunks(self._reply(messages, kwargs)):
            yield chunk


def _name(tool: dict[str, Any]) -> str:
    """A function's name; the type of a tool that is the provider's own."""
    return str(tool.get("function", tool).get("name") or tool["type"])


def _chunks(reply: AIMessage) -> Iterator[ChatGenerationChunk]:
    for word in re.findall(r"\s*\S+|\s+$", reply.text):
        yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    calls = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        for index, call in enumerate(reply.tool_calls)
    ]
    last = AIMessageChunk(
        content="",
        tool_call_chunks=calls,
        usage_metadata=reply.usage_metadata,
        response_metadata=reply.response_metadata,
        chunk_position="last",
    )
    yield ChatGenerationChunk(message=last)
