"""Memory: estimated from a config, refused with numbers when the machine has less."""

import json
from pathlib import Path

import pytest

pytest.importorskip("trl", reason='needs pip install "sg-agent[train]"')

from distilling import recipe_for, rows_file
from tiny import tiny_tokenizer

from sg_agent.errors import ConfigError
from sg_agent.training.dry_run import plan_distill
from sg_agent.training.memory import Size, estimate

SIZE = Size(parameters=1000, trainable=10, layers=2, hidden=8, heads=2, vocabulary=100, dtype_bytes=2)
CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 16384,
    "num_hidden_layers": 126,
    "num_attention_heads": 128,
    "num_key_value_heads": 8,
    "intermediate_size": 53248,
    "vocab_size": 128256,
}


def test_full_tuning_costs_optimizer_state_where_an_adapter_costs_frozen_weights(tmp_path: Path) -> None:
    adapter = estimate(recipe_for(tmp_path, rows_file(tmp_path)), SIZE, longest=10)
    full = estimate(recipe_for(tmp_path, rows_file(tmp_path), method="full"), SIZE, longest=10)
    assert (adapter.weights, adapter.optimizer, full.weights) == (2000, 160, 0)
    assert adapter.total == adapter.weights + adapter.optimizer + adapter.activations


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT asks transformers for an attribute under its old name
def test_a_base_that_does_not_fit_is_refused_with_numbers_before_it_is_loaded(tmp_path: Path) -> None:
    base = tmp_path / "huge"
    base.mkdir()
    (base / "config.json").write_text(json.dumps(CONFIG))
    (base / "model.safetensors").write_bytes(b"")
    tiny_tokenizer().save_pretrained(base)
    with pytest.raises(ConfigError, match=r"\(4\d\d\.\d+B parameters, .*needs about \d+\.\d GiB .* has \d+\.\d"):
        plan_distill(recipe_for(base, rows_file(tmp_path)))
