"""TRL's trainer for an RL recipe: the guide to train, its rewards, its rollouts and what happens between the steps."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sg_agent.errors import ConfigError
from sg_agent.local import LocalChatModel
from sg_agent.models import load_model, local_path
from sg_agent.rows import Row
from sg_agent.training.data import as_prompt
from sg_agent.training.grader import Grader
from sg_agent.training.judge import Judge
from sg_agent.training.rewards import Rewards
from sg_agent.training.rl_callbacks import Validation
from sg_agent.training.rl_recipe import RlRecipe
from sg_agent.training.rollouts import Rollouts
from sg_agent.training.run_dir import adapter_of
from sg_agent.training.samples import SampleLog
from sg_agent.weights import load_weights

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def make_trainer(recipe: RlRecipe, train: list[Row], validation: list[Row], grader: Grader, out: Path) -> Any:
    """GRPOTrainer or RLOOTrainer, ready to train on `train`; `validation` may be empty."""
    from datasets import Dataset
    from trl.trainer.grpo_trainer import GRPOTrainer
    from trl.trainer.rloo_trainer import RLOOTrainer

    policy, tokenizer = _policy(recipe)
    # Half of a batch at a time: the solver answers the first while the guide writes the second.
    waves = max(8, recipe.batch_size // 2)
    runtime = LocalChatModel(model=local_path(recipe.base), max_tokens=recipe.guide_max_tokens, max_batch=waves)
    rewards = _rewards(recipe, train, grader, runtime.weights.ends, out)
    given: dict[str, Any] = {
        "model": policy,
        "reward_funcs": rewards.functions,
        "args": _settings(recipe, rewards, out),
        "train_dataset": Dataset.from_list([{"prompt": as_prompt(row), "row_id": row.id} for row in train]),
        "processing_class": tokenizer,
    }
    if recipe.algorithm == "grpo" and recipe.rollouts == "engine":
        given["rollout_func"] = _rollouts(recipe, train, grader, runtime)
    trainer: Any = GRPOTrainer(**given) if recipe.algorithm == "grpo" else RLOOTrainer(**given)
    if validation:
        guide = runtime.with_model(cast("PreTrainedModel", policy))
        trainer.add_callback(
            Validation(
                guide, validation, grader, out, every=recipe.eval_steps, log=trainer.log, keep_first=bool(recipe.guide)
            )
        )
    return trainer


def _rewards(recipe: RlRecipe, train: list[Row], grader: Grader, ends: frozenset[int], out: Path) -> Rewards:
    return Rewards(
        {row.id: row for row in train},
        grader,
        recipe.rewards,
        most_tokens=recipe.guide_max_tokens,
        ends=ends,
        judge=Judge(load_model(recipe.judge, max_retries=0), grader) if recipe.judge else None,
        samples=SampleLog(out),
    )


def _policy(recipe: RlRecipe) -> "tuple[PeftModel, PreTrainedTokenizerBase]":
    """The guide to train: the adapter of `recipe.guide` on the base, or a fresh one."""
    from peft import PeftModel, get_peft_model

    from sg_agent.training.trainers import lora

    base = load_weights(local_path(recipe.base), None, trust_remote_code=False, device=None)
    base.model.set_attn_implementation(recipe.attention)
    if recipe.guide is not None:
        model: Any = PeftModel.from_pretrained(base.model, str(adapter_of(recipe.guide)), is_trainable=True)
    else:
        model = get_peft_model(base.model, lora(recipe))
    return model, base.tokenizer


def _settings(recipe: RlRecipe, rewards: Rewards, out: Path) -> Any:
    import torch
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.rloo_config import RLOOConfig

    share = recipe.batch_size // world_size()
    micro = min(recipe.micro_batch or share, share)
    if share * world_size() != recipe.batch_size or share % micro:
        raise ConfigError(
            f"batch_size {recipe.batch_size} cannot be shared by {world_size()} processes, {micro} at a time"
        )
    config: Any = GRPOConfig if recipe.algorithm == "grpo" else RLOOConfig
    return config(
        output_dir=str(out),
        max_steps=recipe.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=share // micro,
        num_generations=recipe.group_size,
        max_completion_length=recipe.guide_max_tokens,
        temperature=recipe.temperature,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=min(5, recipe.steps // 10),
        beta=recipe.kl,
        reward_weights=list(rewards.weights.values()),
        use_vllm=recipe.rollouts == "vllm",
        vllm_mode="colocate",
        seed=recipe.seed,
        logging_steps=1,
        save_steps=recipe.save_steps,
        save_total_limit=2,
        activation_checkpointing=recipe.gradient_checkpointing,
        bf16=recipe.bf16,
        use_cpu=not torch.cuda.is_available(),
        report_to=recipe.report_to or "none",
        disable_tqdm=True,
    )


def world_size() -> int:
    """How many processes share the run, as torchrun and accelerate tell them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _rollouts(recipe: RlRecipe, train: list[Row], grader: Grader, runtime: LocalChatModel) -> Rollouts:
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # rollout_func is an experimental part of TRL's interface
    rows = {as_prompt(row)[-1]["content"]: row for row in train}

    def begin(question: str, guidance: str, truncated: bool) -> None:
        grader.begin(rows[question], guidance, truncated)
        if recipe.rewards.get("uplift"):
            grader.begin(rows[question], None)

    return Rollouts(runtime, seed=recipe.seed, temperature=recipe.temperature, on_text=begin)
