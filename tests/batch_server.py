"""OpenAI's files and batches endpoints on the loopback, with the faults that a test orders."""

import json
import re
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chat_server import Refusal, completion
from meanwhile import meanwhile

Reply = Callable[[dict[str, Any]], str | Refusal]
PAGE = 2  # batches in one page of a listing


class BatchServer(ThreadingHTTPServer):
    """Answers the requests of a batch with `reply(body)`; a Refusal is a line of the error file.

    A batch ends as `ends_as`, after as many looks as `looks`; of one that does not complete only the first
    `answered` lines are answered. `faults` counts down, by "METHOD path" (ids as *), requests that end in a 500;
    "lost" those in which the batch is made all the same; "unknown" looks that end in a 404. `asked` are the bodies of
    all submitted requests, `seen` counts all requests to the server.
    """

    daemon_threads = True

    def __init__(self, reply: Reply) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        self.seen: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.ends_as, self.answered, self.looks = "completed", 10**9, 1

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def store(self, content: bytes) -> str:
        self.files[f"file-{len(self.files)}"] = content
        return f"file-{len(self.files) - 1}"

    def submit(self, wanted: dict[str, Any]) -> dict[str, Any]:
        made = {
            **wanted,
            "id": f"batch_{len(self.batches)}",
            "object": "batch",
            "created_at": 2_000_000_000,
            "status": "in_progress",
            "looks": 0,
        }
        self.batches[made["id"]] = made
        self.asked += [json.loads(line)["body"] for line in self.files[wanted["input_file_id"]].splitlines()]
        return made

    def look(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch["looks"] += 1
        if batch["looks"] >= self.looks and batch["status"] == "in_progress":
            self._end(batch)
        return batch

    def _end(self, batch: dict[str, Any]) -> None:
        batch.update(status=self.ends_as, completed_at=batch["created_at"] + 60)
        if self.ends_as == "failed":
            batch["errors"] = {"object": "list", "data": [{"code": "token_limit_exceeded", "message": "too many"}]}
            return
        good, bad = [], []
        for number, line in enumerate(self.files[batch["input_file_id"]].splitlines()):
            request = json.loads(line)
            said = self.reply(request["body"]) if number < self.answered else None
            if isinstance(said, str):
                body = completion(request["body"]["model"], said)
                good.append({**_reply(request), "response": {"status_code": 200, "body": body}})
            elif isinstance(said, Refusal):
                body = {"error": {"code": "rate_limit", "message": "refused by the test"}}
                bad.append({**_reply(request), "response": {"status_code": said.status, "body": body}})
            else:
                error = {"code": f"batch_{self.ends_as}", "message": "not reached"}
                bad.append({**_reply(request), "error": error})
        for name, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                batch[name] = self.store("".join(json.dumps(line) + "\n" for line in lines).encode())


def _reply(request: dict[str, Any]) -> dict[str, Any]:
    return {"id": "line", "custom_id": request["custom_id"], "response": None, "error": None}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BatchServer

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        match self._path():
            case "/v1/files":
                if not self._fault("POST /v1/files"):
                    self._send(200, {**_file(), "id": self.server.store(_uploaded(content))})
            case "/v1/batches":
                lost = self.server.faults["lost"]
                if lost or not self._fault("POST /v1/batches"):
                    made = self.server.submit(json.loads(content))
                    self.server.seen["POST /v1/batches"] += not lost
                    self._send(200, made) if not lost else self._fault("lost")

    def do_GET(self) -> None:
        path = self._path()
        pattern = re.sub(r"/(?:file-|batch_)\d+", "/*", path)
        if self._fault(f"GET {pattern}"):
            return
        self.server.seen[f"GET {pattern}"] += 1
        identity = path.split("/")[3] if path.count("/") > 2 else ""
        if pattern == "/v1/files/*/content":
            self._send(200, self.server.files[identity])
        elif pattern == "/v1/batches/*" and self.server.faults["unknown"]:
            self._fault("unknown", 404)
        elif pattern == "/v1/batches/*":
            self._send(200, self.server.look(self.server.batches[identity]))
        else:
            self._send(200, self._page())

    def _page(self) -> dict[str, Any]:
        newest = [*reversed(self.server.batches.values())]
        after = parse_qs(urlsplit(self.path).query).get("after", [""])[0]
        start = next((place + 1 for place, batch in enumerate(newest) if batch["id"] == after), 0)
        return {"object": "list", "data": newest[start : start + PAGE], "has_more": start + PAGE < len(newest)}

    def _path(self) -> str:
        return urlsplit(self.path).path

    def _fault(self, name: str, status: int = 500) -> bool:
        if not self.server.faults[name]:
            return False
        self.server.faults[name] -= 1
        self._send(status, {"error": {"message": f"ordered by the test: {name}"}})
        return True

    def _send(self, status: int, body: dict[str, Any] | bytes) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.send_header("retry-after-ms", "10")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Silent."""


def _file() -> dict[str, Any]:
    return {"object": "file", "bytes": 0, "created_at": 0, "filename": "x", "purpose": "batch", "status": "processed"}


def _uploaded(content: bytes) -> bytes:
    """The JSON lines in a multipart form."""
    return b"\n".join(line for line in content.splitlines() if line.startswith(b'{"custom_id"'))


def batch_server(reply: Reply) -> AbstractContextManager[BatchServer]:
    """A server that runs meanwhile."""
    return meanwhile(BatchServer(reply))
