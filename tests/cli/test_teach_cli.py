"""`sg-agent teach`: the command, and a run killed outright that the same command continues."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, chat_server
from typer.testing import CliRunner

from sg_agent.cli import app

PLAN = "1. Look at the days.\n2. Add them up."
N, CONCURRENCY = 40, 4


def teach(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["teach", *arguments])


def test_json_is_one_object_alone_on_stdout(tmp_path: Path) -> None:
    done = teach("depot", "--from", "plan", "--limit", "5", "--out", str(tmp_path / "t.jsonl"), "--json")
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert (shown["kept"], shown["n"], shown["eval_rows"]) == (5, 5, 300)
    words = teach("depot", "--from", "plan", "--limit", "5", "--out", str(tmp_path / "t.jsonl"))
    assert words.stdout == f"5 of 5 rows kept in {tmp_path / 't.jsonl'}, by rows:plan\n"
    assert "5 of 5 questions are there already" in " ".join(words.stderr.split())


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    asked = [
        "depot",
        "--teacher",
        "openai:gpt-4.1-mini",
        "--limit",
        "5",
        "--out",
        str(tmp_path / "t.jsonl"),
        "--dry-run",
    ]
    full = json.loads(teach(*asked, "--json").stdout)
    half = json.loads(teach(*asked, "--batch", "--json").stdout)
    both = json.loads(teach(*asked, "--verify-with", "openai:gpt-4.1-nano", "--json").stdout)
    assert (full["total_calls"], both["total_calls"]) == (5, 10)
    assert half["cost_usd"] == pytest.approx(full["cost_usd"] / 2)
    assert full["calls"][0]["output_tokens"] == 5 * 256
    assert "Nothing was loaded, asked or written." in teach(*asked).stdout
    assert not [*tmp_path.iterdir()]


def test_a_config_file_may_leave_several_filters_out(tmp_path: Path) -> None:
    config = tmp_path / "teach.yaml"
    config.write_text(f"from: plan\nlimit: 3\nno-filter: [steps, leak]\nout: {tmp_path / 't.jsonl'}\n")
    shown = json.loads(teach("depot", "--config", str(config), "--json").stdout)
    assert shown["n"] == 3
    assert shown["rejected"].keys().isdisjoint({"steps", "leak"})
    assert "near-duplicate" in shown["rejected"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["depot"], "name either --teacher SPEC or --from SOURCE"),
        (["depot", "--from", "poem"], "--from 'poem' is unknown; accepted: rationale, plan, decomposition"),
        (["nosuite", "--from", "plan"], "unknown suite 'nosuite'"),
        (["depot", "--teacher", "gpt"], "unknown model 'gpt'"),
        (["depot", "--from", "plan", "--no-filter", "leek"], "unknown filter 'leek'"),
        (["depot", "--from", "plan", "--filters", "leak", "--no-filter", "steps"], "not both"),
        (["depot", "--teacher", "embedded:guide", "--batch"], "--batch needs a teacher"),
        (["archive", "--from", "rationale"], "300 of 300 rows of 'archive' lack it"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = teach(*arguments, "--out", str(tmp_path / "t.jsonl"))
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def reply(body: dict[str, Any]) -> str:
    """Slow enough to be killed meanwhile."""
    time.sleep(0.1)
    return PLAN if body["model"] == "teacher" else "Answer: 1"


def command(server: ChatServer, out: Path) -> list[str]:
    asked = ["teach", "depot", "--limit", str(N), "--concurrency", str(CONCURRENCY), "--out", str(out), "--json"]
    models = ["--teacher", f"openai:teacher@{server.base_url}", "--verify-with", f"openai:solver@{server.base_url}"]
    return [sys.executable, "-c", "from sg_agent.cli import main; main()", *asked, *models]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_kill_9_loses_only_the_calls_in_flight(tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    with chat_server(reply) as server:
        run = subprocess.Popen(command(server, out), stdout=subprocess.DEVNULL)
        judged = out.with_suffix(".rejected.jsonl")
        while not judged.is_file() or judged.read_bytes().count(b"\n") < N // 3:
            assert run.poll() is None, "the run ended before it could be killed"
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert judged.read_bytes().count(b"\n") < N
        continued = json.loads(subprocess.run(command(server, out), capture_output=True, check=True).stdout)
        assert (continued["missing"], continued["errors"]) == (0, 0)
        assert continued["kept"] + sum(continued["rejected"].values()) == N
        asked = Counter(json.dumps([body["model"], body["messages"]]) for body in server.asked)
        assert sum(asked.values()) - len(asked) <= CONCURRENCY
        before = len(server.asked)
        subprocess.run(command(server, out), capture_output=True, check=True)
        assert len(server.asked) == before
    lines = [json.loads(line) for path in (out, judged) for line in path.read_text().splitlines()]
    assert len(lines) == len({line["id"] for line in lines}) == N
