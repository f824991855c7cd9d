"""A chat completions server on the loopback whose replies a test decides, HTTP status and headers included."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from meanwhile import meanwhile


class Refusal(NamedTuple):
    """A reply that is no answer."""

    status: int
    headers: dict[str, str]


Reply = Callable[[dict[str, Any]], str | Refusal]


class ChatServer(ThreadingHTTPServer):
    """Answers with `reply(request body)`; `asked` holds every body so far."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, reply: Reply) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.asked: list[dict[str, Any]] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        reply = self.server.reply(body)
        if isinstance(reply, Refusal):
            self._send(reply.status, {"error": {"message": "refused by the test"}}, reply.headers)
        else:
            self._send(200, completion(body["model"], reply), {})

    def _send(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "content-type": "application/json", "content-length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Silent."""


def completion(model: str, text: str) -> dict[str, Any]:
    """A reply as the API gives it."""
    return {
        "id": "call",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55},
    }


def chat_server(reply: Reply) -> AbstractContextManager[ChatServer]:
    """A server that runs meanwhile."""
    return meanwhile(ChatServer(reply))
