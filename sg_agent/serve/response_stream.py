"""A response as events, in the order of OpenAI's API: every item is opened, written, closed; the last has the whole."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sg_agent.serve.answering import Answer, Delta, Guidance
from sg_agent.serve.dialect import sse
from sg_agent.serve.errors import ApiError
from sg_agent.serve.response_items import Item, attempt_items, call_item, message_item, reasoning_item, text_part

Head = Callable[[str, list[Item], Answer | None], dict[str, Any]]


@dataclass
class ResponseWriter:
    """`head` makes the response object of a status, its output so far and the answer, if there is one."""

    head: Head
    _output: list[Item] = field(default_factory=list)
    _open: Item | None = None
    _call: int | None = None
    _number: int = 0
    _spoken: bool = False

    def start(self) -> bytes:
        """The response, empty."""
        response = self.head("in_progress", [], None)
        return self._say("response.created", response=response) + self._say("response.in_progress", response=response)

    def event(self, event: Guidance | Delta) -> bytes:
        """Guidance is an item of its own; text and every call of a tool are, too."""
        if isinstance(event, Guidance):
            return self._whole(reasoning_item(event.text))
        self._spoken = True
        sent = self._text(event.text) if event.text else b""
        return sent + b"".join(map(self._call_part, event.tool_calls))

    def end(self, answer: Answer) -> bytes:
        """What was not streamed, and the whole response."""
        (attempt,) = answer.shown
        sent = self._close()
        if not self._spoken:
            sent += b"".join(map(self._whole, attempt_items(attempt)))
        status = "incomplete" if attempt["finish"] in ("length", "filtered") else "completed"
        return sent + self._say(f"response.{status}", response=self.head(status, self._output, answer))

    def broken(self, error: ApiError) -> bytes:
        """The response, failed."""
        response = self.head("failed", self._output, None)
        code = "rate_limit_exceeded" if error.status == 429 else "server_error"
        return self._say("response.failed", response={**response, "error": {"code": code, "message": error.message}})

    def _say(self, kind: str, **more: Any) -> bytes:
        said = sse({"type": kind, "sequence_number": self._number, **more}, kind)
        self._number += 1
        return said

    def _whole(self, item: Item) -> bytes:
        """An item that is known at once."""
        if item["type"] == "message":
            return self._text(item["content"][0]["text"]) + self._close()
        if item["type"] == "function_call":
            opened = self._begin({**item, "arguments": "", "status": "in_progress"})
            return opened + self._arguments(item["arguments"]) + self._close()
        text = item["summary"][0]["text"]
        at = {"item_id": item["id"], "output_index": len(self._output), "summary_index": 0}
        part = {"type": "summary_text", "text": text}
        sent = self._begin({**item, "summary": []})
        sent += self._say("response.reasoning_summary_part.added", **at, part={**part, "text": ""})
        sent += self._say("response.reasoning_summary_text.delta", **at, delta=text)
        sent += self._say("response.reasoning_summary_text.done", **at, text=text)
        sent += self._say("response.reasoning_summary_part.done", **at, part=part)
        self._open = item
        return sent + self._close()

    def _begin(self, item: Item) -> bytes:
        sent = self._close()
        self._open = item
        return sent + self._say("response.output_item.added", output_index=len(self._output), item=item)

    @property
    def _at(self) -> dict[str, Any]:
        assert self._open
        return {"item_id": self._open["id"], "output_index": len(self._output)}

    def _text(self, text: str) -> bytes:
        sent = b""
        if self._open is None or self._open["type"] != "message":
            sent = self._begin(message_item("", status="in_progress"))
            sent += self._say("response.content_part.added", **self._at, content_index=0, part=text_part(""))
            assert self._open
            self._open = {**self._open, "content": [text_part("")]}
        self._open["content"][0]["text"] += text
        return sent + self._say("response.output_text.delta", **self._at, content_index=0, delta=text, logprobs=[])

    def _call_part(self, chunk: dict[str, Any]) -> bytes:
        sent, index = b"", chunk.get("index") or 0
        if self._open is None or self._open["type"] != "function_call" or index != self._call:
            self._call = index
            sent = self._begin(call_item(chunk.get("id") or "", chunk.get("name") or "", "", status="in_progress"))
        return sent + (self._arguments(chunk["args"]) if chunk.get("args") else b"")

    def _arguments(self, text: str) -> bytes:
        assert self._open
        self._open = {**self._open, "arguments": self._open["arguments"] + text}
        return self._say("response.function_call_arguments.delta", **self._at, delta=text)

    def _close(self) -> bytes:
        """End the item that is open, if one is."""
        if (item := self._open) is None:
            return b""
        sent = b""
        if item["type"] == "message":
            (part,) = item["content"]
            text = {"text": part["text"], "logprobs": []}
            sent = self._say("response.output_text.done", **self._at, content_index=0, **text)
            sent += self._say("response.content_part.done", **self._at, content_index=0, part=part)
        elif item["type"] == "function_call":
            told = {"name": item["name"], "arguments": item["arguments"]}
            sent = self._say("response.function_call_arguments.done", **self._at, **told)
        if "status" in item:
            item = {**item, "status": "completed"}
        sent += self._say("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)
        self._open = None
        return sent
