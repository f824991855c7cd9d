"""A chat completions server on the loopback that streams slowly, refuses, or breaks off, as a test says."""

import json
import threading
import time
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from meanwhile import meanwhile


class Upstream(ThreadingHTTPServer):
    """Answers with `words`, `pause_s` apart when streaming, or with `status`; it may `break_after` so many words.

    `asked` holds every body so far; `hung_up` is set once a client has closed the connection before the end.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.words = ["There", " are", " 7", " pens."]
        self.pause_s = 0.0
        self.status, self.headers, self.error = 200, dict[str, str](), {"message": "refused by the test"}
        self.refusals: list[int] = []  # statuses of the first replies
        self.message: dict[str, Any] | None = None
        self.break_after: int | None = None
        self.asked: list[dict[str, Any]] = []
        self.hung_up = threading.Event()
        self.sent_at: list[float] = []

    @property
    def spec(self) -> str:
        return f"openai:upstream@http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what tests are about."""
        self.hung_up.set()


USAGE = {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_POST(self) -> None:
        upstream = self.server
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        upstream.asked.append(body)
        if upstream.refusals or upstream.status != 200:
            status = upstream.refusals.pop(0) if upstream.refusals else upstream.status
            self._whole({"error": upstream.error}, status)
        elif body.get("stream"):
            self._stream(body)
        else:
            self._wait(upstream.pause_s * len(upstream.words))
            message = upstream.message or {"role": "assistant", "content": "".join(upstream.words)}
            finish = "tool_calls" if message.get("tool_calls") else "stop"
            choice = {"index": 0, "message": message, "finish_reason": finish}
            head = {"id": "call", "object": "chat.completion", "created": 0, "model": body["model"]}
            self._whole({**head, "choices": [choice], "usage": USAGE})

    def _wait(self, seconds: float) -> None:
        """Sleep, but notice a client that goes away."""
        end = time.monotonic() + seconds
        self.connection.settimeout(0.02)
        while (left := end - time.monotonic()) > 0:
            try:
                if self.connection.recv(1) == b"":
                    raise ConnectionResetError
            except TimeoutError:
                continue
            except ConnectionError:
                self.server.hung_up.set()
                raise
            time.sleep(min(left, 0.02))
        self.connection.settimeout(None)

    def _whole(self, body: dict[str, Any], status: int = 200) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        sent = {**self.server.headers, "content-type": "application/json", "content-length": str(len(text))}
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def _stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        deltas: list[dict[str, Any]] = [{"content": word} for word in self.server.words]
        if calls := (self.server.message or {}).get("tool_calls"):
            deltas = [{"tool_calls": [{**call, "index": i}]} for i, call in enumerate(calls)]
        for number, delta in enumerate(deltas):
            self._wait(self.server.pause_s)
            if number == self.server.break_after:
                self.connection.close()
                return
            self.server.sent_at.append(time.monotonic())
            self._chunk(body, [{"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None}])
        finish = "tool_calls" if calls else "stop"
        self._chunk(body, [{"index": 0, "delta": {}, "finish_reason": finish}])
        self._chunk(body, [], usage=USAGE)
        self.wfile.write(b"data: [DONE]\n\n")

    def _chunk(self, body: dict[str, Any], choices: list[Any], **more: Any) -> None:
        head = {"id": "call", "object": "chat.completion.chunk", "created": 0, "model": body["model"]}
        self.wfile.write(f"data: {json.dumps({**head, 'choices': choices, **more})}\n\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Silent."""


def upstream() -> AbstractContextManager[Upstream]:
    """A server that runs meanwhile."""
    return meanwhile(Upstream())
