"""Weights that are sharded over processes, by FSDP2 or ZeRO-3: how they are saved, and compared with what was saved.

accelerate gathers them for the first process alone, which saves. The trainer's logits are computed by all processes
together: the first one leads, the others follow its every forward pass.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sg_agent.errors import ConfigError
from sg_agent.training.recipe import DistillRecipe

if TYPE_CHECKING:
    import torch
    from transformers import Trainer


def launched_sharded() -> bool:
    """Whether accelerate's launcher was told to shard the weights."""
    return _fsdp() or _zero_stage() == 3


def _fsdp() -> bool:
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"


def _zero_stage() -> int:
    if file := os.environ.get("ACCELERATE_DEEPSPEED_CONFIG_FILE"):
        return int(json.loads(Path(file).read_text(encoding="utf-8")).get("zero_optimization", {}).get("stage", 0))
    return int(os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "0"))


def check_sharding(recipe: DistillRecipe) -> None:
    """Raise ConfigError for what sharded weights cannot do; nothing when they are not to be sharded."""
    if not launched_sharded():
        return
    if _fsdp() and os.environ.get("FSDP_VERSION", "1") != "2":
        raise ConfigError("FSDP version 1 is not supported; set fsdp_version: 2 in accelerate's configuration")
    if recipe.method not in ("lora", "full"):
        raise ConfigError(
            f"method {recipe.method!r} cannot train weights that FSDP or ZeRO-3 shards; take lora or full"
        )
    if recipe.eval_every is not None:
        raise ConfigError(
            "eval_every asks one process for guidance, and none has all weights under FSDP or ZeRO-3; leave it out and "
            "measure the guide with sg-agent eval"
        )


class Leader:
    """A sharded model as saving and comparing use one, in the first process while the others follow.

    `weights` are the gathered ones, `prepared` is the model as the trainer calls it.
    """

    def __init__(self, model: Any, prepared: Any, weights: "dict[str, torch.Tensor]", dtype: "torch.dtype") -> None:
        self.model, self.prepared, self.weights, self.dtype = model, prepared, weights, dtype
        self.config, self.device = model.config, model.device
        self.peft_config = getattr(model, "peft_config", {})

    def save_pretrained(self, path: str) -> None:
        """Save the gathered weights."""
        self.model.save_pretrained(path, state_dict=self.weights)

    def eval(self) -> "Leader":
        """Itself: it never trains."""
        return self

    def __call__(self, **tokens: "torch.Tensor") -> Any:
        """The output of one forward pass, in which all processes take part."""
        _broadcast({name: ids.tolist() for name, ids in tokens.items()})
        return self.prepared(**tokens)


@contextmanager
def trained_model(trainer: "Trainer") -> Iterator[Any]:
    """What was trained, in the first process, to save and compare; None in the others, which serve it until then.

    Every process of the run must enter. Sharded weights come as a `Leader`, any others as the model itself, without the
    mixed precision that training ran in: the runtime computes in full.
    """
    accelerator = trainer.accelerator
    model: Any = accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    if not is_sharded(accelerator):
        yield model if accelerator.is_main_process else None
        return
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    # Or transformers would shard what is loaded for the comparison too.
    unset_hf_deepspeed_config()  # type: ignore[no-untyped-call]
    prepared: Any = trainer.model_wrapped
    prepared.eval()
    weights = accelerator.get_state_dict(prepared)
    if not accelerator.is_main_process:
        _follow(prepared, model.device)
        yield None
        return
    try:
        yield Leader(model, prepared, weights, _computed_in(accelerator, model))
    finally:
        _broadcast(None)


def is_sharded(accelerator: Any) -> bool:
    """Whether no process holds all weights of the model."""
    plugin = getattr(accelerator.state, "deepspeed_plugin", None)
    return bool(accelerator.is_fsdp2 or (plugin is not None and plugin.zero_stage == 3))


def _computed_in(accelerator: Any, model: Any) -> "torch.dtype":
    import torch

    stored: torch.dtype = model.dtype
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(accelerator.mixed_precision, stored)


def _follow(prepared: Any, device: "torch.device") -> None:
    """Take part in every forward pass of the leader, until it says that there are no more."""
    import torch

    while (tokens := _broadcast(None)) is not None:
        with torch.inference_mode():
            prepared(**{name: torch.tensor(ids, device=device) for name, ids in tokens.items()})


def _broadcast(sent: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the first process sends, in all of them."""
    from accelerate.utils import broadcast_object_list

    box = [sent]
    broadcast_object_list(box)
    return box[0]
