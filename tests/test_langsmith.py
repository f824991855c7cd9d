"""LangSmith traces our graphs as it does any LangGraph app: by its environment variables alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from chat_server import chat_server
from meanwhile import meanwhile

APP = """
import sys
from langchain_core.tracers.langchain import wait_for_all_tracers
from sg_agent import ScriptedModel, Settings, guided

guide = ScriptedModel(replies=lambda messages: "1. Start with the pens.\\n2. Add Monday.")
graph = guided(guide, f"openai:gpt-4.1-mini@{sys.argv[1]}").compile(name="guided")
question = {"question": "There are 3 pens. On Monday 4 came. How many?", "task": "math"}
assert graph.invoke(question, context=Settings(attempts=2))["answer"] == "7"
wait_for_all_tracers()
"""

BATCHES = {
    "use_multipart_endpoint": False,
    "size_limit": 100,
    "size_limit_bytes": 20_000_000,
    "scale_up_nthreads_limit": 16,
    "scale_up_qsize_trigger": 1000,
    "scale_down_nempty_trigger": 4,
}


class LangSmith(ThreadingHTTPServer):
    """Takes batches of runs; `bodies` holds them as they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []

    def runs(self) -> dict[str, dict[str, Any]]:
        """Every run by its id, as it was posted and then patched."""
        runs: dict[str, dict[str, Any]] = {}
        for kind in ("post", "patch"):
            for run in (run for body in self.bodies for run in body.get(kind) or ()):
                known = {name: value for name, value in run.items() if value is not None}
                runs[run["id"]] = {**runs.get(run["id"], {}), **known}
        return runs


class _Handler(BaseHTTPRequestHandler):
    server: LangSmith

    def do_GET(self) -> None:
        self._send({"batch_ingest_config": BATCHES})

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self._send({})

    def _send(self, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Silent."""


@pytest.fixture
def langsmith() -> Iterator[LangSmith]:
    with meanwhile(LangSmith()) as server:
        yield server


def test_every_node_and_call_is_there_under_its_parent_and_no_key(langsmith: LangSmith) -> None:
    env = {
        **os.environ,
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_API_KEY": "ls-SECRET",
        "LANGSMITH_ENDPOINT": f"http://127.0.0.1:{langsmith.server_port}",
        "OPENAI_API_KEY": "sk-SECRET",
    }
    with chat_server(lambda body: "3 + 4 = 7\nAnswer: 7") as solver:
        subprocess.run([sys.executable, "-c", APP, solver.base_url], env=env, check=True, timeout=60)
    runs = langsmith.runs()

    def path(run: dict[str, Any]) -> str:
        parent = run.get("parent_run_id")
        return f"{path(runs[parent])} / {run['name']}" if parent else str(run["name"])

    paths = sorted(path(run) for run in runs.values() if not run["name"].startswith("after_"))
    assert paths == [
        "guided",
        "guided / check",
        "guided / guide",
        "guided / guide / ScriptedModel",
        "guided / route",
        "guided / solve",
        "guided / solve",
        "guided / solve / ChatOpenAI",
        "guided / solve / ChatOpenAI",
        "guided / vote",
    ]
    root = next(run for run in runs.values() if run["name"] == "guided")
    assert root["outputs"]["answer"] == "7"
    assert "SECRET" not in json.dumps(langsmith.bodies)
