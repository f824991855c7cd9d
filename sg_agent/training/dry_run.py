"""`--dry-run`: what a distillation would read, take and need, without loading a weight.

The tokenizer counts; memory and time are estimates by stated rules (see memory.py). The time counts 6 operations per
parameter and token (4 with frozen weights), at a speed measured here for CPU cores and stated for GPUs.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sg_agent.models import local_path
from sg_agent.passport import weights_sha256
from sg_agent.rows import Row
from sg_agent.training.data import as_prompt, load_data, load_questions, load_validation
from sg_agent.training.memory import GIB, Memory, Size, available, estimate, measure, require_memory
from sg_agent.training.recipe import DistillRecipe
from sg_agent.weights import described_files, load_tokenizer

CPU_FLOPS = 3e10  # a core; 512 rows of recipe embedded-depot, 57,964 tokens, took 9.9 s of one
GPU_FLOPS = 1.2e14  # stated, not measured: a third of what one recent data-centre GPU does in bf16
UNKNOWN_WEIGHTS = "weights not here yet"


def plan_distill(recipe: DistillRecipe) -> dict[str, Any]:
    """Everything that can be told before a run. Raises what `distill` would raise before it trains."""
    import torch

    from sg_agent.training.distill import check_distill

    check_distill(recipe)
    rows = load_questions(recipe) if recipe.method == "on_policy" else load_data(recipe)
    path = described_files(local_path(recipe.base))
    prompts, replies = count_tokens(recipe, path, rows)
    longest = max(map(sum, zip(prompts, replies, strict=True)))
    size, memory = fit(recipe, path, longest=longest)
    tokens = int((sum(prompts) + sum(replies)) * recipe.epochs)
    there, device = available()
    return {
        "recipe": recipe.model_dump(mode="json"),
        "base_sha256": weights_sha256(path) or UNKNOWN_WEIGHTS,
        "rows": len(rows),
        "validation_rows": len(load_validation(recipe)) if recipe.eval_every else 0,
        "tokens": {"prompts": sum(prompts), "guidance": sum(replies), "longest": longest},
        "steps": math.ceil(math.ceil(len(rows) / recipe.batch_size) * recipe.epochs),
        "parameters": size.parameters,
        "trainable": size.trainable,
        "memory_bytes": memory.as_dict(),
        "device": device,
        "device_bytes": there,
        "seconds": round(seconds(recipe, size, tokens, gpu=torch.cuda.is_available(), threads=torch.get_num_threads())),
    }


def fit(recipe: DistillRecipe, path: Path, *, longest: int) -> tuple[Size, Memory]:
    """Size and memory of a run whose longest row has so many tokens. Raises ConfigError when it does not fit."""
    import torch

    size = measure(path, recipe)
    memory = estimate(recipe, size, longest=longest, gpu=torch.cuda.is_available())
    require_memory(recipe.base, size, memory)
    return size, memory


def count_tokens(recipe: DistillRecipe, path: Path, rows: Sequence[Row]) -> tuple[list[int], list[int]]:
    """Tokens of each row's prompt and guidance (on policy: the most it may write)."""
    from sg_agent.seq2seq import plain_text

    tokenizer = load_tokenizer(path, name=local_path(recipe.base))
    asked = [as_prompt(row) for row in rows]
    if tokenizer.chat_template:
        texts = [str(tokenizer.apply_chat_template(p, tokenize=False, add_generation_prompt=True)) for p in asked]
    else:
        texts = [plain_text([message["content"] for message in prompt]) for prompt in asked]
    prompts = [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    if recipe.method == "on_policy":
        return prompts, [recipe.max_guidance] * len(rows)
    replies = tokenizer([row.gold or "" for row in rows], add_special_tokens=False)["input_ids"]
    return prompts, [len(ids) + 1 for ids in replies]


def seconds(recipe: DistillRecipe, size: Size, tokens: int, *, gpu: bool, threads: int) -> float:
    """Training time of so many tokens, measurements of usefulness left out."""
    operations = (6 if recipe.method == "full" else 4) * size.parameters * tokens
    return operations / (GPU_FLOPS if gpu else CPU_FLOPS * (recipe.threads or threads))


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """The plan for a reader."""
    memory, tokens = plan["memory_bytes"], plan["tokens"]
    return [
        *(f"{key:<18} {value}" for key, value in plan["recipe"].items() if value not in (None, [])),
        f"{'rows':<18} {plan['rows']} ({tokens['prompts']} tokens of prompts, {tokens['guidance']} of guidance, "
        f"{tokens['longest']} in the longest row)",
        f"{'steps':<18} {plan['steps']}",
        f"{'parameters':<18} {plan['parameters']:,}, of which {plan['trainable']:,} are trained",
        f"{'memory, estimated':<18} {memory['total'] / GIB:.2f} GiB of {plan['device_bytes'] / GIB:.1f} "
        f"({plan['device']}): weights {memory['weights'] / GIB:.2f}, optimizer {memory['optimizer'] / GIB:.2f}, "
        f"activations {memory['activations'] / GIB:.2f}",
        f"{'time, estimated':<18} {plan['seconds'] / 60:.0f} min of training",
    ]
