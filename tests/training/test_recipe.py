"""Recipes: found by name, checked, and compared."""

from pathlib import Path

import pytest

from sg_agent.errors import ConfigError
from sg_agent.training.recipe import DistillRecipe, differences, load_recipe

MINIMAL = "base: embedded:solver\ndata: [depot]\nlearning_rate: 1\nbatch_size: 1\nepochs: 1\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_shipped_recipe_is_found_by_its_name() -> None:
    assert load_recipe("embedded", DistillRecipe).data == ["depot", "archive"]


def test_changes_override_the_file(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, MINIMAL), DistillRecipe, changes={"epochs": 3, "seed": 5})
    assert (recipe.epochs, recipe.seed) == (3, 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "lora_rnak: 8\n", r"own.yaml: 'lora_rnak': Extra inputs.*accepted: base, data"),
        (MINIMAL.replace("epochs: 1", "epochs: 0"), r"own.yaml: 'epochs': .*greater than 0, not 0"),
        (MINIMAL.replace("learning_rate: 1", "learning_rate: .nan"), "'learning_rate': .*finite"),
        (MINIMAL.replace("[depot]", "[]"), "'data': .*at least 1 item"),
        ("- a list\n", "must hold keys and values, not list"),
        ("base: [\n", "cannot be read"),
    ],
)
def test_a_bad_recipe_is_refused_naming_file_and_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(written(tmp_path, text), DistillRecipe)


def test_an_unknown_recipe_is_refused_with_those_that_are_shipped() -> None:
    with pytest.raises(ConfigError, match=r"no such recipe: 'embeded'; a YAML file, or one of .*embedded"):
        load_recipe("embeded", DistillRecipe)


def test_differences_name_key_old_and_new() -> None:
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": None, "d": 4}) == ["b: 2 -> 3", "d: None -> 4"]
