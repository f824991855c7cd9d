"""Pretrains the embedded base LM from scratch on general problems (see worlds/general.py for what it sees).

    python -m sg_agent.training.pretrain --out runs/base                 # about an hour on two cores; resumes by itself
    python -m sg_agent.training.pretrain --out runs/base --install       # and put the result into the package

A 4-layer Llama. The first 2/9 of the run are the look-up drill alone: a model that can look facts up learns all else
quickly, one that cannot learns nothing for long. A learning rate above 1e-3 keeps the look-ups from coming.
Nothing here knows the target worlds' house rules or offices.
"""

import json
import shutil
from pathlib import Path
from typing import Annotated

import torch
import typer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from sg_agent.prompts import Phase, load_prompt
from sg_agent.training.corpus import MicroBatches, train_tokenizer

EMBEDDED_BASE = Path(__file__).parent.parent / "embedded" / "base"
WIDTH, LAYERS, HEADS = 160, 4, 4


def build_model(tokenizer: PreTrainedTokenizerBase) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS,
            intermediate_size=432,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def first(items: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Collator for a dataset whose items are whole batches already."""
    return items[0]


def pretrain(out: Path, *, steps: int, batch_size: int, seed: int) -> Path:
    """Train, or continue, in `out`. Returns the directory of the finished model with its tokenizer and passport."""
    torch.set_flush_denormal(True)
    tokenizer = _tokenizer(out / "tokenizer")
    torch.manual_seed(seed)
    model = build_model(tokenizer)
    model.set_attn_implementation("eager")  # twice as fast as SDPA here: short sequences, no GPU
    arguments = TrainingArguments(
        output_dir=str(out),
        max_steps=steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=2,
        learning_rate=1e-3,
        adam_beta2=0.95,
        lr_scheduler_type="warmup_stable_decay",
        warmup_steps=100,
        lr_scheduler_kwargs={"num_decay_steps": int(0.4 * steps)},
        bf16=True,
        use_cpu=True,
        seed=seed,
        logging_steps=50,
        save_steps=200,
        save_total_limit=2,
        max_grad_norm=1.0,
        report_to="none",
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
    )
    data = MicroBatches(tokenizer, steps=steps, batch_size=batch_size, seed=seed, drill_until=2 / 9)
    trainer = Trainer(model, arguments, data_collator=first, train_dataset=data)
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(out)))  # type: ignore[no-untyped-call]
    return save(model, tokenizer, out / "base", {"steps": steps, "batch_size": batch_size, "seed": seed})


def _tokenizer(path: Path) -> PreTrainedTokenizerBase:
    """The run's own tokenizer: a resumed run must not train another one."""
    if not path.exists():
        train_tokenizer().save_pretrained(path)
    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(path)
    return tokenizer


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, out: Path, settings: dict[str, int]) -> Path:
    """Weights in bfloat16, tokenizer, and a passport: how it was made and the prompts it was trained on."""
    model.to(torch.bfloat16).save_pretrained(out)  # type: ignore[arg-type]
    tokenizer.save_pretrained(out)
    prompts = [
        load_prompt(phase, task) for phase in ("guide", "solver", "standard", "cot") for task in ("math", "multihop_qa")
    ]
    passport = {
        "made_by": "python -m sg_agent.training.pretrain",
        **settings,
        "parameters": model.num_parameters(),
        "prompts": {prompt.id: prompt.sha256 for prompt in prompts},
    }
    (out / "passport.json").write_text(json.dumps(passport, indent=2) + "\n", encoding="utf-8")
    return out


def main(
    out: Annotated[Path, typer.Option(help="run directory; an interrupted run in it is continued")],
    steps: int = 3600,
    batch_size: int = 64,
    seed: int = 0,
    install: Annotated[bool, typer.Option(help="copy the finished base into the package")] = False,
) -> None:
    """Pretrain the embedded base LM."""
    made = pretrain(out, steps=steps, batch_size=batch_size, seed=seed)
    print(f"base LM in {made}")
    if install:
        shutil.copytree(made, EMBEDDED_BASE, dirs_exist_ok=True)
        print(f"installed as {EMBEDDED_BASE}")


if __name__ == "__main__":
    typer.run(main)
