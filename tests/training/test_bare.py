"""The bare loops compute what TRL computes: same losses, same advantages, same weights after a step."""

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from sg_agent.rows import Row
from sg_agent.training.bare import grpo, sft
from sg_agent.training.data import as_conversation

pytestmark = pytest.mark.filterwarnings("default")

ROWS = [
    Row(
        id=str(i),
        question=f"{i} boats, {'x' * (3 * i)}?",
        answer="1",
        task="math",
        guidance="1. Look.\n2. " * (1 + i % 3),
    )
    for i in range(12)
]
TRL: dict[str, Any] = {
    "report_to": "none", "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "logging_steps": 1,
    "save_strategy": "no", "disable_tqdm": True, "seed": 0, "learning_rate": 1e-3,
}  # fmt: skip


@pytest.fixture(autouse=True)
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")


@pytest.fixture
def base(tmp_path: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    path = tiny_model(tmp_path / "base")
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32), AutoTokenizer.from_pretrained(path)


def difference(one: torch.nn.Module, other: torch.nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a.detach() - b.detach()).abs().max()) for a, b in pairs)


def test_sft_has_trls_losses_and_weights(base: Any, tmp_path: Path) -> None:
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    model, tokenizer = base
    before = copy.deepcopy(model)
    settings = SFTConfig(
        output_dir=str(tmp_path / "trl"), per_device_train_batch_size=4, num_train_epochs=1, max_length=None,
        train_sampling_strategy="sequential", completion_only_loss=True, **TRL,
    )  # fmt: skip
    theirs = copy.deepcopy(model)
    trainer = SFTTrainer(
        theirs,
        settings,
        train_dataset=Dataset.from_list([as_conversation(row) for row in ROWS]),
        processing_class=tokenizer,
    )
    trainer.train()
    expected = [line["loss"] for line in trainer.state.log_history if "loss" in line]

    examples = [sft.encode(tokenizer, row) for row in ROWS]
    batches = [examples[i : i + 4] for i in range(0, 12, 4)]
    losses = list(sft.train(model, batches, pad=tokenizer.pad_token_id, learning_rate=1e-3))
    assert len(losses) == len(expected) == 3
    assert losses == pytest.approx(expected, abs=1e-4)
    assert difference(model, theirs) < 1e-4
    assert difference(model, before) > 1e-3


REWARDS = [1.0, 0.0, 0.5, 1.0, 0.25, None, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]  # three groups: mixed, one without, all equal


def one_trl_step(
    model: PreTrainedModel,
    tokenizer: Any,
    samples: Sequence[sft.Example],
    out: Path,
    *,
    temperature: float,
    updates: int,
) -> tuple[list[float], list[float]]:
    """GRPOTrainer's losses and advantages, its model trained, with these samples and REWARDS as its rollout."""
    from datasets import Dataset
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    def rollout(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        return {
            "prompt_ids": [one.prompt for one in samples], "completion_ids": [one.guidance for one in samples],
            "logprobs": None,
        }  # fmt: skip

    def task(completions: list[Any], **_: Any) -> list[float | None]:
        return REWARDS

    settings = GRPOConfig(
        output_dir=str(out), per_device_train_batch_size=12, num_generations=4, max_steps=updates,
        shuffle_dataset=False, num_iterations=updates, lr_scheduler_type="constant", temperature=temperature, **TRL,
    )  # fmt: skip
    assert (settings.loss_type, settings.beta, settings.epsilon, settings.scale_rewards) == ("dapo", 0.0, 0.2, "group")
    trainer = GRPOTrainer(
        model, task, settings, train_dataset=Dataset.from_dict({"prompt": ["one", "two", "three"]}),
        processing_class=tokenizer, rollout_func=rollout,
    )  # fmt: skip
    trainer.train()
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    return losses, list(trainer._logs["advantages"])


@pytest.mark.parametrize(("temperature", "updates"), [(1.0, 1), (0.7, 3)])
def test_grpo_has_trls_advantages_losses_and_weights(
    base: Any, tmp_path: Path, temperature: float, updates: int
) -> None:
    model, tokenizer = base
    before, theirs = copy.deepcopy(model), copy.deepcopy(model)
    torch.manual_seed(1)
    samples = [
        sft.Example(sft.encode(tokenizer, ROWS[i // 4]).prompt, [*torch.randint(5, 300, (3 + i,)).tolist(), 1])
        for i in range(12)
    ]
    losses, expected_advantages = one_trl_step(
        theirs, tokenizer, samples, tmp_path / "trl", temperature=temperature, updates=updates
    )

    advantages = grpo.advantages(REWARDS, 4)
    assert advantages.tolist() == pytest.approx(expected_advantages[:12], abs=1e-5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    ours = grpo.update(
        model, optimizer, samples, advantages, pad=tokenizer.pad_token_id, temperature=temperature, updates=updates
    )
    assert ours == pytest.approx(losses, abs=1e-4)
    assert difference(model, theirs) < 1e-4
    assert difference(model, before) > 5e-4


def test_advantages_are_what_sets_a_guidance_apart_from_its_group() -> None:
    found = grpo.advantages([1, 0, 1, 0, 1, 1, 1, 1, None, None, 3, 1], 4).view(-1, 4)
    assert found[0].tolist() == pytest.approx([0.866, -0.866, 0.866, -0.866], abs=1e-3)
    assert found[1].tolist() == [0, 0, 0, 0]
    assert found[2].tolist() == pytest.approx([0, 0, math.sqrt(0.5), -math.sqrt(0.5)], abs=1e-3)


def test_the_clip_stops_the_gradient_of_what_has_moved_far_enough() -> None:
    logprobs = torch.tensor([[0.3], [0.3], [-0.3], [-0.3]], requires_grad=True)
    loss = grpo.grpo_loss(logprobs, torch.zeros(4, 1), torch.ones(4, 1), torch.tensor([1.0, -1.0, 1.0, -1.0]))
    (gradient,) = torch.autograd.grad(loss, logprobs)
    assert [bool(g) for g in gradient.flatten()] == [False, True, True, False]


def test_padding_on_either_side_changes_no_probability(base: Any) -> None:
    model, tokenizer = base
    examples = [sft.encode(tokenizer, row) for row in ROWS[:5]]
    sums = []
    for batch_of in (sft.batch_of, grpo.batch_of):
        ids, mask, learned = batch_of(examples, tokenizer.pad_token_id)
        sums.append((sft.token_logprobs(model, ids, mask) * learned[:, 1:]).sum(1))
    assert torch.allclose(sums[0], sums[1], atol=1e-3)


@pytest.mark.slow
def test_both_loops_run_on_the_embedded_base(capsys: pytest.CaptureFixture[str]) -> None:
    sft.main(steps=2, batch_size=4)
    grpo.main(warm_up=1, steps=2, batch_size=2, group=2, rank=4)
    printed = capsys.readouterr().out
    assert "step 2/2, loss " in printed
    assert "step 2/2, reward " in printed
