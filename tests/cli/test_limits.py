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


def test_ask_and_eval_take_the_users_own_prices(server: ChatServer, tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        "- {model: openai:guide, input: 100, output: 100}\n- {model: openai:solver, input: 1, output: 1}\n"
    )
    priced = [*models(server), "--prices", str(prices), "--json"]
    done = CliRunner().invoke(app, ["ask", "Who?", *priced])
    assert json.loads(done.stdout)["cost_usd"] == pytest.approx(55 * 101 / 1e6)
    asked = ["eval", "depot", "--limit", "1", "--arms", "cot,guided", *priced, "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, [*asked, "--max-cost", "1", "--max-tokens", "100"])
    assert done.exit_code == 0, done.output
    arms = json.loads(done.stdout)["arms"]
    assert [arms[arm]["cost_usd"] for arm in ("cot", "guided")] == pytest.approx([55 / 1e6, 55 * 101 / 1e6])
    assert f"--prices {prices}" in json.loads((tmp_path / "run" / "config.json").read_text())["commands"][0]


@pytest.mark.parametrize(
    "command",
    [
        ["ask", "Who?", "--arm", "cot"],
        ["eval", "depot"],
        ["teach", "depot", "--out", "rows.jsonl"],
        ["rl", "--base", "embedded:solver", "--data", "depot", "--out", "run"],
    ],
    ids=lambda command: command[0],
)
def test_a_wrong_price_file_is_one_line_and_nothing_is_asked(
    command: list[str], server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prices.yaml").write_text("- {model: openai:solver, input: cheap, output: 1}\n")
    model = "--teacher" if command[0] == "teach" else "--solver"
    done = CliRunner().invoke(app, [*command, model, f"openai:solver@{server.base_url}", "--prices", "prices.yaml"])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert "prices 'prices.yaml', entry 1 ('openai:solver'): 'input': Input should be a valid number" in line
    assert server.asked == []
