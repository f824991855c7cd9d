"""`sg-agent eval`, `demo` and the program itself."""

import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage
from typer.testing import CliRunner, Result

from sg_agent.cli import app
from sg_agent.evals.suites import load_suite
from sg_agent.models import parse_spec
from sg_agent.scripted import ScriptedModel

# Inspect AI leaves streams to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")
KEYS = {"suite", "n", "seed", "guide", "solver", "revision", "run_dir", "arms", "pairs"}


@pytest.fixture(autouse=True, scope="module")
def collect_here() -> Iterator[None]:
    yield
    gc.collect()


def reply(messages: list[BaseMessage]) -> str:
    return "1. Read.\n2. Count." if "Write a" in str(messages[0].content) else "Answer: 1"


@pytest.fixture(autouse=True)
def only_parse_specs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights and no key are needed: a spec is good when it can be read."""
    monkeypatch.setattr("sg_agent.evals.config.check_spec", parse_spec)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    for user in ("evals.loading", "cli.request"):
        monkeypatch.setattr(f"sg_agent.{user}.load_model", lambda *_, **__: ScriptedModel(replies=reply))


@pytest.mark.usefixtures("scripted")
def test_json_is_the_documented_object_and_alone_on_stdout(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["eval", "archive", "--limit", "3", "--out", str(tmp_path / "run"), "--json"])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert shown.keys() >= KEYS
    assert set(shown["arms"]) == {"standard", "cot", "guided"}
    assert shown["arms"]["guided"].keys() == {
        "n", "accuracy", "ci95", "clusters", "accuracy_range", "errors", "unparsed", "refused", "truncated", "tokens",
        "cost_usd", "latency_s", "f1",
    }  # fmt: skip
    assert set(shown["pairs"]) == {"guided-vs-standard", "guided-vs-cot"}
    assert shown["pairs"]["guided-vs-cot"].keys() >= {
        "delta", "ci95", "p", "repairs", "breaks", "p_holm", "mde", "clusters",
    }  # fmt: skip


@pytest.mark.usefixtures("scripted")
def test_the_table_names_arms_pairs_and_the_report(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["eval", "depot", "--limit", "2", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    for text in ("standard", "guided-vs-cot", "repairs", "report.html"):
        assert text in done.stdout


def test_a_dry_run_prints_the_plan_and_loads_asks_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sg_agent.evals.loading.load_model", lambda *_, **__: pytest.fail("a model was loaded"))
    monkeypatch.chdir(tmp_path)
    models = ["--guide", "openai:guide@http://127.0.0.1:9/v1", "--solver", "openai:gpt-4.1-mini"]
    asked = ["eval", "archive", "--limit", "3", *models, "--dry-run"]
    for text in ("standard", "guided", "openai:gpt-4.1-mini", "12 calls, about unknown", "characters / 4"):
        done = CliRunner().invoke(app, asked)
        assert done.exit_code == 0, done.output
        assert text in done.stdout
    plan = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert (plan["n"], plan["total_calls"], plan["cost_usd"]) == (3, 12, None)
    assert plan["arms"]["guided"] == {"done": 0, "errors": 0, "missing": 3}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("scripted")
def test_a_config_file_sets_flags_and_flags_win(tmp_path: Path) -> None:
    file = tmp_path / "eval.yaml"
    file.write_text(
        f"suite: depot\narms: [standard, cot]\nlimit: 5\nmax-tokens: 20\njson: true\nout: {tmp_path / 'run'}\n"
    )
    done = CliRunner().invoke(app, ["eval", "--config", str(file), "--limit", "2"])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert (shown["n"], set(shown["arms"])) == (2, {"standard", "cot"})
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["max_tokens"] == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limits: 5", "unknown key 'limits'; accepted: suite, arms, guide"),
        ("config: x", "unknown key 'config'"),
        ("- depot", "must hold keys and values"),
        ("limit: 2.5", "--limit"),
        ("limit: {a: 1}", "must be a single value"),
        ("limit: [", "cannot be read"),
    ],
)
def test_a_bad_config_file_exits_2(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "eval.yaml"
    file.write_text(text)
    done = CliRunner().invoke(app, ["eval", "depot", "--config", str(file)])
    assert done.exit_code == 2, done.output
    assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gsm9k"], "unknown suite 'gsm9k'"),
        (["depot", "--arms", "guded"], "unknown arm 'guded'"),
        (["depot", "--arms", ","], "no arm given"),
        (["depot", "--arms", "cot@0"], "from 2 to 1000, not '0'"),
        (["depot", "--arms", "cot@5", "--temperature", "0"], "5 attempts at temperature 0 are all the same"),
        (["depot", "--arms", "mine=no_such_module:graph"], "'no_such_module:graph' cannot be loaded"),
        (["depot", "--limit", "-1"], "--limit"),
        (["depot", "--concurrency", "0"], "--concurrency"),
        (["depot", "--seed", "-1"], "--seed"),
        (["depot", "--max-cost", "0"], "max_cost must be above 0"),
        (["depot", "--arms", "untrained", "--guide", "openai:gpt-4.1-mini"], "local:BASE@ADAPTER"),
        (["missing.jsonl"], "no such file"),
        (["gsm8k", "--data", "missing.jsonl"], "no such file"),
        (["gsm8k", "--revision", "main"], "revision 'main' is no full commit"),
        (["depot", "--revision", "0" * 40], "--revision is for a suite from the hub"),
        (["mine.jsonl", "--data", "other.jsonl"], "--data gives a named suite its rows"),
        (["depot", "--shots", "-1"], "--shots"),
        (["depot", "--shots-from", "more.jsonl"], "--shots-from needs --shots"),
        (["mine.jsonl", "--shots", "2"], "needs --shots-from FILE"),
    ],
)
def test_mistakes_exit_2_and_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sg_agent.evals.loading.load_model", lambda *_, **__: pytest.fail("a model was loaded"))
    done = CliRunner().invoke(app, ["eval", *arguments])
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rows.jsonl has no rows"),
        ('{"id": 1, "question": "q"}', "rows.jsonl:1: field 'answer': Field required"),
        ('{"id": 1, "question": "q", "answer": "1"}\n' * 2, "rows.jsonl:2: id '1' is already on line 1"),
        ('{"id": 1, "question": "q", "answer": "?", "task": "boolean"}', "accepted: yes, true, no, false"),
    ],
)
def test_a_bad_file_is_one_line_before_any_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sg_agent.evals.loading.load_model", lambda *_, **__: pytest.fail("a model was loaded"))
    (tmp_path / "rows.jsonl").write_text(text)
    done = CliRunner().invoke(app, ["eval", "rows.jsonl"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.usefixtures("scripted")
def test_rows_of_ones_own_are_asked_in_a_drawn_order_with_examples(tmp_path: Path) -> None:
    asked, more = tmp_path / "asked.jsonl", tmp_path / "more.jsonl"
    asked.write_text("\n".join(json.dumps({"id": i, "question": f"q{i}", "answer": 1}) for i in range(9)))
    more.write_text("\n".join(json.dumps({"id": i, "question": f"e{i}", "answer": 1}) for i in range(3)))
    flags = ["--data", str(asked), "--arms", "standard", "--limit", "4", "--shuffle", "--shots", "2"]
    out = ["--shots-from", str(more), "--out", str(tmp_path / "run"), "--json"]
    done = CliRunner().invoke(app, ["eval", "gsm8k", *flags, *out])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert (shown["suite"], shown["n"], shown["arms"]["standard"]["accuracy"]) == ("gsm8k", 4, 1.0)
    lines = (tmp_path / "run" / "results.jsonl").read_text().splitlines()
    assert {json.loads(line)["id"] for line in lines} <= {str(i) for i in range(9)}
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["examples_sha256"]


@pytest.mark.usefixtures("scripted")
def test_a_file_of_several_tasks_is_scored_row_by_row(tmp_path: Path) -> None:
    rows = [
        {"id": "math", "question": "q", "answer": "1.0", "task": "math"},
        {"id": "choice", "question": "q", "answer": "B", "choices": ["0", "1"]},
        {"id": "boolean", "question": "q", "answer": "yes", "task": "boolean"},
        {"id": "open", "question": "q", "answer": "2"},
    ]
    (tmp_path / "mixed.jsonl").write_text("\n".join(map(json.dumps, rows)))
    flags = ["--arms", "standard", "--out", str(tmp_path / "run"), "--json"]
    done = CliRunner().invoke(app, ["eval", str(tmp_path / "mixed.jsonl"), *flags])
    assert done.exit_code == 0, done.output
    lines = map(json.loads, (tmp_path / "run" / "results.jsonl").read_text().splitlines())
    outcomes = {line["id"]: line["outcome"] for line in lines}
    assert outcomes == {"math": "correct", "choice": "correct", "boolean": "unparsed", "open": "wrong"}
    assert json.loads(done.stdout)["arms"]["standard"]["accuracy"] == 0.5


def test_a_failed_run_exits_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    down = ScriptedModel(replies=lambda _: RuntimeError("outage"))
    monkeypatch.setattr("sg_agent.evals.loading.load_model", lambda *_, **__: down)
    done = CliRunner().invoke(app, ["eval", "depot", "--limit", "1", "--arms", "cot", "--out", str(tmp_path / "run")])
    assert done.exit_code == 1, done.output
    assert "every question of arm 'cot' ended in an error" in done.stderr


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The result of a run that answered everything right."""
    answers = {row.question: row.answer for row in load_suite("depot", limit=8).rows}

    def right(messages: list[BaseMessage]) -> str:
        return next(f"Answer: {answers[q]}" for q in answers if q in str(messages[-1].content))

    monkeypatch.setattr("sg_agent.evals.loading.load_model", lambda *_, **__: ScriptedModel(replies=right))
    done = CliRunner().invoke(
        app, ["eval", "depot", "--limit", "8", "--arms", "cot", "--out", str(tmp_path / "before")]
    )
    assert done.exit_code == 0, done.output
    return tmp_path / "before" / "result.json"


