"""Weights sharded over processes: FSDP2 gives one process's losses and passes the round trip; what it cannot do.

accelerate turns FSDP on for accelerators alone, though torch's runs on CPUs too: the program below tells it otherwise.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from distilling import recipe_for, rows_file
from launching import launch, launch_two, losses
from safetensors.torch import load_file
from tiny import tiny_model

from sg_agent.errors import ConfigError
from sg_agent.training.sharded import check_sharding, launched_sharded

FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "false",
}
ON_CPU = """
from accelerate import state
from accelerate.utils import DistributedType
from sg_agent.cli import main

begin = state.AcceleratorState.__init__

def with_fsdp(self, *args, fsdp_plugin=None, **settings):
    begin(self, *args, fsdp_plugin=fsdp_plugin, **settings)
    if fsdp_plugin is not None:
        self.fsdp_plugin, self.distributed_type = fsdp_plugin, DistributedType.FSDP
        state.PartialState._shared_state["distributed_type"] = DistributedType.FSDP
        if self._mixed_precision != "no":
            fsdp_plugin.set_mixed_precision(self._mixed_precision)

state.AcceleratorState.__init__ = with_fsdp
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("method", "made"), [("lora", "adapter"), ("full", "model")])
def test_sharded_weights_give_the_losses_of_one_process_and_pass_the_round_trip(
    tmp_path: Path, method: str, made: str
) -> None:
    recipe = tmp_path / "recipe.json"  # JSON is YAML
    # With all weights in full precision, so that the round trip compares to the last digits.
    changes = {"method": method, "bf16": False, "epochs": 2, "save_every": 3, "group_by_length": False}
    given = recipe_for(tiny_model(tmp_path / "base"), rows_file(tmp_path), learning_rate=1e-3, **changes)
    recipe.write_text(given.model_dump_json())
    program = tmp_path / "on_cpu.py"
    program.write_text(ON_CPU)
    launch("-m", "sg_agent.cli", "distill", str(recipe), "--out", str(tmp_path / "one"))
    launch_two(str(program), "distill", str(recipe), "--out", str(tmp_path / "two"), settings=FSDP)
    assert (tmp_path / "two" / "checkpoint-6" / "pytorch_model_fsdp_0").is_dir()
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    trip = json.loads((tmp_path / "two" / made / "passport.json").read_text())["round_trip"]
    assert trip["max_logit_difference"] < 1e-3 < trip["difference_from_base"]
    weights = f"{made}_model.safetensors" if made == "adapter" else "model.safetensors"
    one, two = (load_file(tmp_path / run / made / weights) for run in ("one", "two"))
    assert one.keys() == two.keys()
    assert all(torch.allclose(one[name], two[name], atol=1e-3) for name in one)


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        ({"FSDP_VERSION": "1"}, {}, "set fsdp_version: 2"),
        ({}, {"method": "qlora"}, "'qlora' cannot train weights that FSDP or ZeRO-3 shards"),
        (
            {},
            {"eval_every": 2, "validation": ["depot"], "solver": "embedded:solver"},
            "measure the guide with sg-agent",
        ),
    ],
)
def test_what_sharded_weights_cannot_do_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str], changes: dict[str, Any], message: str
) -> None:
    recipe = recipe_for(tmp_path, tmp_path, **changes)
    check_sharding(recipe)
    for name, value in {**FSDP, **settings}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        check_sharding(recipe)


def test_zero_3_is_known_by_the_launchers_word_or_by_its_configuration_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not launched_sharded()
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", "3")
    assert launched_sharded()
    file = tmp_path / "deepspeed.json"
    file.write_text('{"zero_optimization": {"stage": 2}}')
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_CONFIG_FILE", str(file))
    assert not launched_sharded()
