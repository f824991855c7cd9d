"""Supervised fine-tuning of a guide in plain torch: the maths of distillation, without a trainer.

    python -m sg_agent.training.bare.sft --steps 60              # the embedded base on depot's gold plans
    python -m sg_agent.training.bare.sft --steps 60 --rank 16    # a LoRA adapter instead of all weights

The objective of both papers' first stage (Solution Guidance Fine-Tuning, arXiv 2412.09906; LM-Guided CoT, arXiv
2404.03414): for questions x with guidance y, minimise the mean negative log-likelihood of the guidance's tokens alone,

    L(theta) = - 1/N  sum_(x,y)  sum_(t=1..|y|)  log p_theta(y_t | x, y_<t),      N = sum |y| over the batch.

The optimizer is AdamW at a rate that falls linearly to 0, gradients clipped to norm 1. It agrees with TRL's SFTTrainer
(`completion_only_loss=True`, its other settings as they are): tests/training/test_bare.py.
Left out: resuming, evaluation, saving, more than one process, mixed precision, packing.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sg_agent.models import local_path
from sg_agent.program import run_program
from sg_agent.prompts import load_prompt
from sg_agent.rows import Row
from sg_agent.weights import load_weights
from sg_agent.worlds import questions


class Example(NamedTuple):
    """A question's prompt and its guidance, as token ids."""

    prompt: list[int]
    guidance: list[int]


def encode(tokenizer: PreTrainedTokenizerBase, row: Row) -> Example:
    """The prompt that the graphs send, and the row's gold guidance up to the end of its turn."""
    system, user = load_prompt("guide", row.task).render(row, kind=row.kind)
    asked = [{"role": "system", "content": str(system.content)}, {"role": "user", "content": str(user.content)}]
    said = [*asked, {"role": "assistant", "content": row.gold or ""}]
    prompt = str(tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True))
    whole = str(tokenizer.apply_chat_template(said, tokenize=False))
    assert whole.startswith(prompt), "the template must write the prompt the same way whatever follows it"
    ids = [
        list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in (prompt, whole.removeprefix(prompt))
    ]
    return Example(*ids)


def batch_of(examples: Sequence[Example], pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """ids_B_T padded at the right, mask_B_T of what is no padding, and guidance_B_T of what is learned."""
    width = max(len(prompt) + len(guidance) for prompt, guidance in examples)

    def padded(row: list[int], filler: int) -> list[int]:
        return row + [filler] * (width - len(row))

    ids_B_T = [padded(prompt + guidance, pad) for prompt, guidance in examples]
    mask_B_T = [padded([1] * (len(prompt) + len(guidance)), 0) for prompt, guidance in examples]
    guidance_B_T = [padded([0] * len(prompt) + [1] * len(guidance), 0) for prompt, guidance in examples]
    return torch.tensor(ids_B_T), torch.tensor(mask_B_T), torch.tensor(guidance_B_T)


def token_logprobs(model: PreTrainedModel, ids_B_T: Tensor, mask_B_T: Tensor, temperature: float = 1.0) -> Tensor:
    """log p(token t | tokens before t), shape (B, T-1): the first token has none before it.

    Positions count real tokens only, so that padding on either side changes nothing.
    """
    positions_B_T = (mask_B_T.cumsum(-1) - 1).clamp(min=0)
    logits_B_T_V = model(input_ids=ids_B_T, attention_mask=mask_B_T, position_ids=positions_B_T).logits.float()
    logprobs_B_T_V = (logits_B_T_V[:, :-1] / temperature).log_softmax(-1)
    chosen_B_T: Tensor = logprobs_B_T_V.gather(-1, ids_B_T[:, 1:, None]).squeeze(-1)
    return chosen_B_T


def sft_loss(model: PreTrainedModel, ids_B_T: Tensor, mask_B_T: Tensor, guidance_B_T: Tensor) -> Tensor:
    """The mean negative log-likelihood of the guidance's tokens."""
    learned = guidance_B_T[:, 1:]
    return -(token_logprobs(model, ids_B_T, mask_B_T) * learned).sum() / learned.sum()


def train(
    model: PreTrainedModel, batches: Sequence[Sequence[Example]], *, pad: int, learning_rate: float
) -> Iterator[float]:
    """One step of AdamW a batch; yields each batch's loss before its step."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=0.0)
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / len(batches))
    model.train()
    for batch in batches:
        loss = sft_loss(model, *batch_of(batch, pad))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        falling.step()
        yield loss.item()


def with_lora(model: PreTrainedModel, rank: int) -> PreTrainedModel:
    """The model with a LoRA adapter on every linear layer, the only weights that are then trained; 0 is none."""
    if not rank:
        return model
    from peft import LoraConfig, get_peft_model

    adapter = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted: Any = get_peft_model(model, adapter)
    return adapted  # type: ignore[no-any-return]


def write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, row: Row) -> str:
    """The guidance that the model now writes, token after token the likeliest."""
    model.eval()  # type: ignore[no-untyped-call]
    prompt = torch.tensor([encode(tokenizer, row).prompt])
    generated: Any = model.generate(  # type: ignore[operator]
        input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=120, do_sample=False
    )
    return str(tokenizer.decode(generated[0, prompt.shape[1] :], skip_special_tokens=True))


def main(
    base: Annotated[str, typer.Option(help="spec of a local model")] = "embedded:solver",
    world: Annotated[str, typer.Option(help="world whose gold guidance is learned")] = "depot",
    steps: Annotated[int, typer.Option(min=1)] = 60,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    learning_rate: Annotated[float, typer.Option(min=0)] = 1e-3,
    rank: Annotated[int, typer.Option(min=0, help="LoRA rank; 0 trains all weights")] = 0,
    seed: int = 0,
) -> None:
    """Fine-tune on gold guidance, show the loss and what is written before and after."""
    torch.manual_seed(seed)
    weights = load_weights(local_path(base), None, trust_remote_code=False, device="cpu")
    model, tokenizer = with_lora(weights.model, rank), weights.tokenizer
    rows = islice(questions(world, "train", seed=seed), steps * batch_size)
    examples = [encode(tokenizer, row) for row in rows]
    batches = [examples[i : i + batch_size] for i in range(0, len(examples), batch_size)]
    unseen = next(questions(world, "validation", seed=seed))
    typer.echo(f"{unseen.question}\n\nbefore:\n{write(model, tokenizer, unseen)}\n")
    pad = tokenizer.pad_token_id if isinstance(tokenizer.pad_token_id, int) else 0
    for step, loss in enumerate(train(model, batches, pad=pad, learning_rate=learning_rate), 1):
        typer.echo(f"step {step}/{steps}, loss {loss:.4f}")
    typer.echo(f"\nafter:\n{write(model, tokenizer, unseen)}\n\ngold:\n{unseen.gold}")


if __name__ == "__main__":
    run_program(main)
