"""Paths that cannot be written: one line and exit code 2 before anything is asked, 1 for a disk that fills up later."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sg_agent.cli import app
from sg_agent.scripted import ScriptedModel

# Inspect AI leaves streams to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")
ASKED = ["eval", "depot", "--limit", "2", "--arms", "cot"]


@pytest.fixture(autouse=True, scope="module")
def collect_here() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedModel:
    """Every spec's model, in an empty working directory but for a file."""
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    scripted = ScriptedModel(replies=lambda _: "Answer: 1")
    monkeypatch.setattr("sg_agent.evals.loading.load_model", lambda *_, **__: scripted)
    return scripted


def said(done: Result, code: int) -> str:
    """The one line on stderr of a program that ended with `code`."""
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("sg-agent: ")]
    return line


def full(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out", "file/run"], "out 'file/run' cannot be written"),
        (["--out", "x" * 300], "File name too long"),
        (["--out", "file"], "is no run directory"),
        (["--baseline", "file", "--junit", "file/junit.xml"], "junit 'file/junit.xml' cannot be written"),
    ],
)
def test_a_path_that_cannot_be_written_exits_2_before_anything_is_asked(
    model: ScriptedModel, flags: list[str], message: str
) -> None:
    assert message in said(CliRunner().invoke(app, [*ASKED, *flags]), 2)
    assert model.calls == []
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_a_file_where_the_default_directories_are_made_exits_2(model: ScriptedModel) -> None:
    Path("file").rename("runs")
    assert "run directory 'runs/depot-" in said(CliRunner().invoke(app, ASKED), 2)
    assert model.calls == []


def test_results_that_cannot_be_opened_exit_2(model: ScriptedModel) -> None:
    assert CliRunner().invoke(app, [*ASKED, "--out", "run"]).exit_code == 0
    asked = len(model.calls)
    Path("run/results.jsonl").unlink()
    Path("run/results.jsonl").mkdir()
    assert "results.jsonl' cannot be written: Is a directory" in said(
        CliRunner().invoke(app, [*ASKED, "--out", "run"]), 2
    )
    assert len(model.calls) == asked


@pytest.mark.parametrize("place", ["report.write_whole", "run.write_junit", "store.ResultStore.append"])
def test_a_disk_that_fills_up_is_one_line_and_exit_1(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CliRunner().invoke(app, [*ASKED, "--out", "before"]).exit_code == 0
    monkeypatch.setattr(f"sg_agent.evals.{place}", full)
    held_against = ["--baseline", "before/result.json", "--junit", "junit.xml"]
    assert "No space left on device" in said(CliRunner().invoke(app, [*ASKED, *held_against, "--out", "run"]), 1)
