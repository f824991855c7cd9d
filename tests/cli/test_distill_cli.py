"""`sg-agent distill` and `export`: flags over recipe keys, the plan as JSON, and mistakes that exit with 2."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("trl", reason='needs pip install "sg-agent[train]"')

from sg_agent.cli import app
from sg_agent.cli.distill import resolve


def test_flags_override_the_recipe() -> None:
    recipe = resolve("embedded-depot", {"epochs": 2.0, "solver": "openai:gpt"})
    assert (recipe.epochs, recipe.solver, recipe.data) == (2.0, "openai:gpt", ["depot"])


def test_data_and_base_need_no_recipe() -> None:
    assert resolve(None, {"data": ["depot"], "base": "embedded:solver"}).method == "lora"


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT asks transformers for an attribute under its old name
def test_a_dry_run_prints_one_json_object_and_writes_nothing(tmp_path: Path) -> None:
    flags = ["--out", str(tmp_path / "run"), "--rows-per-world", "20", "--dry-run", "--json"]
    done = CliRunner().invoke(app, ["distill", "embedded-depot", *flags])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"] == 20
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["distill", "--out", "{}/run"], "name a RECIPE, or give --data and --base"),
        (["distill", "embeded", "--out", "{}/run"], "no such recipe: 'embeded'"),
        (["distill", "embedded", "--out", "{}/run", "--base", "local:/nowhere"], "no such model directory: '/nowhere'"),
        (["distill", "embedded", "--out", "{}/run", "--epochs", "0"], "'epochs': Input should be greater than 0"),
        (
            ["distill", "embedded", "--out", "{}/run", "--base", "local:x", "--install"],
            "--install is for an adapter of",
        ),
        (["distill", "--data", "{}/none.jsonl", "--base", "embedded:solver", "--out", "{}/run"], "no such file"),
        (["export", "{}/nothing", "--out", "{}/run"], "no such model directory"),
    ],
)
def test_mistakes_exit_2_in_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, [text.format(tmp_path) for text in arguments])
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
