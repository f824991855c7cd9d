"""Distillation end to end: tiny models through TRL and back, continued, stopped, refused."""

import json
from pathlib import Path

import pytest
import torch
from distilling import recipe_for, rows_file
from safetensors.torch import load_file
from tiny import tiny_model
from tiny_t5 import tiny_t5

from sg_agent.errors import ConfigError, ModelError, RunError
from sg_agent.models import load_model
from sg_agent.scripted import ScriptedModel
from sg_agent.training.data import as_prompt, load_data
from sg_agent.training.distill import distill

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return rows_file(tmp_path)


def test_it_survives_the_round_trip_and_refuses_another_recipe(tmp_path: Path, data: Path) -> None:
    base = tiny_model(tmp_path / "base")
    out = tmp_path / "run"
    adapter = distill(recipe_for(base, data), out)
    passport = json.loads((adapter / "passport.json").read_text())
    assert passport["recipe"]["epochs"] == 1
    assert passport["prompts"].keys() == {"v1/guide/math"}
    assert passport["round_trip"]["same_greedy_text"]
    assert passport["round_trip"]["max_logit_difference"] < 1e-3 < passport["round_trip"]["difference_from_base"]
    assert (adapter / "README.md").read_text().startswith("---\nlibrary_name: peft\n")
    assert not (out / "adapter.partial").exists()
    assert load_model(f"local:{base}@{adapter}", max_tokens=8).invoke("hello").text is not None
    with pytest.raises(ConfigError, match=r"epochs: 1\.0 -> 3\.0"):
        distill(recipe_for(base, data, epochs=3), out)
    assert distill(recipe_for(base, data), out) == adapter


def test_the_runtime_refuses_another_template_or_tokenizer(tmp_path: Path, data: Path) -> None:
    base = tiny_model(tmp_path / "base")
    adapter = distill(recipe_for(base, data), tmp_path / "run")
    template = base / "chat_template.jinja"
    template.write_text(template.read_text() + "!")
    with pytest.raises(ModelError, match="trained with another chat template than that of"):
        load_model(f"local:{base}@{adapter}")


def test_all_weights_make_a_model_of_its_own(tmp_path: Path, data: Path) -> None:
    base = tiny_model(tmp_path / "base")
    made = distill(recipe_for(base, data, method="full", learning_rate=1e-3), tmp_path / "run")
    assert made.name == "model"
    assert load_model(f"local:{made}", max_tokens=8).invoke("hello").text is not None


def test_a_teacher_rates_what_the_guide_writes(tmp_path: Path, data: Path) -> None:
    base, teacher = tiny_model(tmp_path / "base"), tiny_model(tmp_path / "teacher", hidden=64, seed=1)
    recipe = recipe_for(base, data, method="on_policy", teacher=f"local:{teacher}", save_every=1)
    adapter = distill(recipe, tmp_path / "run")
    state = json.loads((tmp_path / "run" / "checkpoint-3" / "trainer_state.json").read_text())
    assert [entry["step"] for entry in state["log_history"] if "loss" in entry] == [1, 2, 3]
    assert (adapter / "adapter_model.safetensors").is_file()


def test_the_most_useful_adapter_is_kept_and_measured(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sg_agent.training import distill as module

    base = tiny_model(tmp_path / "base", window=2048)
    solver = ScriptedModel(replies=lambda _: "The answer is 1.")
    monkeypatch.setattr(module, "load_model", lambda *_, **__: solver)
    # What a random model writes is not fit to be shown to a solver.
    monkeypatch.setattr("sg_agent.training.grader.unfit", lambda *_, **__: None)
    monkeypatch.setattr("sg_agent.graphs.nodes.check_guidance", lambda *_, **__: None)
    measured = {"validation": [str(data)], "solver": "embedded:solver", "eval_every": 2, "patience": 1, "batch_size": 2}
    adapter = distill(recipe_for(base, data, **measured), tmp_path / "run")
    passport = json.loads((adapter / "passport.json").read_text())
    assert passport["evaluation"]["accuracy"] == pytest.approx(1 / 12)
    assert (tmp_path / "run" / "grades.jsonl").is_file()
    assert "Measured on validation questions" in (adapter / "README.md").read_text()
    state = json.loads((tmp_path / "run" / "checkpoint-4" / "trainer_state.json").read_text())
    assert [entry["step"] for entry in state["log_history"] if "usefulness" in entry] == [2, 4]
    best = load_file(tmp_path / "run" / "checkpoint-2" / "adapter_model.safetensors")
    kept = load_file(adapter / "adapter_model.safetensors")
    assert all(torch.equal(kept[name], weight) for name, weight in best.items())


def test_a_loss_that_is_no_number_stops_it(tmp_path: Path, data: Path) -> None:
    recipe = recipe_for(tiny_model(tmp_path / "base"), data, learning_rate=1e30, epochs=4, save_every=1)
    with pytest.raises(RunError, match=r"step \d+: .* no finite number.*; the last good checkpoint is .*checkpoint"):
        distill(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "adapter").exists()


def test_a_sequence_to_sequence_guide_is_trained_and_loaded(tmp_path: Path, data: Path) -> None:
    rows = load_data(recipe_for(tmp_path, data))
    texts = [text for row in rows for text in (str(row.gold), *(m["content"] for m in as_prompt(row)))]
    base = tiny_t5(tmp_path / "t5", texts)
    adapter = distill(recipe_for(base, data, epochs=2, learning_rate=1e-2), tmp_path / "run")
    assert json.loads((adapter / "passport.json").read_text())["chat_template_sha256"] is None
    assert load_model(f"local:{base}@{adapter}", max_tokens=8).invoke("0 boats?").text is not None
