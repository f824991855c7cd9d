"""How likely a model found the tokens of its own reply: two numbers that are free, since it has just written them."""

from collections.abc import Sequence
from statistics import fmean

from langchain_core.messages import AIMessage

MEAN, LEAST = "mean_logprob", "least_logprob"


def likelihood(logprobs: Sequence[float]) -> dict[str, float]:
    """The mean and the least of the tokens' natural log-probabilities; nothing of no tokens."""
    return {MEAN: fmean(logprobs), LEAST: min(logprobs)} if logprobs else {}


def likelihood_of(reply: AIMessage) -> dict[str, float]:
    """What a reply says of itself: as a local model does, or as OpenAI's API, asked for `logprobs`; else nothing."""
    said = reply.response_metadata
    if MEAN in said:
        return {name: float(said[name]) for name in (MEAN, LEAST)}
    tokens = (said.get("logprobs") or {}).get("content") or []
    return likelihood([float(token["logprob"]) for token in tokens])
