"""Runs: continued without paying twice, errors never scored, other settings refused."""

import gc
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inspect_ai.log import read_eval_log
from langchain_core.messages import BaseMessage

from sg_agent.errors import ConfigError, DataError, RunError
from sg_agent.evals.config import EvalConfig
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.run import run_eval
from sg_agent.evals.store import ResultStore
from sg_agent.evals.suites import load_suite
from sg_agent.scripted import ScriptedModel

# Inspect AI leaves streams to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")

N = 6
ROWS = load_suite("depot", limit=N).rows
GOLD = {row.question: row.answer for row in ROWS}


@pytest.fixture(autouse=True, scope="module")
def collect_here() -> Iterator[None]:
    yield
    gc.collect()


class World:
    """A scripted solver that knows the answers; questions in `down` meet an outage."""

    def __init__(self, *down: int) -> None:
        self.down = {ROWS[i].question for i in down}
        self.asked: Counter[tuple[str, str]] = Counter()
        self.model = ScriptedModel(replies=self.reply)

    def reply(self, messages: list[BaseMessage]) -> str | Exception:
        text = str(messages[-1].content)
        question = next(question for question in GOLD if question in text)
        arm = "cot" if "step by step" in str(messages[0].content) else "standard"
        self.asked[question, arm] += 1
        if question in self.down:
            return RuntimeError("outage")
        return f"Answer: {GOLD[question] if arm == 'cot' else -1}"


def config(world: World, out: Path, *arms: str, limit: int = N, seed: int = 0) -> EvalConfig:
    return EvalConfig(
        "depot",
        arms=arms or ("standard", "cot"),
        guide=world.model,
        solver=world.model,
        limit=limit,
        seed=seed,
        out=out,
    )


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def test_a_run_leaves_result_report_config_and_inspect_log(tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = run_eval(config(World(), out))
    assert (result["n"], result["suite"], result["run_dir"]) == (N, "depot", str(out))
    assert result["arms"]["cot"]["accuracy"] == 1.0
    assert result["arms"]["standard"]["accuracy"] == 0.0
    assert result["pairs"] == {}
    assert json.loads((out / "result.json").read_text()) == result
    assert "| cot | 6 | 100.0% |" in (out / "report.md").read_text()
    recorded = json.loads((out / "config.json").read_text())
    assert recorded["config"]["seed"] == 0
    assert recorded["versions"]["inspect-ai"]
    (log_file,) = (out / "logs").glob("*.eval")
    log = read_eval_log(str(log_file))
    assert log.status == "success"
    assert log.results
    assert {score.name: score.metrics["mean"].value for score in log.results.scores} == {"standard": 0.0, "cot": 1.0}


def test_a_finished_run_asks_nothing_again(tmp_path: Path) -> None:
    world = World()
    first = run_eval(config(world, tmp_path / "run"))
    assert run_eval(config(world, tmp_path / "run")) == first
    assert set(world.asked.values()) == {1}


def test_outage_is_not_scored_as_wrong_and_is_asked_again(tmp_path: Path) -> None:
    before = run_eval(config(World(0, 1), tmp_path / "run"))["arms"]["cot"]
    assert (before["n"], before["errors"], before["accuracy"]) == (N, 2, 1.0)
    healed = World()
    after = run_eval(config(healed, tmp_path / "run"))["arms"]["cot"]
    assert (after["n"], after["errors"], after["accuracy"]) == (N, 0, 1.0)
    assert {question for question, _ in healed.asked} == {ROWS[0].question, ROWS[1].question}


def test_an_errored_question_is_left_out_of_inspects_mean(tmp_path: Path) -> None:
    run_eval(config(World(0), tmp_path / "run", "cot"))
    (log_file,) = (tmp_path / "run" / "logs").glob("*.eval")
    log = read_eval_log(str(log_file))
    assert log.results
    (score,) = log.results.scores
    assert (score.metrics["mean"].value, score.unscored_samples) == (1.0, 1)


def test_a_total_outage_is_a_failed_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"every question of arm 'standard' ended in an error.*outage"):
        run_eval(config(World(*range(N)), tmp_path / "run"))


