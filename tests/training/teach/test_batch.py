"""Teaching through a batch API: half price, nothing submitted twice, what failed is asked by the same command again."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batch_server import BatchServer, batch_server
from chat_server import Refusal
from genai_prices import calc_price

from sg_agent.errors import BudgetSpent, ConfigError, RunError
from sg_agent.rows import load_rows
from sg_agent.training.teach import batch_api, batch_lines
from sg_agent.training.teach.config import TeachConfig
from sg_agent.training.teach.run import run_teach

N = 5
PLAN = "1. Look at the days.\n2. Add them up."


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.setattr(batch_api, "PAUSE_S", 0.01)
    with batch_server(lambda _: PLAN) as server:
        yield server


def config(server: BatchServer, out: Path, **changed: Any) -> TeachConfig:
    given = TeachConfig(
        "depot", out / "t.jsonl", f"openai:gpt-4.1-mini@{server.base_url}", limit=N, batch=True, poll_seconds=0.01
    )
    return replace(given, **changed)


@pytest.fixture
def priced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's server has the prices of OpenAI's."""
    monkeypatch.setattr(
        "genai_prices.calc_price", lambda used, **_: calc_price(used, model_ref="gpt-4.1-mini", provider_id="openai")
    )


def asked(server: BatchServer) -> Counter[str]:
    return Counter(body["messages"][-1]["content"] for body in server.asked)


def test_a_batch_is_submitted_waited_for_and_judged(server: BatchServer, tmp_path: Path) -> None:
    server.looks = 3
    summary = run_teach(config(server, tmp_path, temperature=0.5))
    assert (summary["kept"], summary["missing"], summary["errors"]) == (N, 0, 0)
    assert {row.guidance for row in load_rows(tmp_path / "t.jsonl")} == {PLAN}
    assert set(asked(server).values()) == {1}
    assert server.asked[0]["model"] == "gpt-4.1-mini"
    assert (server.asked[0]["max_completion_tokens"], server.asked[0]["temperature"]) == (1024, 0.5)
    line = json.loads((tmp_path / "t.jsonl").read_text().splitlines()[0])
    assert (line["provenance"]["input_tokens"], line["provenance"]["latency_s"]) == (50, 60)
    run_teach(config(server, tmp_path, temperature=0.5))
    assert len(server.batches) == 1


@pytest.mark.usefixtures("priced")
def test_a_batch_costs_half(server: BatchServer, tmp_path: Path) -> None:
    summary = run_teach(config(server, tmp_path))
    assert summary["cost_usd"] == pytest.approx(N * (50 * 0.4 + 5 * 1.6) / 1e6 / 2)


@pytest.mark.parametrize(
    "fault", ["POST /v1/files", "POST /v1/batches", "GET /v1/batches/*", "GET /v1/files/*/content"]
)
def test_a_500_now_and_then_is_got_over(server: BatchServer, tmp_path: Path, fault: str) -> None:
    server.faults[fault] = 2
    assert run_teach(config(server, tmp_path))["kept"] == N
    assert len(server.batches) == 1


def test_a_submission_whose_reply_was_lost_is_found_and_not_repeated(server: BatchServer, tmp_path: Path) -> None:
    server.faults["lost"] = 1
    assert run_teach(config(server, tmp_path))["kept"] == N
    assert len(server.batches) == 1


def test_a_death_between_submission_and_its_record_submits_nothing_twice(server: BatchServer, tmp_path: Path) -> None:
    for other in range(3):  # of other people: the listing has several pages
        server.submit({"input_file_id": server.store(b""), "metadata": {"other": str(other)}})
    run_teach(config(server, tmp_path))
    files = [tmp_path / name for name in ("t.jsonl", "t.calls.jsonl")]
    for file in files:
        file.write_bytes(b"")
    journal = tmp_path / "t.batches.jsonl"
    journal.write_text(journal.read_text().splitlines()[0] + "\n")
    for other in range(3):
        server.submit({"input_file_id": server.store(b""), "metadata": {"other": str(other)}})
    assert run_teach(config(server, tmp_path))["kept"] == N
    assert set(asked(server).values()) == {1}


def test_a_death_before_the_submission_submits_it_under_its_name(server: BatchServer, tmp_path: Path) -> None:
    server.faults["POST /v1/batches"] = batch_api.TRIES
    with pytest.raises(RunError, match=r"could not be submitted.*the same command goes on"):
        run_teach(config(server, tmp_path))
    assert run_teach(config(server, tmp_path))["kept"] == N
    assert len(server.batches) == 1


def test_a_death_while_waiting_picks_the_batch_up_again(server: BatchServer, tmp_path: Path) -> None:
    server.faults["unknown"] = 1
    with pytest.raises(RunError, match="'batch_0' could not be looked at"):
        run_teach(config(server, tmp_path))
    assert run_teach(config(server, tmp_path))["kept"] == N
    assert len(server.batches) == 1


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_what_an_ended_batch_answered_is_kept_and_the_rest_is_asked_again(
    server: BatchServer, tmp_path: Path, status: str
) -> None:
    server.ends_as, server.answered = status, 2
    first = run_teach(config(server, tmp_path))
    assert (first["kept"], first["missing"], first["errors"]) == (2, 3, 3)
    server.ends_as, server.answered = "completed", N
    second = run_teach(config(server, tmp_path))
    assert (second["kept"], second["missing"], second["errors"]) == (N, 0, 0)
    assert sorted(asked(server).values()) == [1, 1, 2, 2, 2]


def test_a_failed_batch_says_why_and_is_submitted_again(server: BatchServer, tmp_path: Path) -> None:
    server.ends_as = "failed"
    with pytest.raises(RunError, match="the batch failed without an answer: too many"):
        run_teach(config(server, tmp_path))
    server.ends_as = "completed"
    assert run_teach(config(server, tmp_path))["kept"] == N


def test_a_line_with_an_error_is_asked_again(server: BatchServer, tmp_path: Path) -> None:
    refused = [Refusal(429, {})]
    server.reply = lambda _: refused.pop() if refused else PLAN
    assert run_teach(config(server, tmp_path))["missing"] == 1
    assert run_teach(config(server, tmp_path))["kept"] == N
    assert sorted(asked(server).values()) == [1, 1, 1, 1, 2]


@pytest.mark.usefixtures("priced")
def test_only_what_the_budget_pays_for_at_worst_is_submitted(server: BatchServer, tmp_path: Path) -> None:
    worst = (1000 * 0.4 + 1024 * 1.6) / 1e6 / 2  # a prompt has less than 1000 bytes
    with pytest.raises(BudgetSpent, match=r"2 rows are kept, 3 are missing"):
        run_teach(config(server, tmp_path, max_cost=2.4 * worst))
    assert len(server.asked) == 2
    assert run_teach(config(server, tmp_path, max_cost=1.0))["kept"] == N
    assert set(asked(server).values()) == {1}


def test_more_than_a_batch_may_hold_is_several(
    server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_lines, "MOST_REQUESTS", 2)
    assert run_teach(config(server, tmp_path))["kept"] == N
    assert len(server.batches) == 3
    assert set(asked(server).values()) == {1}


@pytest.mark.parametrize("teacher", ["embedded:guide", "anthropic:claude-haiku-4-5"])
def test_a_teacher_without_the_api_is_refused(tmp_path: Path, teacher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sg_agent.training.teach.config.check_spec", lambda _: None)
    with pytest.raises(ConfigError, match=f"--batch needs .*openai:.*not '{teacher}'"):
        run_teach(TeachConfig("depot", tmp_path / "t.jsonl", teacher, batch=True))
