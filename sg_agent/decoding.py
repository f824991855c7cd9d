"""How the local model picks the next token and turns tokens into text: sampling settings, sampling, streaming text."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from torch import Tensor
from transformers import PreTrainedTokenizerBase

StopString = Annotated[str, StringConstraints(min_length=1)]

# A character is at most 4 bytes, so at most 4 tokens: what is still broken after 8 is not a character.
MAX_BROKEN_TOKENS = 8


class Sampling(BaseModel):
    """The settings of one request. Temperature 0 is greedy; without a seed every call draws anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int | None = None
    stop: list[StopString] | None = None
    max_tokens: int | None = Field(default=None, ge=1)

    def generator(self) -> torch.Generator:
        """The request's own stream of random numbers: on the CPU, so that no device and no neighbour changes it."""
        generator = torch.Generator()
        if self.seed is None:
            generator.seed()
        else:
            # Any integer is a seed to our callers, torch takes 64 bits.
            generator.manual_seed(self.seed % 2**64)
        return generator


class Chosen(NamedTuple):
    """A token, and its natural log-probability: by the model itself, whatever the temperature."""

    token: int
    logprob: float


def choose(logits: Tensor, samplings: Sequence[Sampling], generators: Sequence[torch.Generator]) -> list[Chosen]:
    """The next token of every row of logits (batch, vocabulary), each by its own settings."""
    tokens = logits.argmax(-1)
    drawn = [i for i, sampling in enumerate(samplings) if sampling.temperature > 0]
    if drawn:
        chosen = torch.tensor(drawn, device=logits.device)
        tokens[chosen] = _draw(logits[chosen], [samplings[i] for i in drawn], [generators[i] for i in drawn])
    logits = logits.float()
    logprobs = logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(-1)
    return [Chosen(int(token), float(one)) for token, one in zip(tokens.tolist(), logprobs.tolist(), strict=True)]


def _draw(logits: Tensor, samplings: Sequence[Sampling], generators: Sequence[torch.Generator]) -> Tensor:
    """One uniform number per row against the row's cumulative distribution, in token order and float64.

    So the rounding differences that a batch makes move the result of a draw only with a chance of their own size.
    """

    def column(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=logits.device).unsqueeze(-1)

    probs = (logits.double() / column([s.temperature for s in samplings])).softmax(-1)
    if any(sampling.top_p < 1 for sampling in samplings):
        probs = _nucleus(probs, column([s.top_p for s in samplings]))
    cumulative = probs.cumsum(-1)
    uniform = column([float(torch.rand((), generator=g, dtype=torch.float64)) for g in generators])
    tokens = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    return tokens.clamp(max=probs.shape[-1] - 1).squeeze(-1)


def _nucleus(probs: Tensor, top_p: Tensor) -> Tensor:
    """The likeliest tokens that reach top_p together; all others get probability 0. The sum is left below 1."""
    ordered, order = torch.sort(probs, dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(probs).scatter(-1, order, ordered.where(before < top_p, 0.0))


class TextStream:
    """Tokens in, text out: only whole characters leave, and nothing that may turn out to begin a stop string."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: Sequence[str]) -> None:
        self.tokenizer, self.stop = tokenizer, stop
        self.tokens: list[int] = []
        self.stopped = False
        self._held = ""
        # Decoded from a token before the new ones: some tokenizers decide about a space by what precedes it.
        self._start, self._read, self._known = 0, 0, ""

    def push(self, token: int) -> str:
        """The text that can leave after one more token. Sets `stopped` when a stop string is complete."""
        self.tokens.append(token)
        text = self._decode(self._start)
        if text.endswith("\N{REPLACEMENT CHARACTER}") and len(self.tokens) - self._read < MAX_BROKEN_TOKENS:
            return ""
        new = text[len(self._known) :]
        self._start, self._read = self._read, len(self.tokens)
        self._known = self._decode(self._start)
        return self._release(new)

    def close(self) -> str:
        """The text that was still held back; call once, after the last token."""
        if self.stopped:
            return ""
        released = self._release(self._decode(self._start)[len(self._known) :])
        return released if self.stopped else released + self._held

    def _decode(self, start: int) -> str:
        return str(
            self.tokenizer.decode(self.tokens[start:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    def _release(self, new: str) -> str:
        text = self._held + new
        ends = [at for at in (text.find(stop) for stop in self.stop) if at >= 0]
        if ends:
            self.stopped = True
            return text[: min(ends)]
        held = max((n for stop in self.stop for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]
