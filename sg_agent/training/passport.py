"""What an adapter is made from, and the proof that what was saved is what was trained."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import LanguageModelInput

from sg_agent.errors import RunError
from sg_agent.models import fingerprint, load_model, local_path
from sg_agent.prompts import load_prompt
from sg_agent.rows import Row
from sg_agent.training.recipe import BaseRecipe

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def make_passport(recipe: BaseRecipe, rows: Sequence[Row]) -> dict[str, Any]:
    """What the adapter is made from: base weights, prompts, data and recipe."""
    prompts = [load_prompt("guide", task) for task in sorted({row.task for row in rows})]
    return {
        "base_sha256": fingerprint(recipe.base),
        "prompts": {prompt.id: prompt.sha256 for prompt in prompts},
        "data_sha256": hashlib.sha256("\n".join(row.model_dump_json() for row in rows).encode()).hexdigest(),
        "recipe": recipe.model_dump(),
    }


def round_trip(trained: "PeftModel", base: str, adapter: Path, rows: Sequence[Row]) -> None:
    """The adapter through the runtime loader must write the trainer's own greedy text, and not the base's.

    Raises RunError when it does not.
    """
    from sg_agent.local import LocalChatModel

    prompts: list[LanguageModelInput] = [load_prompt("guide", row.task).render(row, kind=row.kind) for row in rows]
    loaded = LocalChatModel(model=local_path(base), adapter=str(adapter), max_tokens=200)
    written = [reply.text for reply in loaded.batch(prompts)]
    expected = [reply.text for reply in loaded.with_model(cast("PreTrainedModel", trained)).batch(prompts)]
    if written != expected:
        raise RunError(f"the adapter loaded from {str(adapter)!r} writes other text than the model that was trained")
    untrained = [reply.text for reply in load_model(base, max_tokens=200).batch(prompts)]
    if written == untrained:
        raise RunError(f"the adapter loaded from {str(adapter)!r} writes what its base writes: it changes nothing")
