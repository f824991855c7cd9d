"""OpenAI's two APIs on the loopback, with the faults that hosted models have: each call takes the next of `acts`."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from meanwhile import meanwhile

USAGE = {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55}
RESPONSES_USAGE = {
    "input_tokens": 50,
    "output_tokens": 5,
    "total_tokens": 55,
    "input_tokens_details": {"cached_tokens": 20},
    "output_tokens_details": {"reasoning_tokens": 0},
}

ITEM = {"type": "message", "id": "msg_1", "role": "assistant"}


@dataclass(frozen=True)
class Act:
    """What a call gets: `text` and how it ended, or a status, after `wait_s` seconds.

    `cut` ends the connection after as many words of a stream; `gap_s` is between its words. `body` is sent as it is,
    `error` with a status.
    """

    text: str = "Answer: 7"
    finish: str | None = "stop"
    refusal: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    error: dict[str, str] = field(default_factory=lambda: {"message": "refused by the test"})
    wait_s: float = 0.0
    gap_s: float = 0.0
    cut: int | None = None


class FaultyServer(ThreadingHTTPServer):
    """`acts` in the order of the calls, the last one for ever, or a function of the body. `asked` has the bodies."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, acts: Sequence[Act] | Callable[[dict[str, Any]], Act]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.acts = acts
        self.asked: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.paths: list[str] = []
        self.gone = 0
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def act(self, path: str, body: dict[str, Any]) -> Act:
        with self._lock:
            self.asked.append(body)
            self.paths.append(path)
            self.times.append(time.monotonic())
            number = len(self.asked)
        return self.acts(body) if callable(self.acts) else self.acts[min(number, len(self.acts)) - 1]


def faulty_server(
    *acts: Act, by: Callable[[dict[str, Any]], Act] | None = None
) -> AbstractContextManager[FaultyServer]:
    """A server that runs meanwhile."""
    return meanwhile(FaultyServer(by or acts))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        act = self.server.act(self.path, body)
        time.sleep(act.wait_s)
        try:
            self._answer(act, body)
        except OSError:  # the client has hung up
            self.server.gone += 1
            self.close_connection = True

    def _answer(self, act: Act, body: dict[str, Any]) -> None:
        responses = self.path.endswith("/responses")
        if act.status != 200:
            self._send(act.status, json.dumps({"error": act.error}), act.headers)
        elif act.body is not None:
            self._send(200, act.body, act.headers)
        elif body.get("stream"):
            self._stream(response_events(act, body["model"]) if responses else chat_events(act, body["model"]), act)
        else:
            self._send(200, json.dumps(response(act, body["model"]) if responses else chat(act, body["model"])), {})

    def _send(self, status: int, text: str, headers: dict[str, str]) -> None:
        data = text.encode()
        self.send_response(status)
        named = {"content-type": "application/json", **headers, "content-length": str(len(data)), "connection": "close"}
        for name, value in named.items():
            self.send_header(name, value)
        self.close_connection = True  # LangChain keeps its clients, and a test's event loop ends
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterator[str], act: Act) -> None:
        """Server-sent events; the end of the connection is the end of the stream, so that a cut is not seen as one."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for number, event in enumerate(events):
            if act.cut is not None and number > act.cut:
                return
            self.wfile.write(event.encode())
            self.wfile.flush()
            time.sleep(act.gap_s)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Silent."""


def chat(act: Act, model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": act.text, "refusal": act.refusal}
    choice = {"index": 0, "message": message, "finish_reason": act.finish}
    common = {"id": "call", "object": "chat.completion", "created": 0, "model": model, "usage": USAGE}
    return {**common, "choices": [choice]}


def chat_events(act: Act, model: str) -> Iterator[str]:
    def event(delta: dict[str, Any] | None, finish: str | None = None, usage: dict[str, int] | None = None) -> str:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        common = {"id": "call", "object": "chat.completion.chunk", "created": 0, "model": model, "usage": usage}
        return f"data: {json.dumps({**common, 'choices': choices})}\n\n"

    said, text = ("content", act.text) if act.refusal is None else ("refusal", act.refusal)
    for word in text.split(" "):
        yield event({"role": "assistant", said: f"{word} "})
    yield event({}, act.finish)
    yield event(None, usage=USAGE)
    yield "data: [DONE]\n\n"


def response(act: Act, model: str) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "output_text", "text": act.text, "annotations": []}
    if act.refusal is not None:
        content = {"type": "refusal", "refusal": act.refusal}
    stopped = act.finish == "stop"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": model,
        "status": "completed" if stopped else "incomplete",
        "incomplete_details": None if stopped else {"reason": act.finish},
        "error": None,
        "output": [
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [content]}
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": RESPONSES_USAGE,
    }


def response_events(act: Act, model: str) -> Iterator[str]:
    number = 0

    def event(kind: str, **fields: Any) -> str:
        nonlocal number
        number += 1
        return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': number, **fields})}\n\n"

    begun = {**response(act, model), "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    yield event("response.created", response=begun)
    yield event("response.output_item.added", output_index=0, item={**ITEM, "status": "in_progress", "content": []})
    if act.refusal is not None:
        yield event("response.refusal.done", refusal=act.refusal, **place)
    else:
        for word in act.text.split(" "):
            yield event("response.output_text.delta", delta=f"{word} ", logprobs=[], **place)
        yield event("response.output_text.done", text=act.text, logprobs=[], **place)
    done = "completed" if act.finish == "stop" else "incomplete"
    yield event(f"response.{done}", response=response(act, model))
