"""What `ask` and `eval` let guide and solver write at most, as their servers are told."""

import gc
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, chat_server
from typer.testing import CliRunner

from sg_agent.cli import app
from sg_agent.evals.config import EvalConfig
from sg_agent.graphs.state import Settings

# Inspect AI leaves streams to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")


@pytest.fixture(autouse=True, scope="module")
def collect_here() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def server() -> Iterator[ChatServer]:
    def reply(body: dict[str, Any]) -> str:
        return "1. Read.\n2. Count." if "Write a" in str(body["messages"][0]["content"]) else "Answer: 1"

    with chat_server(reply) as running:
        yield running


def models(server: ChatServer) -> list[str]:
    return ["--guide", f"openai:guide@{server.base_url}", "--solver", f"openai:solver@{server.base_url}"]


def limits(server: ChatServer) -> dict[str, int | None]:
    """By model, the limit of its call."""
    return {body["model"]: body.get("max_completion_tokens", body.get("max_tokens")) for body in server.asked}


def test_ask_bounds_guidance_and_reply_each_by_its_own_limit(server: ChatServer) -> None:
    asked = ["ask", "Who?", *models(server), "--guide-max-tokens", "150", "--max-tokens", "200", "--json"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert limits(server) == {"guide": 150, "solver": 200}


def test_eval_bounds_guidance_and_its_directory_is_of_that_limit(server: ChatServer, tmp_path: Path) -> None:
    asked = ["eval", "depot", "--limit", "1", "--arms", "guided", *models(server), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, [*asked, "--guide-max-tokens", "150", "--json"])
    assert done.exit_code == 0, done.output
    assert limits(server) == {"guide": 150, "solver": None}
    recorded = json.loads((tmp_path / "run" / "config.json").read_text())
    assert recorded["config"]["guide_max_tokens"] == 150
    assert "--guide-max-tokens 150" in recorded["commands"][0]
    refused = CliRunner().invoke(app, [*asked, "--guide-max-tokens", "151"])
    assert refused.exit_code == 2
    assert "guide_max_tokens was 150 and is now 151" in refused.stderr


def test_without_a_limit_guidance_has_that_of_the_graphs() -> None:
    config = EvalConfig("depot")
    assert config.settings().guide_max_tokens == Settings().guide_max_tokens == 512
    assert "--guide-max-tokens" not in shlex.split(config.command())


@pytest.mark.parametrize("verb", [["ask", "Who?"], ["eval", "depot"]])
def test_a_limit_of_nothing_is_refused(verb: list[str]) -> None:
    done = CliRunner().invoke(app, [*verb, "--guide-max-tokens", "0"])
    assert done.exit_code == 2
    assert "--guide-max-tokens" in done.stderr


def test_a_dry_run_never_assumes_more_guidance_than_its_limit(server: ChatServer) -> None:
    asked = ["eval", "depot", "--limit", "2", "--arms", "guided", *models(server), "--dry-run", "--json"]
    done = CliRunner().invoke(app, [*asked, "--guide-max-tokens", "100"])
    assert done.exit_code == 0, done.output
    calls = {call["role"]: call["output_tokens"] for call in json.loads(done.stdout)["calls"]}
    assert calls["guide"] == 2 * 100
    assert server.asked == []
