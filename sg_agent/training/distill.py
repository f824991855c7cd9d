"""Distils a guide: supervised fine-tuning of a LoRA adapter on questions with guidance, loss on the guidance only.

    python -m sg_agent.training.distill sg_agent/training/recipes/embedded.yaml --out runs/guide              # resumes
    python -m sg_agent.training.distill sg_agent/training/recipes/embedded.yaml --out runs/guide --install

TRL's SFTTrainer with PEFT does the work. The run ends with a round trip: the saved adapter is loaded the way the
graphs load it and must write what the trainer's model writes.
"""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from sg_agent.errors import MissingExtra
from sg_agent.models import EMBEDDED_GUIDE, check_spec, local_path
from sg_agent.program import run_program
from sg_agent.rows import Row
from sg_agent.training.adapter import save_adapter
from sg_agent.training.data import as_conversation, load_data, load_worked
from sg_agent.training.passport import make_passport
from sg_agent.training.recipe import DistillRecipe, load_recipe
from sg_agent.training.run_dir import claim, last_checkpoint
from sg_agent.weights import load_weights

if TYPE_CHECKING:
    from peft import PeftModel
    from trl.trainer.sft_trainer import SFTTrainer


def distill(recipe: DistillRecipe, out: Path) -> Path:
    """Train, or continue, in `out`; returns the adapter's directory. A finished run is not trained again.

    Raises MissingExtra without TRL, ConfigError when `out` holds a run from another recipe, base, prompt or data,
    RunError when the adapter that was saved does not behave like the one that was trained.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # TRL pings a host unless told not to
    local_path(recipe.base)
    check_spec(recipe.base)
    rows = load_data(recipe) if recipe.learn == "guidance" else load_worked(recipe)
    passport = make_passport(recipe, rows)
    claim(out, passport)
    trainer = _trainer(recipe, rows, out)
    trainer.train(resume_from_checkpoint=last_checkpoint(out))
    # Without the mixed precision that training ran in: the runtime computes in full.
    trained = cast("PeftModel", trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False))
    return save_adapter(trained, passport, out, rows)


def _trainer(recipe: DistillRecipe, rows: list[Row], out: Path) -> "SFTTrainer":
    try:
        import torch
        from datasets import Dataset
        from peft import LoraConfig
        from trl.trainer.sft_config import SFTConfig
        from trl.trainer.sft_trainer import SFTTrainer
    except ImportError as error:
        raise MissingExtra("distillation", "train") from error
    base = load_weights(local_path(recipe.base), None, trust_remote_code=False, device="cpu")
    base.model.set_attn_implementation(recipe.attention)
    settings = SFTConfig(
        output_dir=str(out),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=0.05,  # a share of all steps
        seed=recipe.seed,
        logging_steps=20,
        save_steps=100,
        save_total_limit=2,
        completion_only_loss=True,
        max_length=None,
        train_sampling_strategy="group_by_length",
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        report_to="none",
    )
    return SFTTrainer(
        base.model,
        settings,
        train_dataset=Dataset.from_list([as_conversation(row, recipe.learn) for row in rows]),
        processing_class=base.tokenizer,
        peft_config=LoraConfig(
            r=recipe.lora_rank, lora_alpha=recipe.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )


def main(
    recipe: Annotated[str, typer.Argument(help="YAML file, or the name of a shipped recipe")],
    out: Annotated[Path, typer.Option(help="run directory; an interrupted run in it is continued")],
    install: Annotated[bool, typer.Option(help="copy the adapter into the package as embedded:guide")] = False,
) -> None:
    """Distil a guide from questions with guidance."""
    adapter = distill(load_recipe(recipe, DistillRecipe), out)
    print(f"guide adapter in {adapter}")
    if install:
        shutil.copytree(adapter, EMBEDDED_GUIDE, dirs_exist_ok=True, ignore=shutil.ignore_patterns("README.md"))
        print(f"installed as {EMBEDDED_GUIDE}")


if __name__ == "__main__":
    run_program(main)
