"""POST /v1/chat/completions. Guidance is `reasoning_content`, the solver's text `content`; `n` asks for n attempts."""

import json
import time
import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydantic import ValidationError

from sg_agent.graphs.state import Attempt, QuestionInput, Settings
from sg_agent.serve.answering import Answer, Ask, Delta, Guidance
from sg_agent.serve.arms import Models, Target
from sg_agent.serve.dialect import Parsed, about, sse
from sg_agent.serve.errors import ApiError, bad_request, invalid
from sg_agent.serve.passing import solver_options
from sg_agent.serve.schemas import ChatRequest, Guiding
from sg_agent.serve.usage import usage

PASSED = ("stop", "top_p", "tools", "tool_choice", "response_format")


def read(body: bytes, models: Models, *, most_attempts: int) -> Parsed:
    """The request in `body`. Raises ApiError."""
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error
    target = models.find(request.model, request.sg_agent.arm, request.sg_agent.attempts)
    messages = [message.model_dump(exclude_none=True) for message in request.messages]
    for message in messages:
        message.setdefault("content", "")
    options = solver_options(
        target.solver, {**(request.model_extra or {}), **{name: getattr(request, name) for name in PASSED}}
    )
    settings = Settings(
        attempts=attempts(target, request.n or 1, most_attempts),
        kind=request.sg_agent.kind,
        temperature=request.temperature,
        seed=request.seed,
        max_tokens=request.max_completion_tokens or request.max_tokens,
        solver_options=options,
        **guide_settings(request.sg_agent),
    )
    ask = Ask(target, question(messages, request.sg_agent), settings, request.n or 1)
    reply_id = f"chatcmpl-{uuid.uuid4().hex}"
    with_usage = bool(request.stream_options and request.stream_options.include_usage)
    writer = ChatWriter(reply_id, target.name, with_usage) if request.stream else None
    return Parsed(reply_id, ask, writer, partial(_reply, reply_id))


def attempts(target: Target, n: int, most: int) -> int:
    """How often to ask the solver. Raises ApiError for too often."""
    if n > 1 and target.attempts > 1:
        raise bad_request(f"n shows every attempt, {target.name!r} votes on one answer: give one of the two", param="n")
    if n > 1 and target.escalates:
        message = f"n shows every attempt, and {target.name!r} may ask a stronger solver for the answer: leave n out"
        raise bad_request(message, param="n")
    if max(n, target.attempts) > most:
        raise bad_request(f"at most {most} attempts a request, not {max(n, target.attempts)}", param="n")
    return max(n, target.attempts)


def guide_settings(guiding: Guiding) -> dict[str, Any]:
    """What is given for the guide, as `Settings` name it."""
    given = {"guide_temperature": guiding.guide_temperature, "guide_max_tokens": guiding.guide_max_tokens}
    return {name: value for name, value in given.items() if value is not None}


def question(messages: list[dict[str, Any]], guiding: Guiding) -> QuestionInput:
    """The graph's input."""
    given = guiding.model_dump(include={"task", "choices", "context", "given_guidance"}, exclude_none=True)
    asked: dict[str, Any] = {"messages": messages, **given}
    return asked  # type: ignore[return-value] # its keys are the TypedDict's


def _reply(reply_id: str, answer: Answer) -> dict[str, Any]:
    """The chat completion."""
    return {
        "id": reply_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": answer.ask.target.name,
        "choices": [_choice(attempt, answer) for attempt in answer.shown],
        "usage": usage(answer.output["ledger"]),
        "sg_agent": about(answer),
    }


def _choice(attempt: Attempt, answer: Answer) -> dict[str, Any]:
    calls = [
        {
            "id": call["id"],
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["args"])},
        }
        for call in attempt["tool_calls"]
    ]
    message: dict[str, Any] = {"role": "assistant", "content": attempt["text"] or (None if calls else "")}
    if answer.output["guidance"]:
        message["reasoning_content"] = answer.output["guidance"]
    if calls:
        message["tool_calls"] = calls
    index = 0 if answer.ask.held else attempt["index"]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": finish_reason(attempt)}


def finish_reason(attempt: Attempt) -> str:
    """How an attempt ended, in OpenAI's words."""
    if attempt["tool_calls"]:
        return "tool_calls"
    named = {"refusal": "content_filter", "filtered": "content_filter", "length": "length"}
    return named.get(attempt["finish"], "stop")


@dataclass
class ChatWriter:
    """A reply as chunks: guidance as reasoning content, the solvers' deltas, and at the end what it took."""

    id: str
    model: str
    with_usage: bool
    created: int = field(default_factory=lambda: int(time.time()))
    _begun: set[int] = field(default_factory=set)
    _spoken: set[int] = field(default_factory=set)

    def start(self) -> bytes:
        """Nothing: chunks are of choices."""
        return b""

    def event(self, event: Guidance | Delta) -> bytes:
        """Guidance is said once, in the first choice."""
        if isinstance(event, Guidance):
            return self._delta(0, {"reasoning_content": event.text})
        self._spoken.add(event.index)
        said: dict[str, Any] = {"content": event.text} if event.text else {}
        if event.tool_calls:
            said["tool_calls"] = [_call_chunk(call) for call in event.tool_calls]
        return self._delta(event.index, said)

    def end(self, answer: Answer) -> bytes:
        """What was not streamed (a vote's winner, a model without a stream), the reasons, what it took, the end."""
        sent = b"".join(self._finish(attempt, answer) for attempt in answer.shown)
        used = usage(answer.output["ledger"])
        told = {**about(answer), "usage": used}
        last = self._chunk([], sg_agent=told, **({"usage": used} if self.with_usage else {}))
        return sent + last + b"data: [DONE]\n\n"

    def broken(self, error: ApiError) -> bytes:
        """The error as the last event."""
        return sse(error.body)

    def _finish(self, attempt: Attempt, answer: Answer) -> bytes:
        choice = _choice(attempt, answer)
        index, message = choice["index"], choice["message"]
        rest = b""
        if index not in self._spoken:
            calls = [{**call, "index": i} for i, call in enumerate(message.get("tool_calls", []))]
            rest = self._delta(index, {"content": message["content"] or "", **({"tool_calls": calls} if calls else {})})
        return rest + self._chunk([{"index": index, "delta": {}, "finish_reason": choice["finish_reason"]}])

    def _delta(self, index: int, said: dict[str, Any]) -> bytes:
        if index not in self._begun:
            self._begun.add(index)
            said = {"role": "assistant", **said}
        return self._chunk([{"index": index, "delta": said, "finish_reason": None}])

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        return sse({**head, "choices": choices, **more})


def _call_chunk(call: dict[str, Any]) -> dict[str, Any]:
    function = {name: value for name in ("name", "args") if (value := call.get(name)) is not None}
    if "args" in function:
        function["arguments"] = function.pop("args")
    chunk: dict[str, Any] = {"index": call.get("index") or 0, "function": function}
    return {"id": call["id"], "type": "function", **chunk} if call.get("id") else chunk
