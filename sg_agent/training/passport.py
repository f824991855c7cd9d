"""What an adapter is made from, and the proof that what was saved is what was trained."""

import hashlib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sg_agent.models import local_path
from sg_agent.passport import template_sha256, tokenizer_sha256, weights_sha256
from sg_agent.prompts import load_prompt
from sg_agent.rows import Row
from sg_agent.training.agreement import Agreement, compare, require_change, require_same
from sg_agent.training.recipe import BaseRecipe
from sg_agent.training.sharded import Leader
from sg_agent.weights import hub_commit, load_tokenizer, local_files

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from sg_agent.local import LocalChatModel

PACKAGES = ("sg-agent", "torch", "transformers", "peft", "trl", "accelerate", "datasets", "tokenizers")


def make_passport(recipe: BaseRecipe, rows: Sequence[Row]) -> dict[str, Any]:
    """What the adapter is made from: base weights, tokenizer, chat template, prompts, data, recipe and packages.

    Downloads a base that is on the hub. Raises ModelError for one that cannot be used.
    """
    name = local_path(recipe.base)
    base = local_files(name)
    tokenizer = load_tokenizer(base, name=name)
    prompts = [load_prompt("guide", task) for task in sorted({row.task for row in rows})]
    return {
        "base": recipe.base,
        "base_sha256": weights_sha256(base),
        "base_revision": hub_commit(base),
        "chat_template_sha256": template_sha256(tokenizer),
        "tokenizer_sha256": tokenizer_sha256(tokenizer),
        "prompts": {prompt.id: prompt.sha256 for prompt in prompts},
        "data_sha256": hashlib.sha256("\n".join(row.model_dump_json() for row in rows).encode()).hexdigest(),
        "rows": len(rows),
        "recipe": recipe.model_dump(mode="json"),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def round_trip(
    trained: "PreTrainedModel | PeftModel | Leader", base: str, saved: Path, rows: Sequence[Row]
) -> dict[str, Any]:
    """The numbers of the comparison: `saved` through the runtime loader against `trained`, and against its base.

    `saved` is an adapter, or a whole model. Of sharded weights the logits alone are compared. Raises RunError when it
    does not behave as `trained`, or like its base.
    """
    from sg_agent.local import LocalChatModel

    prompts = [load_prompt("guide", row.task).render(row, kind=row.kind) for row in rows]
    loaded = load_saved(base, saved, max_tokens=200)
    found = compare(loaded, loaded.with_model(cast("Any", trained)), prompts, texts=not isinstance(trained, Leader))
    require_same(found, f"what was saved in {str(saved)!r}", "the model that was trained")
    change = compare(loaded, LocalChatModel(model=local_path(base), max_tokens=200), prompts, texts=False)
    require_change(change, found, f"what was saved in {str(saved)!r}", f"its base {base!r}")
    return {**_numbers(found), "difference_from_base": change.max_difference}


def load_saved(base: str, saved: Path, *, max_tokens: int) -> "LocalChatModel":
    """What was saved, an adapter of `base` or a whole model, as the runtime loads it."""
    from sg_agent.local import LocalChatModel

    if (saved / "adapter_config.json").is_file():
        return LocalChatModel(model=local_path(base), adapter=str(saved), max_tokens=max_tokens)
    return LocalChatModel(model=str(saved), max_tokens=max_tokens)


def _numbers(found: Agreement) -> dict[str, Any]:
    return {
        "prompts": found.prompts,
        "tokens": found.tokens,
        "dtype": found.dtype,
        "max_logit_difference": found.max_difference,
        "relative_difference": found.relative,
        "token_agreement": found.agreement,
        "same_greedy_text": found.same_text,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
