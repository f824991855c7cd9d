"""The directory of a training run: claimed, refused to others, continued from what is whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sg_agent.errors import ConfigError, RunError
from sg_agent.training.run_dir import claim, last_checkpoint, writing

PASSPORT = {"seed": 1, "stages": ({"name": "one"},), "recipe": {"epochs": 2}}


def checkpoint(out: Path, step: int, state: str | None) -> Path:
    path = out / f"checkpoint-{step}"
    path.mkdir()
    if state is not None:
        (path / "trainer_state.json").write_text(state)
    return path


def test_a_run_is_continued_by_the_same_and_refused_to_another_with_the_difference(tmp_path: Path) -> None:
    claim(tmp_path / "run", PASSPORT)
    claim(tmp_path / "run", PASSPORT)
    with pytest.raises(ConfigError, match="epochs: 2 -> 3"):
        claim(tmp_path / "run", {**PASSPORT, "recipe": {"epochs": 3}})


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="no training run"):
        claim(tmp_path, PASSPORT)
    with pytest.raises(ConfigError, match="no training run"):
        claim(tmp_path / "notes.txt", PASSPORT)


def test_a_checkpoint_that_a_kill_left_unfinished_is_removed(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path, 200, json.dumps({"global_step": 200}))
    torn, empty = checkpoint(tmp_path, 1000, '{"global_st'), checkpoint(tmp_path, 400, None)
    assert last_checkpoint(tmp_path) == str(whole)
    assert not torn.exists()
    assert not empty.exists()


def test_without_a_whole_checkpoint_a_run_begins_anew(tmp_path: Path) -> None:
    checkpoint(tmp_path, 200, None)
    assert last_checkpoint(tmp_path) is None


def test_what_a_run_was_made_by_is_kept_beside_its_identity_and_never_compared(tmp_path: Path) -> None:
    claim(tmp_path / "run", PASSPORT)
    path = tmp_path / "run" / "run.json"
    first = json.loads(path.read_text())
    assert first["seed"] == 1
    assert {"python", "torch", "trl", "sg-agent"} <= first["record"]["versions"].keys()
    path.write_text(json.dumps({**first, "record": {**first["record"], "started": "then", "revisions": ["old"]}}))
    claim(tmp_path / "run", PASSPORT)
    record = json.loads(path.read_text())["record"]
    assert record["started"] == "then"
    assert record["revisions"][0] == "old"
    assert len(record["revisions"]) == 2
    assert len(record["commands"]) == 1


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    claim(tmp_path / "run", PASSPORT)
    code = "from pathlib import Path; from sg_agent.training.run_dir import claim; "
    code += f"claim(Path({str(tmp_path / 'run')!r}), {PASSPORT!r})"
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "is being written by another process" in second.stderr
    rank = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "RANK": "1"}, capture_output=True, check=False
    )
    assert rank.returncode == 0


def test_packages_and_the_budget_may_change_between_beginning_and_continuation(tmp_path: Path) -> None:
    claim(tmp_path / "run", {**PASSPORT, "packages": {"trl": "1"}, "recipe": {"max_cost": 1.0}})
    claim(tmp_path / "run", {**PASSPORT, "packages": {"trl": "2"}, "recipe": {"max_cost": 2.0}})


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), RuntimeError("PytorchStreamWriter failed writing file data/0")],
)
def test_a_full_disk_is_one_line_and_names_what_is_kept(tmp_path: Path, error: Exception) -> None:
    checkpoint(tmp_path, 200, "{}")
    with (
        pytest.raises(RunError, match=r"cannot be written: .*; the last good checkpoint is .*checkpoint-200"),
        writing(tmp_path),
    ):
        raise error
