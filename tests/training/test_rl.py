"""RL with the frozen solver in the loop: what is refused beforehand, and real runs on the embedded pair."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState

from sg_agent.errors import ConfigError, DataError, ModelError
from sg_agent.models import EMBEDDED_GUIDE
from sg_agent.training.recipe import make_recipe
from sg_agent.training.rl import _grader, rl
from sg_agent.training.rl_callbacks import StopAtBudget
from sg_agent.training.rl_recipe import RlRecipe

PROGRAM = "from sg_agent.cli import main; main()"
GIVEN: dict[str, Any] = {
    "base": "embedded:solver",
    "guide": str(EMBEDDED_GUIDE),
    "solver": "embedded:solver",
    "data": ["depot"],
    "rows_per_world": 16,
    "steps": 4,
    "batch_size": 16,
    "group_size": 4,
    "learning_rate": 1e-3,
    "temperature": 2.0,
    "guide_max_tokens": 110,
    "solver_max_tokens": 100,
    "attention": "eager",
    "validation": 8,
    "eval_steps": 2,
    "save_steps": 2,
    "threads": 1,
    "rewards": {"uplift": 1.0, "rationale": 0.1},
}


def recipe(**changes: Any) -> RlRecipe:
    return make_recipe({**GIVEN, **changes}, RlRecipe, where="test")


def logged(out: Path) -> list[dict[str, Any]]:
    """What does not depend on the clock."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    clocked = ("time", "per_second", "train_loss")  # the latter is the mean since the last start
    return [{key: v for key, v in line.items() if not any(word in key for word in clocked)} for line in lines]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 18}, "multiple of group_size 4"),
        ({"rewards": {"taste": 1.0}}, "'rewards.taste"),
        ({"rewards": {"task": 0.0}}, "no reward has a weight"),
        ({"judge": "embedded:solver", "rewards": {"task": 1.0}}, "'rationale', which has no weight"),
        ({"surprise": 1}, "'surprise'"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        rl(recipe(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_guide_that_is_no_adapter_and_a_price_nobody_knows_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="is no directory: name an adapter"):
        rl(recipe(guide="./nothing-here"), tmp_path / "run")
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    with pytest.raises(ConfigError, match=r"price of 'openai:mine@http://127\.0\.0\.1:9/v1' is unknown"):
        rl(recipe(solver="openai:mine@http://127.0.0.1:9/v1", max_cost=1.0), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_groups_that_two_processes_would_halve_and_sharded_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")
    with pytest.raises(ConfigError, match="must be a multiple of 8 x group_size 4"):
        rl(recipe(max_cost=1.0), tmp_path / "run")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match="not FSDP or ZeRO-3"):
        rl(recipe(), tmp_path / "run")


def test_processes_share_the_budget_and_one_that_has_spent_its_share_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "spend.json").write_text('{"spent_usd": [0.1, 0.25]}')
    second: Any = SimpleNamespace(num_processes=2, process_index=1)
    state = TrainerState(global_step=3, max_steps=4, is_world_process_zero=True)
    with _grader(recipe(max_cost=2.0), tmp_path, second) as grader:
        assert grader.budget is not None
        assert (grader.budget.limit_usd, grader.budget.spent_usd) == (1.0, 0.25)
        stop = StopAtBudget(grader, tmp_path)
        assert not stop.on_step_end(None, state, TrainerControl()).should_training_stop
        grader.budget.exhausted = True
        control = stop.on_step_end(None, state, TrainerControl())
    assert (stop.stopped, control.should_training_stop, control.should_save) == (True, True, True)
    assert json.loads((tmp_path / "spend.json").read_text()) == {"spent_usd": [0.25]}  # it is alone here


def test_a_budget_that_is_spent_in_the_last_step_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "spend.json").write_text('{"spent_usd": [0.5, 0.25]}')
    alone: Any = SimpleNamespace(num_processes=1, process_index=0)
    with _grader(recipe(max_cost=2.0), tmp_path, alone) as grader:
        assert grader.budget is not None
        assert grader.budget.spent_usd == 0.75
        grader.budget.exhausted = True
        stop = StopAtBudget(grader, tmp_path)
        stop.on_step_end(None, TrainerState(global_step=4, max_steps=4), TrainerControl())
    assert not stop.stopped


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_run_killed_and_continued_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    whole = rl(recipe(), tmp_path / "whole")
    config, out = tmp_path / "recipe.json", tmp_path / "killed"
    config.write_text(json.dumps(recipe().model_dump()))  # JSON is YAML
    command = [sys.executable, "-c", PROGRAM, "rl", str(config), "--out", str(out)]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not (out / "checkpoint-2" / "trainer_state.json").is_file():
        assert first.poll() is None
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    grades = (out / "grades.jsonl").read_text()
    again = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr[-2000:]
    assert str(out / "adapter") in again.stdout
    assert (out / "grades.jsonl").read_text().startswith(grades)
    weights = [load_file(path / "adapter_model.safetensors") for path in (whole, out / "adapter")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert logged(out) == logged(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_rloo_takes_the_same_recipe(tmp_path: Path) -> None:
    adapter = rl(recipe(algorithm="rloo", steps=2), tmp_path / "run")
    measured = json.loads((adapter / "passport.json").read_text())["evaluation"]
    assert (measured["solver"], measured["n"], measured["errors"]) == ("embedded:solver", 8, 0)
    assert {"rewards/uplift/mean", "rewards/rationale/mean", "leak_rate"} <= logged(tmp_path / "run")[1].keys()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    exact = recipe(steps=2, bf16=False)
    (tmp_path / "recipe.json").write_text(json.dumps(exact.model_dump()))
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--no-python", sys.executable]
    given = ["rl", str(tmp_path / "recipe.json"), "--out", str(tmp_path / "two")]
    done = subprocess.run([*launch, "-c", PROGRAM, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rl(exact, tmp_path / "one")
    one, two = logged(tmp_path / "one"), logged(tmp_path / "two")
    for name in ("loss", "reward", "reward_std", "grad_norm", "completions/mean_length", "usefulness"):
        alone, shared = ([line.get(name, math.nan) for line in lines] for lines in (one, two))
        assert shared == pytest.approx(alone, rel=1e-3, abs=1e-5, nan_ok=True), name


def test_doubled_ids_and_validation_questions_that_are_trained_on_are_refused(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "1", "question": "How many?", "answer": "2", "task": "math"}\n')
    again = tmp_path / "again.jsonl"
    again.write_text('{"id": "1", "question": "How few?", "answer": "2", "task": "math"}\n')
    with pytest.raises(DataError, match="id '1' is there twice"):
        rl(recipe(data=[str(rows), str(again)]), tmp_path / "run")
    with pytest.raises(DataError, match=r"rows\.jsonl: 1 questions are trained on, such as 'How many\?'"):
        rl(recipe(data=[str(rows)], validation_data=str(rows)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