def test_arms_can_be_added_later_and_are_paired_with_the_earlier(tmp_path: Path) -> None:
    world = World()
    run_eval(config(world, tmp_path / "run", "standard", "cot"))
    result = run_eval(config(world, tmp_path / "run", "oracle"))
    assert set(result["arms"]) == {"standard", "cot", "oracle"}
    assert set(result["pairs"]) == {"oracle-vs-standard", "oracle-vs-cot"}
    assert result["pairs"]["oracle-vs-cot"]["breaks"] == N
    assert "### Breaks: 6" in (tmp_path / "run" / "report.md").read_text()


def test_another_config_is_refused_with_the_difference(tmp_path: Path) -> None:
    run_eval(config(World(), tmp_path / "run"))
    with pytest.raises(ConfigError, match="seed was 0 and is now 1"):
        run_eval(config(World(), tmp_path / "run", seed=1))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(ConfigError, match="no run directory"):
        run_eval(config(World(), tmp_path))


def test_a_torn_last_line_is_repaired_and_asked_again(tmp_path: Path) -> None:
    out, world = tmp_path / "run", World()
    run_eval(config(world, out))
    text = (out / "results.jsonl").read_text()
    (out / "results.jsonl").write_text(text[:-40])
    result = run_eval(config(world, out))
    assert sum(world.asked.values()) == 2 * N + 1
    assert len(lines(out)) == 2 * N
    assert result["arms"]["standard"]["n"] == result["arms"]["cot"]["n"] == N


def test_damage_before_the_last_line_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('garbage\n{"id": "1", "arm": "cot", "outcome": "wrong"}\n')
    with pytest.raises(DataError, match=r"results\.jsonl:1"), ResultStore(path):
        pass


