"""Saves what was trained so that there is either none or one that has passed the round trip, with its passport.

Adapters and whole models take the same way; the tokenizer is saved with a whole model only, an adapter has its base's.
"""

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sg_agent.passport import PASSPORT
from sg_agent.rows import Row
from sg_agent.training.data import spread
from sg_agent.training.model_card import model_card
from sg_agent.training.passport import round_trip
from sg_agent.training.run_dir import write_whole, writing

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ROUND_TRIP_PROMPTS = 16

Evaluate = Callable[[Path], dict[str, Any]]


def save_adapter(
    trained: "PeftModel",
    passport: dict[str, Any],
    out: Path,
    rows: Sequence[Row],
    *,
    evaluate: Evaluate | None = None,
) -> Path:
    """The adapter of `trained` as `out`/adapter, passport and model card beside it.

    `rows` give the prompts to compare on; `evaluate` measures the saved adapter for the passport's table. Raises
    RunError, and leaves no `out`/adapter, when what was saved does not behave as what was trained.
    """
    trained.peft_config["default"].base_model_name_or_path = passport["base"]  # not a path of this machine
    partial = _emptied(out / "adapter.partial")
    with writing(out):
        trained.save_pretrained(str(partial))
    return _finish(trained, passport, partial, out / "adapter", rows, evaluate)


def save_model(
    trained: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    passport: dict[str, Any],
    out: Path,
    rows: Sequence[Row],
    *,
    evaluate: Evaluate | None = None,
) -> Path:
    """A whole tuned model as `out`/model, which `local:` loads; all else as `save_adapter`."""
    partial = _emptied(out / "model.partial")
    with writing(out):
        trained.save_pretrained(str(partial))
        tokenizer.save_pretrained(str(partial))
    return _finish(trained, passport, partial, out / "model", rows, evaluate)


def restore(trained: Any, checkpoint: Path) -> None:
    """Put the weights of a checkpoint of the Trainer's, an adapter's or a whole model's, into `trained`."""
    from safetensors.torch import load_file

    if (checkpoint / "adapter_model.safetensors").is_file():
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(trained, load_file(checkpoint / "adapter_model.safetensors"))
    else:
        best = type(cast("PreTrainedModel", trained)).from_pretrained(checkpoint, dtype=trained.dtype)
        trained.load_state_dict(best.state_dict())


def _finish(
    trained: "PeftModel | PreTrainedModel",
    passport: dict[str, Any],
    partial: Path,
    place: Path,
    rows: Sequence[Row],
    evaluate: Evaluate | None,
) -> Path:
    write_whole(partial / PASSPORT, passport)
    passport = {
        **passport,
        "round_trip": round_trip(trained, passport["base"], partial, spread(rows, ROUND_TRIP_PROMPTS)),
        "evaluation": evaluate(partial) if evaluate else None,
        "created": datetime.now(UTC).date().isoformat(),
    }
    write_whole(partial / PASSPORT, passport)
    with writing(place.parent):
        (partial / "README.md").write_text(model_card(passport, adapter=place.name == "adapter"), encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)
        return partial.rename(place)


def _emptied(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    return path
