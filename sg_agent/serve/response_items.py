"""The items of the Responses API: those of a request as chat messages, and those of a reply."""

import json
import uuid
from typing import Any

from sg_agent.graphs.state import Attempt
from sg_agent.serve.errors import ApiError, bad_request

TEXT_PARTS = {"input_text", "output_text", "text"}
Item = dict[str, Any]


def chat_messages(instructions: str | None, given: str | list[Item]) -> list[Item]:
    """Instructions and input as the messages of a chat completion. Raises ApiError for an item that is not known."""
    turns: list[Item] = [{"role": "system", "content": instructions}] if instructions else []
    if isinstance(given, str):
        return [*turns, {"role": "user", "content": given}]
    for number, item in enumerate(given):
        where = f"input.{number}"
        match item.get("type", "message"):
            case "message":
                turns.append({"role": _role(item, where), "content": _content(item.get("content"), where)})
            case "function_call":
                _add_call(turns, item, where)
            case "function_call_output":
                output = _text(item.get("output"), f"{where}.output")
                turns.append({"role": "tool", "tool_call_id": _text(item.get("call_id"), where), "content": output})
            case "reasoning":
                continue  # guidance of an earlier turn, which is not for the solver
            case other:
                raise _unknown(f"items of type {other!r:.60}", where)
    return turns


def _role(item: Item, where: str) -> str:
    if (role := item.get("role")) not in ("user", "assistant", "system", "developer"):
        raise bad_request(f"{where}.role: must be user, assistant, system or developer", param=f"{where}.role")
    return str(role)


def _content(content: Any, where: str) -> str | list[Item]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise bad_request(f"{where}.content: must be a text or a list of parts", param=f"{where}.content")
    return [_part(part, f"{where}.content") for part in content]


def _part(part: Item, where: str) -> Item:
    if part.get("type") in TEXT_PARTS:
        return {"type": "text", "text": _text(part.get("text"), where)}
    if part.get("type") == "input_image" and part.get("image_url"):
        image = {"url": _text(part["image_url"], where), "detail": part.get("detail", "auto")}
        return {"type": "image_url", "image_url": image}
    raise _unknown(f"parts of type {part.get('type')!r:.60}", where)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise bad_request(f"{where}: must be a text", param=where)
    return value


def _add_call(turns: list[Item], item: Item, where: str) -> None:
    """To the assistant's turn before it, as chat completions have it."""
    function = {name: _text(item.get(name), f"{where}.{name}") for name in ("name", "arguments")}
    call = {"id": _text(item.get("call_id"), f"{where}.call_id"), "type": "function", "function": function}
    if not turns or turns[-1]["role"] != "assistant":
        turns.append({"role": "assistant", "content": ""})
    turns[-1].setdefault("tool_calls", []).append(call)


def _unknown(what: str, where: str) -> ApiError:
    return bad_request(f"{where}: {what} are not supported", param=where, code="unsupported_value")


def chat_tool(tool: Item) -> Item:
    """A tool as chat completions name it. Raises ApiError for one that only OpenAI's own servers run."""
    if tool.get("type") != "function":
        raise _unknown(f"tools of type {tool.get('type')!r:.60}", "tools")
    kept = {name: tool[name] for name in ("name", "description", "parameters", "strict") if tool.get(name) is not None}
    return {"type": "function", "function": kept}


def reasoning_item(guidance: str) -> Item:
    """Guidance, as the summary of a reasoning."""
    return {"id": _id("rs"), "type": "reasoning", "summary": [{"type": "summary_text", "text": guidance}]}


def message_item(text: str, *, status: str = "completed") -> Item:
    """The solver's text."""
    item = {"id": _id("msg"), "type": "message", "status": status, "role": "assistant"}
    return {**item, "content": [text_part(text)] if status == "completed" else []}


def text_part(text: str) -> Item:
    """A text in a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def call_item(call_id: str, name: str, arguments: str, *, status: str = "completed") -> Item:
    """What the solver asks a tool for."""
    told = {"call_id": call_id, "name": name, "arguments": arguments}
    return {"id": _id("fc"), "type": "function_call", "status": status, **told}


def attempt_items(attempt: Attempt) -> list[Item]:
    """All that an attempt wrote."""
    calls = [call_item(str(call["id"]), call["name"], json.dumps(call["args"])) for call in attempt["tool_calls"]]
    return [*([message_item(attempt["text"])] if attempt["text"] or not calls else []), *calls]


def _id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"
