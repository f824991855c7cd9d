"""`sg-agent gate`: from run directories to a file, plots and one JSON object."""

import json
from pathlib import Path

import pytest
from gate_runs import rows, weak_run
from typer.testing import CliRunner

from sg_agent.cli import app
from sg_agent.gate import load_gate

ASKED = rows(300)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return weak_run(tmp_path / "run", ASKED).path


def call(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["gate", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_fit_then_calibrate_sets_the_threshold(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "gate.json"
    code, printed, _ = call("fit", run, "--out", out, "--hold-out", "0.5", "--json")
    fitted = json.loads(printed)
    assert (code, fitted["out"]) == (0, str(out))
    assert set(fitted["heads"]) == {"direct", "guided"}
    assert (tmp_path / "gate.reliability.svg").is_file()
    code, printed, _ = call("calibrate", out, run, "--max-breaks", "0.25", "--json")
    report = json.loads(printed)
    assert code == 0
    assert report["promise"]["kept"]
    assert load_gate(out).threshold == report["promise"]["threshold"]
    assert (tmp_path / "gate.frontier.svg").is_file()


def test_without_a_goal_the_gate_stays_as_it_is(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "gate.json"
    call("fit", run, "--out", out, "--hold-out", "0.5")
    before = out.read_bytes()
    code, printed, said = call("calibrate", out, run, "--cost", "guided=3")
    assert code == 0, said
    assert "always guided" in printed
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "{run}/none", "--out", "{new}"), "is no run directory"),
        (("fit", "{run}", "--out", "{old}"), "exists; name another --out"),
        (("fit", "{run}", "--out", "{new}", "--direct-arm", "nope"), "has no arm 'nope'"),
        (("calibrate", "{old}", "{run}"), "is no gate"),
        (("calibrate", "{old}", "{run}", "--max-breaks", "7"), "max_breaks must be a fraction"),
        (("calibrate", "{new}", "{run}"), "cannot be read"),
        (("fit", "{run}"), "--out"),
    ],
)
def test_mistakes_exit_2(run: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "old.json").write_text("{}")
    places = {"run": run, "old": tmp_path / "old.json", "new": tmp_path / "new.json"}
    code, _, said = call(*(text.format(**places) for text in arguments))
    assert code == 2
    assert message in " ".join(said.split())
    assert not (tmp_path / "new.json").exists()


@pytest.mark.parametrize("cost", ["guided", "nobody=1", "guided=-1", "guided=x", "guided=nan"])
def test_a_cost_that_is_none_is_refused(run: Path, tmp_path: Path, cost: str) -> None:
    code, _, said = call("calibrate", tmp_path / "gate.json", run, "--cost", cost)
    assert code == 2
    assert f"--cost '{cost}'" in said
