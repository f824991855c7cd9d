"""What models know of a question beyond its text: any object that gives named numbers, and the guide's own.

A sentence embedding is a `Signals` too. A gate fitted with signals asks for the same ones at run time.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from sg_agent.prompts import load_prompt
from sg_agent.rows import Row

if TYPE_CHECKING:
    from sg_agent.local import LocalChatModel


class Signals(Protocol):
    """`name` says what the numbers are of; it is in the gate's passport."""

    @property
    def name(self) -> str: ...

    def __call__(self, row: Row) -> Mapping[str, float]: ...


class GuideSignals:
    """The guide's last hidden state where its guidance would begin, and how likely it finds the prompt's tokens.

    A forward pass of its own over the prompt, 9 ms of CPU with the embedded guide: dearer than all else a gate looks
    at. Causal models of this process only.
    """

    def __init__(self, guide: "LocalChatModel") -> None:
        self.guide = guide

    @property
    def name(self) -> str:
        """Of the guide, whoever that is: a gate's passport knows it by its weights, wherever they lie."""
        return "guide"

    def __call__(self, row: Row) -> Mapping[str, float]:
        import torch

        weights = self.guide.weights
        tokens = self.guide.prompt_tokens(load_prompt("guide", row.task).render(row, kind=row.kind))
        tokens = tokens[: weights.window]
        network: torch.nn.Module = weights.model
        with torch.inference_mode():
            read = torch.tensor([tokens], device=weights.model.device)
            seen = network(input_ids=read, output_hidden_states=True)
            logs = seen.logits[0, :-1].float().log_softmax(-1).gather(-1, read[0, 1:, None])[:, 0]
            state = seen.hidden_states[-1][0, -1].float()
        found = {"mean_logprob": float(logs.mean()), "least_logprob": float(logs.min())}
        return {**found, **{f"state{i}": float(value) for i, value in enumerate(state.tolist())}}
