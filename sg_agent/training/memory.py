"""What a distillation needs of memory, told from config.json alone, and the refusal when the machine has less.

Rules of thumb, stated: weights and optimizer are exact but for the allocator, activations follow Korthikanti et al.
(arXiv 2205.05198): 34 bytes per token, layer and hidden unit, plus 5 per pair of tokens and head where attention is
not fused; with activation checkpointing (on a GPU) 2 bytes and one layer in full.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sg_agent.errors import ConfigError
from sg_agent.training.recipe import DistillRecipe

GIB = 1 << 30
ADAM_BYTES = 16  # of a trained parameter: float32 weight and gradient, two moments
FOUR_BIT_BYTES = 0.57  # of a frozen parameter: 4 bits with doubly quantized scales


@dataclass(frozen=True)
class Size:
    """A model as its config describes it. `dtype_bytes` is what the runtime loads it in, on the device at hand."""

    parameters: int
    trainable: int
    layers: int
    hidden: int
    heads: int
    vocabulary: int
    dtype_bytes: int


@dataclass(frozen=True)
class Memory:
    """Bytes."""

    weights: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.optimizer + self.activations

    def as_dict(self) -> dict[str, int]:
        """Its parts and their sum."""
        return {**asdict(self), "total": self.total}


def measure(path: Path, recipe: DistillRecipe) -> Size:
    """The size of the base in `path`, its adapter included; no weights are read or allocated."""
    import torch
    from accelerate import init_empty_weights
    from peft import get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    from sg_agent.training.trainers import lora

    config: Any = AutoConfig.from_pretrained(path)
    kind: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    with init_empty_weights():
        model: Any = kind.from_config(config)
    model.tie_weights()  # what is made without memory is made untied
    parameters = model.num_parameters()
    with init_empty_weights():
        tuned = model if recipe.method == "full" else get_peft_model(model, lora(recipe, None))
    text = config.get_text_config()
    gpu = torch.cuda.is_available()
    stored = getattr(config, "dtype", None)
    return Size(
        parameters=parameters,
        trainable=sum(weight.numel() for weight in tuned.parameters() if weight.requires_grad),
        layers=text.num_hidden_layers * (2 if config.is_encoder_decoder else 1),
        hidden=text.hidden_size,
        heads=text.num_attention_heads,
        vocabulary=text.vocab_size,
        dtype_bytes=stored.itemsize if gpu and stored is not None else 4,
    )


def estimate(recipe: DistillRecipe, size: Size, *, longest: int, processes: int = 1, gpu: bool = False) -> Memory:
    """For one process; `longest` is the length of the longest row, in tokens."""
    rows = max(1, recipe.batch_size // (recipe.accumulation * processes))
    tokens = rows * min(longest, recipe.max_length or longest)
    pairs = 5 * size.heads * longest if recipe.attention == "eager" else 0
    layer = tokens * (34 * size.hidden + pairs)
    kept = layer + size.layers * tokens * 2 * size.hidden if gpu else size.layers * layer
    frozen = FOUR_BIT_BYTES if recipe.method == "qlora" else size.dtype_bytes
    full = recipe.method == "full"
    return Memory(
        weights=0 if full else int(size.parameters * frozen),
        optimizer=size.trainable * ADAM_BYTES,
        activations=kept + tokens * size.vocabulary * 6,  # logits and their gradient
    )


def available() -> tuple[int, str]:
    """Bytes of memory on the device that would train, and what device that is."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[1]), torch.cuda.get_device_name()
    return int(psutil.virtual_memory().total), "this machine's memory"


def require_memory(base: str, size: Size, memory: Memory) -> None:
    """Raises ConfigError with the numbers when the estimate exceeds what there is."""
    there, device = available()
    if memory.total > there:
        parts = ", ".join(f"{name} {value / GIB:.1f}" for name, value in asdict(memory).items())
        raise ConfigError(
            f"{base!r} ({size.parameters / 1e9:.2f}B parameters, {size.trainable / 1e6:.1f}M trained) needs about "
            f"{memory.total / GIB:.1f} GiB ({parts}) and {device} has {there / GIB:.1f}; lower batch_size or raise "
            "accumulation, or take a smaller base"
        )
