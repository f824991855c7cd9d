"""POST /v1/responses, without state: guidance is a reasoning item, the solver's reply a message or calls of tools."""

import time
import uuid
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sg_agent.graphs.state import Settings
from sg_agent.serve.answering import Answer, Ask
from sg_agent.serve.arms import Models
from sg_agent.serve.chat_completions import attempts, guide_settings, question
from sg_agent.serve.dialect import Parsed, about
from sg_agent.serve.errors import bad_request, invalid
from sg_agent.serve.passing import solver_options
from sg_agent.serve.response_items import Item, attempt_items, chat_messages, chat_tool, reasoning_item
from sg_agent.serve.response_stream import ResponseWriter
from sg_agent.serve.schemas import Guiding, Name
from sg_agent.serve.usage import usage

STATELESS = "this server keeps no responses: send the whole conversation as input"
REFUSED = {
    "previous_response_id": STATELESS,
    "conversation": STATELESS,
    "prompt": "this server keeps no prompts: send instructions",
    "store": "nothing is stored",
    "background": "nothing runs in the background",
    "include": "there is nothing to include",
    "max_tool_calls": "this server runs no tools",
    "top_logprobs": "the reply would not hold them",
    "truncation": "what is too long is refused",
}
NEUTRAL: dict[str, Any] = {
    "store": False,
    "background": False,
    "include": [],
    "top_logprobs": 0,
    "truncation": "disabled",
}


class Reasoning(BaseModel):
    model_config = ConfigDict(strict=True)

    effort: str | None = None


class Text(BaseModel):
    model_config = ConfigDict(strict=True)

    format: dict[str, Any] | None = None
    verbosity: str | None = None


class ResponsesRequest(BaseModel):
    """The body of POST /v1/responses."""

    model_config = ConfigDict(strict=True, extra="allow")

    model: Name
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    text: Text | None = None
    reasoning: Reasoning | None = None
    metadata: dict[str, str] | None = None
    sg_agent: Guiding = Field(default_factory=Guiding)


def read(body: bytes, models: Models, *, most_attempts: int) -> Parsed:
    """The request in `body`. Raises ApiError."""
    try:
        request = ResponsesRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error) from error
    extra = dict(request.model_extra or {})
    for name, why in REFUSED.items():
        if (value := extra.pop(name, None)) is not None and value != NEUTRAL.get(name):
            raise bad_request(f"{name} is not supported: {why}", param=name, code="unsupported_parameter")
    target = models.find(request.model, request.sg_agent.arm, request.sg_agent.attempts)
    settings = Settings(
        attempts=attempts(target, 1, most_attempts),
        kind=request.sg_agent.kind,
        temperature=request.temperature,
        seed=extra.pop("seed", None),
        max_tokens=request.max_output_tokens,
        solver_options=solver_options(target.solver, {**extra, **_chat_options(request)}),
        **guide_settings(request.sg_agent),
    )
    messages = chat_messages(request.instructions, request.input)
    ask = Ask(target, question(messages, request.sg_agent), settings, 1)
    response_id = f"resp_{uuid.uuid4().hex}"
    head = partial(_head, response_id, int(time.time()), target.name, request)
    return Parsed(response_id, ask, ResponseWriter(head) if request.stream else None, partial(_reply, head))


def _chat_options(request: ResponsesRequest) -> dict[str, Any]:
    """The options that have other names in chat completions."""
    choice = request.tool_choice
    if isinstance(choice, dict) and choice.get("type") == "function":
        choice = {"type": "function", "function": {"name": choice.get("name")}}
    wanted = request.text or Text()
    form = wanted.format
    if form and form.get("type") == "json_schema":
        form = {"type": "json_schema", "json_schema": {name: form[name] for name in form if name != "type"}}
    return {
        "top_p": request.top_p,
        "tools": [chat_tool(tool) for tool in request.tools] if request.tools else None,
        "tool_choice": choice,
        "response_format": form,
        "verbosity": wanted.verbosity,
        "reasoning_effort": request.reasoning.effort if request.reasoning else None,
    }


def _reply(head: Any, answer: Answer) -> dict[str, Any]:
    (attempt,) = answer.shown
    guidance = answer.output["guidance"]
    output = [*([reasoning_item(guidance)] if guidance else []), *attempt_items(attempt)]
    status = "incomplete" if attempt["finish"] in ("length", "filtered") else "completed"
    response: dict[str, Any] = head(status, output, answer)
    return response


def _head(
    response_id: str,
    created: int,
    model: str,
    request: ResponsesRequest,
    status: str,
    output: list[Item],
    answer: Answer | None,
) -> dict[str, Any]:
    """The response object. `answer` is there once all is known."""
    cut = None
    if answer and status == "incomplete":
        length = answer.shown[0]["finish"] == "length"
        cut = {"reason": "max_output_tokens" if length else "content_filter"}
    response = {
        "id": response_id,
        "object": "response",
        "created_at": created,
        "status": status,
        "error": None,
        "incomplete_details": cut,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "metadata": request.metadata or {},
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": request.temperature,
        "text": {"format": (request.text and request.text.format) or {"type": "text"}},
        "tool_choice": request.tool_choice or "auto",
        "tools": request.tools or [],
        "top_p": request.top_p,
        "truncation": "disabled",
        "usage": None,
    }
    return response if answer is None else {**response, "usage": _usage(answer), "sg_agent": about(answer)}


def _usage(answer: Answer) -> dict[str, Any]:
    used = usage(answer.output["ledger"])
    return {**_renamed(used), "by_role": {role: _renamed(part) for role, part in used["by_role"].items()}}


def _renamed(used: dict[str, Any]) -> dict[str, Any]:
    return {
        "input_tokens": used["prompt_tokens"],
        "input_tokens_details": used["prompt_tokens_details"],
        "output_tokens": used["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used["total_tokens"],
    }
