"""Group relative policy optimisation of a guide in plain torch: the maths of RL, without a trainer.

    python -m sg_agent.training.bare.grpo --steps 20    # the embedded base on depot; the frozen solver judges

GRPO (DeepSeekMath, arXiv 2402.03300, eq. 3) with DAPO's token mean (arXiv 2503.14476, eq. 8) and no KL term. For each
question x the guide samples G guidances o_1 .. o_G; each earns a reward r_i, here whether the solver is right with it:

    A_i      = (r_i - mean(r_1 .. r_G)) / (std(r_1 .. r_G) + 1e-4)
    rho_i,t  = p_theta(o_i,t | x, o_i,<t) / p_old(o_i,t | x, o_i,<t)
    L(theta) = - 1/N  sum_i  sum_t  min( rho_i,t A_i,  clip(rho_i,t, 1 - eps, 1 + eps) A_i ),      N = sum_i |o_i|

p_old is the guide that sampled; std is that of a sample (n - 1). It agrees with TRL 1.16's GRPOTrainer as it is by
default (`loss_type="dapo"`, `beta=0`, `epsilon=0.2`, `scale_rewards="group"`): tests/training/test_bare.py. As there, a
reward of None leaves its guidance out of the mean and gives it no advantage.
Left out: resuming, evaluation, saving, more than one process, leak checks and every reward but the task's.
"""

import math
from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any

import torch
import typer
from langchain_core.language_models import BaseChatModel
from torch import Tensor
from transformers import PreTrainedModel

from sg_agent.answers import parse_answer
from sg_agent.checks import clean_guidance
from sg_agent.evals.scoring import score
from sg_agent.models import load_model, local_path
from sg_agent.program import run_program
from sg_agent.prompts import load_prompt
from sg_agent.rows import Row
from sg_agent.training.bare.sft import Example, encode, token_logprobs, train, with_lora
from sg_agent.weights import load_weights
from sg_agent.worlds import questions

EPSILON = 0.2  # how far the ratio may move before the gradient stops


def advantages(rewards: Sequence[float | None], group: int) -> Tensor:
    """A_i of every guidance, shape (B*G,): rewards in the order of the questions, `group` of them each."""
    rewards_B_G = torch.tensor([math.nan if reward is None else reward for reward in rewards]).view(-1, group)
    count_B_1 = (~rewards_B_G.isnan()).sum(1, keepdim=True)
    centred_B_G = rewards_B_G - rewards_B_G.nanmean(1, keepdim=True)
    std_B_1 = (centred_B_G.square().nansum(1, keepdim=True) / (count_B_1 - 1)).sqrt()
    return (centred_B_G / (std_B_1 + 1e-4)).nan_to_num(nan=0.0).flatten()


def grpo_loss(logprobs_N_T: Tensor, old_N_T: Tensor, guidance_N_T: Tensor, advantages_N: Tensor) -> Tensor:
    """The clipped objective, its sign turned, as a mean over all tokens of the guidance (guidance_N_T is 1 there)."""
    ratio_N_T = (logprobs_N_T - old_N_T).exp()
    clipped_N_T = ratio_N_T.clamp(1 - EPSILON, 1 + EPSILON)
    advantages_N_1 = advantages_N[:, None]
    gained_N_T = torch.minimum(ratio_N_T * advantages_N_1, clipped_N_T * advantages_N_1)
    return -(gained_N_T * guidance_N_T).sum() / guidance_N_T.sum()


