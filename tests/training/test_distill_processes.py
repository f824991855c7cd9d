"""Distillation across processes: two give the losses of one, and one that was killed ends as if it had not been."""

import signal
from pathlib import Path

import pytest
import torch
from distilling import rows_file
from launching import launch, launch_two, losses
from safetensors.torch import load_file
from tiny import tiny_model

pytestmark = pytest.mark.slow
BEFORE_KILL = """
import os, signal, sys
from pathlib import Path
from transformers import TrainerCallback
from sg_agent.training.distill import distill
from sg_agent.training.recipe import DistillRecipe, load_recipe

class Kill(TrainerCallback):
    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 3:
            os.kill(os.getpid(), signal.SIGKILL)

distill(load_recipe(sys.argv[1], DistillRecipe), Path(sys.argv[2]), callbacks=[Kill()])
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    base, data = tiny_model(tmp_path / "base"), rows_file(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"base: local:{base}\ndata: [{data}]\nlearning_rate: 0.01\nbatch_size: 4\nlora_rank: 4\nepochs: 2\n"
        "save_every: 1\ngroup_by_length: false\n"
    )
    return path


def test_two_processes_give_the_losses_of_one(tmp_path: Path, recipe: Path) -> None:
    program = ["-m", "sg_agent.cli", "distill", str(recipe), "--out"]
    launch(*program, str(tmp_path / "one"))
    launch_two(*program, str(tmp_path / "two"))
    # Rounding to 16 bits in other orders: a hundredth of the loss.
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=0.01)
    assert (tmp_path / "two" / "adapter" / "passport.json").is_file()


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(tmp_path: Path, recipe: Path) -> None:
    launch("-c", BEFORE_KILL, str(recipe), str(tmp_path / "killed"), code=-signal.SIGKILL)
    assert not (tmp_path / "killed" / "adapter").exists()
    program = ["-m", "sg_agent.cli", "distill", str(recipe), "--out"]
    launch(*program, str(tmp_path / "killed"))
    launch(*program, str(tmp_path / "whole"))
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    one, other = (load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("killed", "whole"))
    assert all(torch.equal(one[name], other[name]) for name in one)
