"""Distillation: what is refused before anything is read or written."""

from pathlib import Path

import pytest
from distilling import recipe_for, rows_file

from sg_agent.errors import ConfigError, ModelError
from sg_agent.training.distill import check_distill, distill


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": "openai:gpt"}, "is not a local model"),
        ({"base": "embedded:guide"}, "names an adapter: name the base alone"),
        ({"base": "local:/no/such/base"}, "no such model directory"),
        ({"base": "embedded:solver", "method": "on_policy", "teacher": "openai:gpt"}, "is not a local model"),
        ({"base": "embedded:solver", "method": "qlora"}, "pip install bitsandbytes"),
    ],
)
def test_what_this_machine_cannot_train_is_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises((ModelError, ConfigError), match=message):
        distill(recipe_for(tmp_path, rows_file(tmp_path), **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "on_policy"}, "on_policy needs a teacher"),
        ({"packing": True}, "packing needs max_length and attention: flash_attention_2"),
        ({"eval_every": 5}, "eval_every needs validation"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_distill(recipe_for(tmp_path, rows_file(tmp_path), **changes))
