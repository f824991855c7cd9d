"""From a recipe to TRL's or transformers' trainer: one function per kind of guide, and the settings they share.

Nothing is forked: what differs from the libraries' defaults is written here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import (
    DataCollatorForSeq2Seq,
    PreTrainedTokenizerBase,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    Trainer,
    TrainerCallback,
)
from trl.trainer.distillation_config import DistillationConfig
from trl.trainer.distillation_trainer import DistillationTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from sg_agent.errors import ConfigError, ModelError
from sg_agent.models import parse_spec
from sg_agent.rows import Row
from sg_agent.seq2seq import plain_text
from sg_agent.training.data import as_conversation, as_prompt
from sg_agent.training.recipe import BaseRecipe, DistillRecipe
from sg_agent.weights import Weights, load_weights, local_files

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Callbacks = Sequence[TrainerCallback]


def load_base(recipe: DistillRecipe) -> Weights:
    """The base to train: whole weights in float32, below an adapter as the runtime has them, for QLoRA in 4 bits."""
    name = parse_spec(recipe.base).model
    weights = load_weights(name, None, trust_remote_code=False, device=None)
    if recipe.method == "qlora":
        weights = _in_four_bits(weights, local_files(name))
    if recipe.method == "full":
        weights.model.float()  # type: ignore[no-untyped-call]
    if not weights.model.config.is_encoder_decoder:  # T5 knows one kind of attention
        weights.model.set_attn_implementation(recipe.attention)
    return weights


def make_trainer(recipe: DistillRecipe, base: Weights, rows: Sequence[Row], out: Path, callbacks: Callbacks) -> Trainer:
    """The trainer that `recipe.method` and the kind of base ask for."""
    if base.model.config.is_encoder_decoder:
        return _seq2seq(recipe, base, rows, out, callbacks)
    if recipe.method == "on_policy":
        return _on_policy(recipe, base, rows, out, callbacks)
    return _sft(recipe, base, rows, out, callbacks)


def _sft(recipe: DistillRecipe, base: Weights, rows: Sequence[Row], out: Path, callbacks: Callbacks) -> Trainer:
    settings = SFTConfig(
        **_settings(recipe, out),
        completion_only_loss=True,
        max_length=recipe.max_length,
        packing=recipe.packing,
        train_sampling_strategy="group_by_length" if recipe.group_by_length and not recipe.packing else "random",
    )
    trainer: Trainer = SFTTrainer(
        base.model,
        settings,
        train_dataset=Dataset.from_list([as_conversation(row, recipe.learn) for row in rows]),
        processing_class=base.tokenizer,
        peft_config=None if recipe.method == "full" else lora(recipe),
        callbacks=list(callbacks),
    )
    return trainer


def _on_policy(recipe: DistillRecipe, base: Weights, rows: Sequence[Row], out: Path, callbacks: Callbacks) -> Trainer:
    """The guide writes, the teacher says how likely it finds each token: no gold guidance is read."""
    teacher = parse_spec(str(recipe.teacher))
    settings = DistillationConfig(**_settings(recipe, out), max_completion_length=recipe.max_guidance)
    base.tokenizer.padding_side = "left"
    rated_by = load_weights(teacher.model, teacher.at, trust_remote_code=False, device=None)
    try:
        trainer: Trainer = DistillationTrainer(
            base.model,
            rated_by.model,
            settings,
            train_dataset=Dataset.from_list([{"prompt": as_prompt(row)} for row in rows]),
            processing_class=base.tokenizer,
            peft_config=lora(recipe),
            callbacks=list(callbacks),
        )
    except ValueError as error:
        if "vocab_size" not in str(error):
            raise
        raise ModelError(f"teacher {recipe.teacher!r} and base {recipe.base!r} have not the same vocabulary") from error
    return trainer


def _seq2seq(recipe: DistillRecipe, base: Weights, rows: Sequence[Row], out: Path, callbacks: Callbacks) -> Trainer:
    if recipe.method not in ("lora", "full"):
        raise ConfigError(f"method {recipe.method!r} is for causal models; {recipe.base!r} is sequence-to-sequence")
    model: Any = base.model if recipe.method == "full" else get_peft_model(base.model, lora(recipe, None))
    strategy = "group_by_length" if recipe.group_by_length else "random"
    settings = Seq2SeqTrainingArguments(**_settings(recipe, out), train_sampling_strategy=strategy)
    return Seq2SeqTrainer(
        model,
        settings,
        train_dataset=Dataset.from_list([as_source_and_target(base.tokenizer, row) for row in rows]),
        processing_class=base.tokenizer,
        data_collator=DataCollatorForSeq2Seq(base.tokenizer, model=base.model),
        callbacks=list(callbacks),
    )


def as_source_and_target(tokenizer: PreTrainedTokenizerBase, row: Row) -> dict[str, list[int]]:
    """input_ids and labels of a row: the text that the runtime sends, and the guidance with its end token."""
    source = plain_text([message["content"] for message in as_prompt(row)])
    return {"input_ids": tokenizer(source)["input_ids"], "labels": tokenizer(row.gold or "")["input_ids"]}


def lora(recipe: BaseRecipe, task_type: str | None = "CAUSAL_LM") -> LoraConfig:
    """LoRA on every linear layer but the head.

    Without a task type PEFT wraps any model; its own wrapper for SEQ_2_SEQ_LM asks transformers for a method that
    version 5 has not.
    """
    return LoraConfig(
        r=recipe.lora_rank, lora_alpha=recipe.lora_alpha, target_modules="all-linear", task_type=task_type
    )


def _settings(recipe: DistillRecipe, out: Path) -> dict[str, Any]:
    import torch
    from accelerate import PartialState

    gpu = torch.cuda.is_available()
    processes = PartialState(cpu=not gpu).num_processes
    parts = processes * recipe.accumulation
    if recipe.batch_size % parts:
        raise ConfigError(
            f"batch_size {recipe.batch_size} cannot be shared by {processes} processes x {recipe.accumulation} parts"
        )
    return {
        "output_dir": str(out),
        "num_train_epochs": recipe.epochs,
        "per_device_train_batch_size": recipe.batch_size // parts,
        "gradient_accumulation_steps": recipe.accumulation,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": 0.05,  # a share of all steps
        "seed": recipe.seed,
        "logging_steps": min(20, recipe.save_every),
        "logging_nan_inf_filter": False,  # StopOnNaN must see what the loss is
        "save_steps": recipe.save_every,
        "save_total_limit": 2,
        "activation_checkpointing": gpu,  # it saves memory and costs a third of the speed
        "bf16": recipe.bf16,
        "use_cpu": not gpu,
        "ddp_backend": "gloo" if processes > 1 and not gpu else None,
        "ddp_find_unused_parameters": False,
        "report_to": recipe.report_to or "none",
        "disable_tqdm": True,
    }


def _in_four_bits(weights: Weights, path: Path) -> Weights:
    """The same model with its weights in 4 bits (QLoRA, arXiv 2305.14314), by bitsandbytes."""
    from dataclasses import replace

    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantized: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        path,
        use_safetensors=True,
        quantization_config=BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        ),
    )
    prepare: Any = prepare_model_for_kbit_training
    return replace(weights, model=prepare(quantized))
