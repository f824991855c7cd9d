"""Merges an adapter into its base and saves one model, in the layout that vLLM and llama.cpp's converter read.

That is config.json, generation_config.json, model.safetensors, tokenizer.json, tokenizer_config.json and
chat_template.jinja. What was saved is loaded again and compared with base and adapter before it gets its name.
"""

import copy
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sg_agent.errors import ConfigError
from sg_agent.models import local_path
from sg_agent.passport import PASSPORT, read_passport
from sg_agent.prompts import load_prompt
from sg_agent.rows import Row
from sg_agent.training.agreement import compare, require_same
from sg_agent.training.run_dir import write_whole, writing
from sg_agent.weights import find_adapter

if TYPE_CHECKING:
    from sg_agent.local import LocalChatModel

Dtype = Literal["float32", "bfloat16", "float16"]
QUESTIONS = (
    "The depot has 20 lamps. On Monday 3 crates of lamps came in. How many lamps are there at the end?",
    "A train leaves at 9:40 and needs 85 minutes. When does it arrive?",
    "Mara has 3 boats and sells one. How many are left?",
    "What is a third of 96, less 7?",
    "Which is more: two dozen eggs, or 25?",
    "Ten cans cost 4.50. What do four cost?",
)


def export(adapter: Path, out: Path, *, base: str | None = None, dtype: Dtype = "float32") -> dict[str, Any]:
    """Write the merged model of `adapter` (or of a run's directory) to `out`; returns the numbers of the comparison.

    `base` defaults to the one that the adapter names. In 16 bits the adapter is rounded with the weights, and the
    comparison is the looser one. Raises ConfigError, ModelError, RunError.
    """
    from sg_agent.local import LocalChatModel

    folder = find_export(adapter)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{str(out)!r} exists and is not empty; name another --out")
    name = local_path(base or base_of(folder))
    tuned = LocalChatModel(model=name, adapter=str(folder), device="cpu", max_tokens=200)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    with writing(out.parent):
        _save(tuned, partial, dtype)
    numbers = _check(tuned, partial, dtype)
    write_whole(partial / PASSPORT, {**read_passport(folder), "merged_from": str(base or base_of(folder)), **numbers})
    with writing(out.parent):
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    return {"made": str(out), "base": base or base_of(folder), "dtype": dtype, **numbers}


def find_export(path: Path) -> Path:
    """The adapter's directory: `path` itself, or the one in a run's directory. Raises ModelError for neither."""
    inside = path / "adapter"
    return inside if inside.is_dir() else find_adapter(str(path.absolute())) or path


def base_of(adapter: Path) -> str:
    """The spec of the base that an adapter names. Raises ConfigError when it names none."""
    passport = read_passport(adapter)
    named = passport.get("base") or passport.get("recipe", {}).get("base")
    if not named:
        config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        named = config.get("base_model_name_or_path")
    if not named:
        raise ConfigError(f"adapter {str(adapter)!r} does not name its base; give --base")
    return str(named) if str(named).startswith(("local:", "embedded:")) else f"local:{named}"


def _save(tuned: "LocalChatModel", folder: Path, dtype: Dtype) -> None:
    import torch

    merged: Any = tuned.weights.model
    if dtype != "float32":
        merged = copy.deepcopy(merged).to(getattr(torch, dtype))
    merged.save_pretrained(str(folder))
    tuned.weights.tokenizer.save_pretrained(str(folder))


def _check(tuned: "LocalChatModel", folder: Path, dtype: Dtype) -> dict[str, Any]:
    from sg_agent.local import LocalChatModel

    rows = [Row(id="asked", question=question, answer="?", task="math") for question in QUESTIONS]
    prompts = [load_prompt("guide", row.task).render(row, kind=row.kind) for row in rows]
    found = compare(tuned, LocalChatModel(model=str(folder), device="cpu", max_tokens=200), prompts)
    require_same(found, f"the merged model in {str(folder)!r}", "base and adapter", exact=dtype == "float32")
    return {
        "max_logit_difference": found.max_difference,
        "token_agreement": found.agreement,
        "same_greedy_text": found.same_text,
    }
