"""The shipped recipes: all of them valid, each says what it needs, the embedded ones planned whole."""

from pathlib import Path

import pytest

pytest.importorskip("trl", reason='needs pip install "sg-agent[train]"')

from sg_agent.models import EMBEDDED_GUIDE
from sg_agent.training.dry_run import plan_distill, plan_lines
from sg_agent.training.recipe import RECIPES, DistillRecipe, load_recipe
from sg_agent.training.rl_plan import plan_lines as rl_lines
from sg_agent.training.rl_plan import plan_rl
from sg_agent.training.rl_recipe import RlRecipe

DISTILL = [path for path in sorted(RECIPES.glob("*.yaml")) if "\nepochs:" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", DISTILL, ids=lambda path: path.stem)
def test_a_recipe_is_valid_and_says_hardware_time_and_whether_it_was_run(path: Path) -> None:
    assert load_recipe(path.stem, DistillRecipe).base.startswith(("embedded:", "local:"))
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    for word in ("Hardware: ", "Time: ", "Run: ", "Expect: ", "Command: sg-agent distill"):
        assert any(word in line for line in head), word


RL = [path for path in sorted(RECIPES.glob("*.yaml")) if path not in DISTILL]


@pytest.mark.parametrize("path", RL, ids=lambda path: path.stem)
def test_an_rl_recipe_is_valid_and_says_hardware_and_whether_it_was_run(path: Path) -> None:
    assert load_recipe(path.stem, RlRecipe).base.startswith(("embedded:", "local:"))
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    for word in ("Hardware: ", "Run: ", "First: sg-agent distill", "Command: sg-agent rl"):
        assert any(word in line for line in head), word


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT asks transformers for an attribute under its old name
def test_the_embedded_rl_recipe_is_planned_without_weights() -> None:
    plan = plan_rl(load_recipe("embedded-depot-rl", RlRecipe, changes={"guide": str(EMBEDDED_GUIDE)}))
    assert plan["solver_calls"] == 40 * 256 + 1000
    assert plan["cost_usd"] == 0.0
    assert any("at most 11,240" in line for line in rl_lines(plan))


@pytest.mark.parametrize("name", ["embedded", "embedded-depot", "embedded-archive"])
@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT asks transformers for an attribute under its old name
def test_the_embedded_recipes_are_planned_without_weights(name: str) -> None:
    recipe = load_recipe(name, DistillRecipe, changes={"rows_per_world": 50})
    plan = plan_distill(recipe)
    assert plan["rows"] == 50 * len(recipe.data)
    assert plan["tokens"]["guidance"] < plan["tokens"]["prompts"]
    assert plan["parameters"] == 1_386_880  # as its own passport says
    assert 0 < plan["trainable"] < plan["parameters"] / 2
    assert 0 < plan["memory_bytes"]["total"] < plan["device_bytes"]
    assert any("min of training" in line for line in plan_lines(plan))
