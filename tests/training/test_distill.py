"""Distillation: what is learned from, what is refused, and a real (tiny) run through TRL and back."""

import json
from pathlib import Path

import pytest
from tiny import tiny_model

from sg_agent.errors import ConfigError
from sg_agent.models import load_model
from sg_agent.training.distill import distill
from sg_agent.training.recipe import DistillRecipe

ROWS = [
    {"id": str(i), "question": f"{i} boats?", "answer": str(i), "task": "math", "guidance": "1. Look.\n2. Count."}
    for i in range(12)
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    return path


def recipe_for(base: Path, data: Path, *, epochs: float = 2) -> DistillRecipe:
    return DistillRecipe(
        base=f"local:{base}", data=[str(data)], learning_rate=0.02, batch_size=4, epochs=epochs, lora_rank=4
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_distilled_adapter_survives_the_round_trip_and_refuses_another_recipe(tmp_path: Path, data: Path) -> None:
    base = tiny_model(tmp_path / "base")
    out = tmp_path / "run"
    adapter = distill(recipe_for(base, data), out)
    passport = json.loads((adapter / "passport.json").read_text())
    assert passport["recipe"]["epochs"] == 2
    assert passport["prompts"].keys() == {"v1/guide/math"}
    assert load_model(f"local:{base}@{adapter}", max_tokens=8).invoke("hello").text is not None
    with pytest.raises(ConfigError, match=r"epochs: 2\.0 -> 3\.0"):
        distill(recipe_for(base, data, epochs=3), out)
