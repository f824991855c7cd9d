"""Whether two loaded models are the same: logits on the same tokens, and what they write.

Both read prompts followed by what the first one writes, so one early difference does not become many. In float32 the
logits must agree to within TOLERANCE and the greedy texts must be equal; in 16 bits rounding alone moves both, so the
relative difference is bounded, and the share of tokens that both find likeliest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage

from sg_agent.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

    from sg_agent.local import LocalChatModel

TOLERANCE = 1e-3
RELATIVE, AGREEMENT = 0.05, 0.99


@dataclass(frozen=True)
class Agreement:
    """`max_difference` is in logits, `relative` the norm of the difference over that of the logits, `agreement` the
    share of tokens on which both have the same likeliest one. `same_text` is None where texts were not compared.
    """

    prompts: int
    tokens: int
    dtype: str
    max_difference: float
    relative: float
    agreement: float
    same_text: bool | None

    @property
    def exact(self) -> bool:
        """Whether the models compute in float32."""
        return self.dtype == "float32"


def compare(
    one: "LocalChatModel", other: "LocalChatModel", prompts: Sequence[list[BaseMessage]], *, texts: bool = True
) -> Agreement:
    """`one` against `other`, which read the same tokens; without `texts` only the logits are compared."""
    import torch

    written = [reply.text for reply in one.batch(list(prompts))]
    same = written == [reply.text for reply in other.batch(list(prompts))] if texts else None
    differences, norms, agreeing, tokens, largest = 0.0, 0.0, 0, 0, 0.0
    for prompt, text in zip(prompts, written, strict=True):
        a, b = (logits(model, one.prompt_tokens(prompt), one.get_token_ids(text)) for model in (one, other))
        apart = (a - b).abs()
        largest = max(largest, float(apart.max())) if bool(torch.isfinite(apart).all()) else float("inf")
        differences, norms = differences + float(apart.square().sum()), norms + float(a.square().sum())
        agreeing, tokens = agreeing + int((a.argmax(-1) == b.argmax(-1)).sum()), tokens + len(a)
    dtypes = {str(model.weights.model.dtype).removeprefix("torch.") for model in (one, other)}
    return Agreement(
        prompts=len(prompts),
        tokens=tokens,
        dtype=dtypes.pop() if len(dtypes) == 1 else "mixed",
        max_difference=largest,
        relative=(differences / norms) ** 0.5 if norms else float("inf"),
        agreement=agreeing / tokens,
        same_text=same,
    )


def logits(model: "LocalChatModel", prompt: list[int], reply: list[int]) -> "Tensor":
    """(len(reply) + 1, vocabulary), in float32 on the CPU: what the model expects at each token of `reply` and after.

    `reply` may be empty.
    """
    import torch

    network = model.weights.model
    with torch.inference_mode():
        if network.config.is_encoder_decoder:
            start = [int(network.config.decoder_start_token_id), *reply]
            source = torch.tensor([prompt], device=network.device)
            output = network(input_ids=source, decoder_input_ids=torch.tensor([start], device=network.device))
            return output.logits[0].float().cpu()  # type: ignore[no-any-return]
        ids = torch.tensor([[*prompt, *reply]], device=network.device)
        return network(input_ids=ids).logits[0, len(prompt) - 1 :].float().cpu()  # type: ignore[no-any-return]


def require_same(found: Agreement, one: str, other: str, *, exact: bool = True) -> None:
    """Raises RunError with the numbers when the two are not the same; not `exact` allows for rounding to 16 bits."""
    exact = exact and found.exact
    if exact and found.same_text is False:
        raise RunError(f"{one} writes other text than {other} (logits differ by up to {found.max_difference:.2g})")
    if exact and not found.max_difference <= TOLERANCE:
        raise RunError(f"{one} differs from {other} by {found.max_difference:.2g} in a logit (at most {TOLERANCE:g})")
    if not exact and (found.agreement < AGREEMENT or not found.relative <= RELATIVE):
        raise RunError(
            f"{one} differs from {other}: {found.agreement:.1%} of {found.tokens} tokens agree (at least "
            f"{AGREEMENT:.0%}), logits differ by {found.relative:.2g} of their size (at most {RELATIVE:g})"
        )


def require_change(change: Agreement, same: Agreement, one: str, base: str) -> None:
    """Raises RunError when `one` is its base: no further from it than from the model it is a copy of."""
    if not change.max_difference > max(TOLERANCE, same.max_difference):
        raise RunError(f"{one} does what {base} does: it changes nothing (logits move by {change.max_difference:.2g})")
