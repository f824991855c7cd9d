"""Export: one model in the layout that other programs read, equal to base and adapter."""

import json
from pathlib import Path

import pytest

pytest.importorskip("peft", reason='needs pip install "sg-agent[local]"')

from tiny import tiny_adapter, tiny_model

from sg_agent.errors import ConfigError, ModelError, RunError
from sg_agent.models import load_model
from sg_agent.training.export import export

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
FILES = {
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "base")


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    return tiny_adapter(base, tmp_path / "run" / "adapter")


def test_the_export_has_the_files_that_vllm_and_llama_cpp_read_and_writes_the_same(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    made = export(adapter.parent, tmp_path / "merged", base=f"local:{base}")
    assert made["same_greedy_text"]
    assert made["max_logit_difference"] < 1e-3
    assert {file.name for file in (tmp_path / "merged").iterdir()} == FILES | {"passport.json"}
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]
    tuned, merged = (load_model(f"local:{spec}", max_tokens=8) for spec in (f"{base}@{adapter}", tmp_path / "merged"))
    assert tuned.invoke("hello").text == merged.invoke("hello").text


def test_the_base_is_read_from_the_adapter(base: Path, adapter: Path, tmp_path: Path) -> None:
    assert export(adapter, tmp_path / "merged")["base"] == f"local:{base}"


def test_what_is_no_adapter_or_would_be_overwritten_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no adapter_config\.json"):
        export(base, tmp_path / "merged")
    with pytest.raises(ConfigError, match="exists and is not empty"):
        export(adapter, base)


def test_a_merge_that_differs_leaves_nothing(
    base: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sg_agent.training.export._save", lambda tuned, folder, dtype: tiny_model(folder, seed=9))
    with pytest.raises(RunError, match=r"the merged model in .* writes other text than base and adapter"):
        export(adapter, tmp_path / "merged", base=f"local:{base}")
    assert not (tmp_path / "merged").exists()
