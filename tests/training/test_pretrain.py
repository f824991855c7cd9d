"""Pretraining: a short run, continued after it was cut off, and refused to other settings."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason='needs pip install "sg-agent[local]"')

from sg_agent.errors import ConfigError
from sg_agent.models import load_model
from sg_agent.training.corpus import Mixture
from sg_agent.training.pretrain import Shape, Stage, pretrain


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_run_leaves_a_base_that_the_runtime_loads_and_refuses_other_settings(tmp_path: Path) -> None:
    first, second = Stage("one", (Mixture(2, 1.0, 2),), 1e-3, 0.5), Stage("two", (Mixture(3, 0.0, 2),), 1e-3, 0.5)
    small = Shape(layers=1, width=32, heads=2)
    base = pretrain(tmp_path / "run", (first, second), batch_size=4, seed=0, shape=small)
    passport = json.loads((base / "passport.json").read_text(encoding="utf-8"))
    assert [stage["name"] for stage in passport["stages"]] == ["one", "two"]
    assert passport["shape"] == {"layers": 1, "width": 32, "heads": 2}
    assert passport["parameters"] < 100_000
    assert load_model(f"local:{base}", max_tokens=4).invoke("Name the guild of Kara.").usage_metadata
    with pytest.raises(ConfigError, match=r"another run \(stages: "):
        pretrain(tmp_path / "run", (first,), batch_size=4, seed=0, shape=small)


def test_a_shape_or_batch_that_cannot_be_shared_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="3 heads cannot share a width of 64"):
        Shape(width=64, heads=3)
    with pytest.raises(ConfigError, match="multiple of 4, not 6"):
        pretrain(tmp_path / "run", (), batch_size=6, seed=0)
