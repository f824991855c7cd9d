"""Pretrains the embedded base LM from scratch on general problems (see worlds/general.py for what it sees).

    torchrun --nproc-per-node 2 -m sg_agent.training.pretrain --out runs/base             # a process per core; resumes
    torchrun --nproc-per-node 2 -m sg_agent.training.pretrain --out runs/base --install   # into the package too

One, two or four processes see the same batches. Two of one thread each are faster than one with two threads.
A Llama, of 4 layers unless it is given another shape. The first twelfth of the run is the look-up drill alone: a model
that can look facts up learns all else quickly, one that cannot learns nothing for long (see STAGES). A learning rate
above 1e-3 keeps the look-ups away.
Nothing here knows the target worlds' house rules or offices.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from accelerate import PartialState
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from sg_agent.errors import ConfigError
from sg_agent.models import EMBEDDED_BASE
from sg_agent.program import run_program
from sg_agent.prompts import load_prompt
from sg_agent.training.corpus import QUARTERS, Curriculum, MicroBatches, Mixture, examples, messages, train_tokenizer
from sg_agent.training.run_dir import claim, last_checkpoint, write_whole


@dataclass(frozen=True)
class Shape:
    """The size of the model: `width` is that of a token's hidden state, shared out over `heads`."""

    layers: int = 4
    width: int = 160
    heads: int = 4

    def __post_init__(self) -> None:
        if min(self.layers, self.width, self.heads) < 1 or self.width % (2 * self.heads):
            raise ConfigError(f"{self.heads} heads cannot share a width of {self.width}: each takes an even part of it")


def build_model(tokenizer: PreTrainedTokenizerBase, shape: Shape) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.heads,
            intermediate_size=shape.width * 27 // 10,
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


@dataclass(frozen=True)
class Stage:
    """Training up to the last step of `curriculum`, from where the stage before has ended.

    The learning rate is held, then falls to 0 over the last `decay` of the stage.
    """

    name: str
    curriculum: Curriculum
    learning_rate: float
    decay: float


STAGES = (
    # Look-ups first: without them nothing is learned for long. Records then come quickly, stock needs most of the run.
    Stage("general", (Mixture(800, 1.0, 2), Mixture(2800, 0.2, 2), Mixture(8000, 0.05, 4)), 1e-3, 0.4),
    # A plan is worth most where the question alone does not say what to do.
    Stage("unexplained", (Mixture(9500, 0.05, 4, unexplained=0.6),), 5e-4, 0.9),
)


def pretrain(
    out: Path, stages: Sequence[Stage] = STAGES, *, batch_size: int, seed: int, shape: Shape = Shape()
) -> Path:
    """Train, or continue, in `out`. Returns the directory of the finished model with its tokenizer and passport.

    Raises ConfigError when `out` holds a run of other stages, settings, prompts or worlds, or when `batch_size` or the
    number of processes cannot be shared out.
    """
    torch.set_flush_denormal(True)
    passport = make_passport(stages, batch_size=batch_size, seed=seed, shape=shape)
    processes = PartialState(cpu=True)
    if batch_size % len(QUARTERS):
        raise ConfigError(f"the batch size must be a multiple of {len(QUARTERS)}, not {batch_size}")
    if len(QUARTERS) % processes.num_processes:
        raise ConfigError(f"{processes.num_processes} processes cannot share a batch; one, two or four can")
    with processes.main_process_first():
        claim(out, passport)
        tokenizer = _tokenizer(out / "tokenizer")
    torch.manual_seed(seed)
    model, start = build_model(tokenizer, shape), 0
    model.set_attn_implementation("eager")  # twice as fast as SDPA here: short sequences, no GPU
    for stage in stages:
        data = MicroBatches(tokenizer, stage.curriculum, start=start, batch_size=batch_size, seed=seed)
        steps = stage.curriculum[-1].until - start
        arguments = _arguments(out / stage.name, stage, steps, seed, processes.num_processes)
        trainer = Trainer(model, arguments, data_collator=first, train_dataset=data)
        trainer.train(resume_from_checkpoint=last_checkpoint(out / stage.name))
        start += steps
    with processes.main_process_first():
        return save(model, tokenizer, out / "base", passport) if processes.is_main_process else out / "base"


def _arguments(out: Path, stage: Stage, steps: int, seed: int, processes: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(out),
        max_steps=steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=len(QUARTERS) // processes,
        ddp_backend="gloo" if processes > 1 else None,
        ddp_find_unused_parameters=False,
        learning_rate=stage.learning_rate,
        adam_beta2=0.95,
        lr_scheduler_type="warmup_stable_decay",
        warmup_steps=100,
        lr_scheduler_kwargs={"num_decay_steps": int(stage.decay * steps)},
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


def make_passport(stages: Sequence[Stage], *, batch_size: int, seed: int, shape: Shape) -> dict[str, Any]:
    """What the base is made from: the run's settings, the prompts and (by its first examples) the corpus."""
    prompts = [
        load_prompt(phase, task) for phase in ("guide", "solver", "standard", "cot") for task in ("math", "multihop_qa")
    ]
    mixtures = [mixture for stage in stages for mixture in stage.curriculum]
    shown = [messages(example) for mixture in mixtures for example in examples(seed, 0, n=256, mixture=mixture)]
    return {
        "made_by": "torchrun --nproc-per-node 2 -m sg_agent.training.pretrain",
        "stages": [asdict(stage) for stage in stages],
        "shape": asdict(shape),
        "batch_size": batch_size,
        "seed": seed,
        "prompts": {prompt.id: prompt.sha256 for prompt in prompts},
        "corpus_sha256": hashlib.sha256(json.dumps(shown).encode()).hexdigest(),
    }


def _tokenizer(path: Path) -> PreTrainedTokenizerBase:
    """The run's own tokenizer, saved whole: a resumed run must not train another one."""
    if not path.exists():
        partial = path.with_suffix(".partial")
        train_tokenizer().save_pretrained(partial)
        partial.rename(path)
    tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(path)
    return tokenizer


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, out: Path, passport: dict[str, Any]) -> Path:
    """Weights in bfloat16, tokenizer and passport."""
    model.to(torch.bfloat16).save_pretrained(out)  # type: ignore[arg-type]
    tokenizer.save_pretrained(out)
    write_whole(out / "passport.json", {**passport, "parameters": model.num_parameters()})
    return out


def main(
    out: Annotated[Path, typer.Option(help="run directory; an interrupted run in it is continued")],
    batch_size: int = 64,
    seed: int = 0,
    install: Annotated[bool, typer.Option(help="copy the finished base into the package")] = False,
) -> None:
    """Pretrain the embedded base LM."""
    made = pretrain(out, batch_size=batch_size, seed=seed)
    if install and PartialState().is_main_process:
        shutil.copytree(made, EMBEDDED_BASE, dirs_exist_ok=True)
        print(f"installed as {EMBEDDED_BASE}")


if __name__ == "__main__":
    run_program(main)