def batch_of(samples: Sequence[Example], pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """As for SFT, but prompts are padded at the left and guidance at the right, so that all guidance begins at one."""
    left = max(len(prompt) for prompt, _ in samples)
    right = max(len(guidance) for _, guidance in samples)
    ids, mask, learned = [], [], []
    for prompt, guidance in samples:
        before, after = left - len(prompt), right - len(guidance)
        ids.append([pad] * before + prompt + guidance + [pad] * after)
        mask.append([0] * before + [1] * (len(prompt) + len(guidance)) + [0] * after)
        learned.append([0] * left + [1] * len(guidance) + [0] * after)
    return torch.tensor(ids), torch.tensor(mask), torch.tensor(learned)


def update(
    model: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    samples: Sequence[Example],
    advantages_N: Tensor,
    *,
    pad: int,
    temperature: float = 1.0,
    updates: int = 1,
) -> list[float]:
    """Learn from one set of samples, `updates` times; returns the loss before each. The first has a ratio of 1."""
    model.train()
    ids_N_T, mask_N_T, guidance_N_T = batch_of(samples, pad)
    old_N_T, losses = None, []
    for _ in range(updates):
        logprobs_N_T = token_logprobs(model, ids_N_T, mask_N_T, temperature)
        old_N_T = logprobs_N_T.detach() if old_N_T is None else old_N_T
        loss = grpo_loss(logprobs_N_T, old_N_T, guidance_N_T[:, 1:], advantages_N)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def sample(
    model: PreTrainedModel, prompts: Sequence[list[int]], *, pad: int, end: int, temperature: float, most_tokens: int
) -> list[Example]:
    """One guidance for each prompt, drawn from the model itself, up to and with the end of its turn."""
    model.eval()  # type: ignore[no-untyped-call]
    ids, mask, _ = batch_of([Example(prompt, []) for prompt in prompts], pad)
    whole: Any = model.generate(  # type: ignore[operator]
        input_ids=ids, attention_mask=mask, max_new_tokens=most_tokens, do_sample=True, temperature=temperature,
        top_k=0, pad_token_id=pad, eos_token_id=end,
    )  # fmt: skip
    drawn = [row[ids.shape[1] :] for row in whole.tolist()]
    drawn = [row[: row.index(end) + 1] if end in row else row for row in drawn]
    return [Example(prompt, row) for prompt, row in zip(prompts, drawn, strict=True)]


def solved(solver: BaseChatModel, rows: Sequence[Row], guidance: Sequence[str]) -> list[float]:
    """The task reward: 1 where the frozen solver answers right with the guidance, else 0."""
    cleaned = [clean_guidance(text) for text in guidance]
    prompts: list[Any] = [
        load_prompt("solver", row.task).render(row, guidance=text) for row, text in zip(rows, cleaned, strict=True)
    ]
    answers = [parse_answer(reply.text, row.task, row.choices) for row, reply in zip(rows, solver.batch(prompts))]  # noqa: B905
    return [float(score(answer, row).correct) for row, answer in zip(rows, answers, strict=True)]


def main(
    base: Annotated[str, typer.Option(help="spec of the guide's local model")] = "embedded:solver",
    solver: Annotated[str, typer.Option(help="spec of the frozen solver")] = "embedded:solver",
    world: Annotated[str, typer.Option(help="world of the questions")] = "depot",
    warm_up: Annotated[int, typer.Option(min=0, help="steps of SFT on 32 gold plans each before, 0 for none")] = 30,
    steps: Annotated[int, typer.Option(min=1)] = 20,
    batch_size: Annotated[int, typer.Option(min=1, help="questions a step")] = 8,
    group: Annotated[int, typer.Option(min=2, help="guidance sampled for each")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0)] = 1e-4,
    updates: Annotated[int, typer.Option(min=1, help="updates from the same samples")] = 1,
    temperature: Annotated[float, typer.Option(min=0.01)] = 1.0,
    rank: Annotated[int, typer.Option(min=0, help="LoRA rank; 0 trains all weights")] = 0,
    seed: int = 0,
) -> None:
    """Learn from whether the frozen solver is right, without any gold guidance."""
    torch.manual_seed(seed)
    weights = load_weights(local_path(base), None, trust_remote_code=False, device="cpu")
    model, tokenizer = with_lora(weights.model, rank), weights.tokenizer
    judge = load_model(solver, temperature=0.0, max_tokens=200)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=learning_rate, weight_decay=0)
    stream = questions(world, "train", seed=seed)
    ends = {"pad": _token(tokenizer.pad_token_id), "end": _token(tokenizer.eos_token_id)}
    gold = [[encode(tokenizer, row) for row in islice(stream, 32)] for _ in range(warm_up)]
    for step, loss in enumerate(train(model, gold, pad=ends["pad"], learning_rate=1e-3), 1):
        typer.echo(f"warm-up {step}/{warm_up}, loss {loss:.4f}")
    for step in range(1, steps + 1):
        rows = [row for row in islice(stream, batch_size) for _ in range(group)]
        prompts = [encode(tokenizer, row).prompt for row in rows]
        samples = sample(model, prompts, temperature=temperature, most_tokens=120, **ends)
        texts = [str(tokenizer.decode(one.guidance, skip_special_tokens=True)) for one in samples]
        rewards = solved(judge, rows, texts)
        advantages_N = advantages(rewards, group)
        losses = update(
            model, optimizer, samples, advantages_N, pad=ends["pad"], temperature=temperature, updates=updates
        )
        equal = 1 - advantages_N.view(-1, group).any(1).float().mean().item()
        mean = sum(rewards) / len(rewards)
        typer.echo(f"step {step}/{steps}, reward {mean:.3f}, equal groups {equal:.0%}, loss {losses[-1]:+.4f}")
    typer.echo(f"\n{rows[-1].question}\n\n{texts[-1]}")


def _token(token: Any) -> int:
    assert isinstance(token, int), "a tokenizer with one pad and one end token"
    return token


if __name__ == "__main__":
    run_program(main)