def test_two_runs_cannot_write_one_directory(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with ResultStore(path), pytest.raises(ConfigError, match="another run is writing"), ResultStore(path):
        pass


def test_a_later_error_does_not_replace_a_good_result(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_eval(config(World(), out, "cot"))
    good = lines(out)[0]
    with ResultStore(out / "results.jsonl") as store:
        store.append({**good, "outcome": "error", "correct": None})  # type: ignore[typeddict-item] # from JSON
        assert store.latest[good["id"], "cot"]["outcome"] == "correct"


def test_what_was_spent_on_lines_that_no_longer_count_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_eval(config(World(), out, "cot"))
    good, other = (line["ledger"] for line in lines(out)[:2])
    first, second = lines(out)[0], lines(out)[1]
    with ResultStore(out / "results.jsonl") as store:
        assert store.superseded == {}
        store.append({**first, "outcome": "error"})  # type: ignore[typeddict-item] # from JSON
        store.append(second)  # type: ignore[arg-type] # from JSON
    with ResultStore(out / "results.jsonl") as store:
        assert store.superseded == {"cot": [good, other]}
        assert store.results("cot", [first["id"], second["id"]]) == [first, second]


def test_tokens_and_cost_are_of_everything_that_was_asked(tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = run_eval(config(World(), out, "cot"))["arms"]["cot"]
    with (out / "results.jsonl").open("a") as file:
        file.write(json.dumps({**lines(out)[0], "outcome": "error", "correct": None}) + "\n")
    after = run_eval(config(World(), out, "cot"))["arms"]["cot"]
    spent = lines(out)[0]["ledger"][0]["input_tokens"]
    assert after["tokens"]["solver"]["input"] == before["tokens"]["solver"]["input"] + spent > 0
    assert (after["accuracy"], after["errors"]) == (before["accuracy"], 0)


def test_a_result_says_which_questions_were_right(tmp_path: Path) -> None:
    result = run_eval(config(World(1), tmp_path / "run"))
    assert result["marks"] == {"standard": "0-0000", "cot": "1-1111"}
    recorded = json.loads((tmp_path / "run" / "config.json").read_text())
    assert result["rows_sha256"] == recorded["config"]["rows_sha256"]


def gated(world: World, tmp_path: Path, *arms: str, **change: Any) -> EvalConfig:
    """A run beside an earlier one in `tmp_path`/earlier, held against it."""
    base = config(world, tmp_path / "now", *arms).__dict__
    return EvalConfig(**{**base, "baseline": tmp_path / "earlier" / "result.json", **change})


def test_a_run_is_held_against_an_earlier_one(tmp_path: Path) -> None:
    run_eval(config(World(), tmp_path / "earlier"))
    worse = World()
    worse.model = ScriptedModel(replies=lambda _: "Answer: -1")
    result = run_eval(gated(worse, tmp_path, junit=tmp_path / "junit.xml"))
    found = result["regression"]
    assert not found["passed"]
    assert {arm: held["regressed"] for arm, held in found["arms"].items()} == {"standard": False, "cot": True}
    assert found["arms"]["cot"]["p_holm"] == pytest.approx(2 / 2**N)
    assert 'failures="1"' in (tmp_path / "junit.xml").read_text()
    assert json.loads((tmp_path / "now" / "result.json").read_text())["regression"] == found


def test_a_run_as_good_as_the_earlier_one_passes(tmp_path: Path) -> None:
    run_eval(config(World(), tmp_path / "earlier"))
    assert run_eval(gated(World(), tmp_path, "cot"))["regression"]["passed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "holds other questions"),
        ({"limit": N - 1}, "holds other questions"),
        ({"arms": ("cot", "oracle")}, "has no arm 'oracle'"),
        ({"baseline": "nowhere.json"}, "cannot be read"),
        ({"max_drop": -1.0}, "max_drop must be 0 to 100 points, not -1.0"),
        ({"max_drop": float("nan")}, "max_drop must be 0 to 100 points, not nan"),
        ({"baseline": None, "max_drop": 1.0}, "max_drop '1.0' needs a baseline"),
        ({"baseline": None, "junit": "x.xml"}, "junit 'x.xml' needs a baseline"),
        ({"junit": "."}, "junit must be a file"),
    ],
)
def test_a_run_that_cannot_be_held_against_the_earlier_one_asks_nothing(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    run_eval(config(World(), tmp_path / "earlier"))
    world = World()
    with pytest.raises(ConfigError, match=message):
        run_eval(gated(world, tmp_path, **change))
    assert not world.asked
    assert not (tmp_path / "now").exists()


class InterruptAfter:
    """Progress that presses Ctrl-C after some results."""

    def __init__(self, results: int) -> None:
        self.left = results

    def start(self, run_dir: str, *, total: int, done: int) -> None:
        assert (total, done) == (2 * N, 0)

    def advance(self, result: ArmResult) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def listens_to_ctrl_c() -> Iterator[None]:
    """A suite started in the background is told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
@pytest.mark.usefixtures("listens_to_ctrl_c")
def test_an_interrupted_run_keeps_what_it_has_and_continues(tmp_path: Path) -> None:
    out, world = tmp_path / "run", World()
    wanted = EvalConfig(**{**config(world, out).__dict__, "concurrency": 1})
    with pytest.raises(RunError, match="interrupted; finished answers are kept, continue with: sg-agent eval depot"):
        run_eval(wanted, progress=InterruptAfter(3))
    kept = len(lines(out))
    assert 3 <= kept < 2 * N
    result = run_eval(wanted)
    assert result["arms"]["cot"]["n"] == N
    assert len(lines(out)) == 2 * N
    assert sum(world.asked.values()) <= 2 * N + 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"concurrency": 0}, "concurrency must be at least 1"),
        ({"temperature": -0.1}, "temperature must be at least 0"),
        ({"arms": ("cot@3",), "temperature": 0.0}, "3 attempts at temperature 0 are all the same"),
        ({"limit": 0}, "limit must be at least 1"),
        ({"suite": "nope"}, "unknown suite 'nope'"),
        ({"arms": ("nope",)}, "unknown arm 'nope'"),
        ({"arms": ()}, "no arm given"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    base = config(World(), tmp_path / "run").__dict__
    with pytest.raises(ConfigError, match=message):
        run_eval(EvalConfig(**{**base, **change}))
    assert not (tmp_path / "run").exists()


def test_the_default_directory_depends_on_the_questions_and_models_not_on_the_arms() -> None:
    suite = load_suite("depot", limit=3)
    one, more, other = (
        EvalConfig("depot", limit=3, arms=("cot",)),
        EvalConfig("depot", limit=3),
        EvalConfig("depot", limit=3, solver="openai:x"),
    )
    assert one.run_dir(suite) == more.run_dir(suite) != other.run_dir(suite)
    assert str(one.run_dir(suite)).startswith("runs/depot-")
