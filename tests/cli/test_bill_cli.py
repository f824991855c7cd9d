"""The bill that `sg-agent eval` and `report` show of hosted models, over real HTTP, by the user's own prices."""

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Act, FaultyServer, faulty_server
from typer.testing import CliRunner

from sg_agent.cli import app

# Inspect AI leaves streams to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")

USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 100,
    "total_tokens": 1100,
    "prompt_tokens_details": {"cached_tokens": 600},
}
SMALL = (400 * 1 + 600 * 0.1 + 100 * 4) / 1e6
BIG = (1000 * 10 + 100 * 40) / 1e6
ARMS = "standard,cot,guided,auto,stronger"


@pytest.fixture(autouse=True, scope="module")
def collect_here() -> Iterator[None]:
    yield
    gc.collect()


def reply(body: dict[str, Any]) -> Act:
    """The big model is right, the small one on the first question alone, when guided on the second too."""
    asked = str(body["messages"])
    known = "pens" in asked or ("<guidance>" in asked and "lamps" in asked) or body["model"] == "big"
    text = "1. Read.\n2. Count." if "Write a" in asked else f"So.\nAnswer: {7 if known else 8}"
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    whole = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"], "choices": choices}
    return Act(body=json.dumps({**whole, "usage": USAGE}))


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with faulty_server(by=reply) as running:
        yield running


@pytest.fixture
def asked(server: FaultyServer, tmp_path: Path) -> list[str]:
    rows = [
        {"id": thing, "question": f"How many {thing}?", "answer": "7"} for thing in ("pens", "lamps", "bags", "cups")
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({**row, "task": "math"}) + "\n" for row in rows))
    (tmp_path / "prices.yaml").write_text(
        "- {model: openai:small, input: 1, output: 4, cached_input: 0.1}\n"
        "- {model: openai:big, input: 10, output: 40}\n"
    )
    spec = "openai:{}@" + server.base_url
    models = ["--guide", spec.format("small"), "--solver", spec.format("small"), "--stronger", spec.format("big")]
    where = ["--prices", str(tmp_path / "prices.yaml"), "--out", str(tmp_path / "run")]
    return ["eval", str(tmp_path / "rows.jsonl"), "--arms", ARMS, *models, *where]


def test_eval_shows_cost_per_question_and_right_answer_savings_cached_tokens_and_break_even(asked: list[str]) -> None:
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.stdout.split("the bill")[1].splitlines() if line.strip()]
    bill = {line[0]: line[1:] for line in lines if line[0] in ARMS.split(",") and line[1].endswith("%")}
    assert bill["cot"] == ["25.0%", "1100", "$0.00086", "$0.00344", "-", "60.0%"]
    assert bill["guided"] == ["50.0%", "2200", "$0.00172", "$0.00344", "60.0%", "60.0%"]
    assert bill["stronger"] == ["100.0%", "1100", "$0.014", "$0.014", "-", "60.0%"]
    assert "guided against cot: never repaid by cost, because guided costs $0.00086 more per question." in done.stdout


def test_the_bill_in_json_is_exact_and_a_report_has_the_same(asked: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    each = {arm: one["usd_per_question"] for arm, one in found["bill"].items()}
    assert each == pytest.approx(
        {"standard": SMALL, "cot": SMALL, "guided": 2 * SMALL, "auto": 2 * SMALL, "stronger": BIG}
    )
    assert found["bill"]["guided"]["usd_per_right"] == pytest.approx(4 * SMALL)
    assert found["bill"]["cot"]["cached_input"]["solver"] == {"input": 4000, "cached": 2400, "share": 0.6}
    saved = found["savings"]["guided-vs-stronger"]
    assert saved["saved_usd_per_1000"] == pytest.approx(1000 * (BIG - 2 * SMALL))
    assert saved["delta"] == -0.5
    again = CliRunner().invoke(app, ["report", str(tmp_path / "run"), "--json"])
    assert json.loads(again.stdout)["bill"] == found["bill"]


def test_report_takes_the_price_of_cached_input(asked: list[str], tmp_path: Path) -> None:
    assert CliRunner().invoke(app, asked).exit_code == 0
    prices = ["--input-price", "2", "--output-price", "0", "--cached-input-price", "0.5"]
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run"), *prices, "--json"])
    found = json.loads(done.stdout)["bill"]
    assert found["cot"]["usd_per_question"] == pytest.approx((400 * 2 + 600 * 0.5) / 1e6)
    assert found["stronger"]["usd_per_question"] == pytest.approx(BIG)
    refused = CliRunner().invoke(app, ["report", str(tmp_path / "run"), "--cached-input-price", "0.5"])
    assert refused.exit_code == 2
    assert "cached input goes with its input and output price" in refused.stderr


def test_a_model_without_a_price_is_named_and_nothing_is_guessed(asked: list[str], tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("- {model: openai:small, input: 1, output: 4}\n")
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert "stronger: not known: the price of openai-compatible:big." in done.stdout
    found = json.loads((tmp_path / "run" / "result.json").read_text())
    assert found["bill"]["stronger"]["usd_per_question"] is None
    assert found["savings"]["guided-vs-stronger"]["saved_usd_per_1000"] is None
    assert found["savings"]["guided-vs-cot"]["saved_usd_per_1000"] is not None