def held_against(earlier: Path, *flags: str) -> Result:
    run = ["eval", "depot", "--limit", "8", "--arms", "cot", "--out", str(earlier.parent.parent / "now")]
    return CliRunner().invoke(app, [*run, "--baseline", str(earlier), *flags])


def test_worse_than_the_baseline_exits_1_and_says_so(earlier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sg_agent.evals.loading.load_model", lambda *_, **__: ScriptedModel(replies=lambda _: "Answer: -1")
    )
    junit = earlier.parent.parent / "junit.xml"
    done = held_against(earlier, "--max-drop", "5", "--junit", str(junit), "--json")
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout)["regression"]["arms"]["cot"]["regressed"] is True
    assert "cot: -100.0 points on 8 questions" in done.stderr
    assert "allowed drop 5 points" in done.stderr
    assert 'failures="1"' in junit.read_text()


def test_as_good_as_the_baseline_exits_0(earlier: Path) -> None:
    done = held_against(earlier, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["regression"]["passed"] is True


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--max-drop", "1"], "needs a baseline"),
        (["--junit", "x.xml"], "needs a baseline"),
        (["--baseline", "nowhere.json"], "'nowhere.json' cannot be read"),
        (["--baseline", "nowhere.json", "--max-drop", "-1"], "must be 0 to 100 points"),
    ],
)
def test_a_baseline_that_cannot_be_used_exits_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["eval", "depot", *flags])
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("scripted")
def test_demo_shows_both_worlds_and_where_the_reports_are(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["demo", "--limit", "2", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    for world in ("depot", "archive"):
        assert (tmp_path / world / "report.html").is_file()
        assert f"{world}: " in done.stdout
    assert "Next: sg-agent eval" in done.stdout


def test_the_program_starts_without_the_heavy_imports() -> None:
    code = (
        "import sys, sg_agent.cli\n"
        "heavy = {'torch', 'transformers', 'langchain_core', 'langgraph', 'inspect_ai', 'scipy', 'numpy', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_lists_the_commands() -> None:
    done = CliRunner().invoke(app, ["--help"])
    assert done.exit_code == 0
    assert all(command in done.stdout for command in ("demo", "ask", "eval", "report", "doctor"))
