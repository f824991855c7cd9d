"""A budget in US dollars that parallel calls cannot overshoot: a call reserves its worst case and settles after.

The worst case is a token per byte of the prompt, which no tokenizer exceeds, and as many tokens as the reply may have.
Schemas of tools and of the reply's form are a part of the prompt.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Self

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from sg_agent.errors import BudgetSpent, ConfigError
from sg_agent.faults import unbilled
from sg_agent.ledger import in_process, price, usage_of
from sg_agent.models import model_name
from sg_agent.prices import Prices

TOKENS_AROUND_A_MESSAGE = 16  # role names and separators, generously
READ_TOO = ("tools", "functions", "response_format")  # settings of a call that the model reads as a part of its prompt


class Budget:
    """Dollars that the calls of one event loop share.

    `spent_usd` is what has been paid for, before this run included. `reserved_usd` is held by calls in flight.
    """

    def __init__(self, limit_usd: float, *, spent_usd: float = 0.0) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = spent_usd
        self.reserved_usd = 0.0
        self.exhausted = False
        self._abandoned_usd = 0.0
        self._changed = asyncio.Event()

    def payment(self, worst_usd: float) -> "Payment":
        """`async with` it around a call: holds `worst_usd` meanwhile, and pays that when nobody says that it was less.

        Waits while only calls in flight stand in the way. Raises BudgetSpent when not even their end would help.
        """
        return Payment(self, worst_usd)

    async def _reserve(self, amount: float) -> None:
        while (settled := self.spent_usd + self._abandoned_usd + amount) + self.reserved_usd > self.limit_usd:
            if settled > self.limit_usd:
                self.exhausted = True
                raise BudgetSpent(f"the next call may cost ${amount:.4f}, and ${self.left_usd:.4f} is left")
            await self._changed.wait()
        self.reserved_usd += amount

    def _settle(self, reserved: float, charged: float) -> None:
        self.reserved_usd -= reserved
        self.spent_usd += charged
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def left_usd(self) -> float:
        """What is neither spent nor lost; calls in flight may still take of it."""
        return self.limit_usd - self.spent_usd - self._abandoned_usd


class Payment:
    """What one call takes from a budget. `cost_usd` is what it cost, None as long as nobody knows.

    `begun` says that a part of the reply was received, which is paid for whatever becomes of the rest.
    """

    def __init__(self, budget: Budget, worst_usd: float) -> None:
        self.cost_usd: float | None = None
        self.begun = False
        self._budget = budget
        self._worst_usd = worst_usd

    async def __aenter__(self) -> Self:
        await self._budget._reserve(self._worst_usd)
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        charged = self._worst_usd if self.cost_usd is None else self.cost_usd
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            # Nobody will ever know what it cost: it holds its reservation to the end and is not recorded as paid.
            charged = 0.0
            self._budget._abandoned_usd += self._worst_usd
        elif isinstance(error, Exception) and not self.begun and unbilled(error):
            charged = 0.0
        self._budget._settle(self._worst_usd, charged)


def worst_case(
    model: BaseChatModel, messages: Sequence[BaseMessage], settings: dict[str, Any], *, prices: Prices | None = None
) -> float:
    """US dollars that a call can cost at most. The model must have passed `check_priced`."""
    tokens = sum(_size(message) + TOKENS_AROUND_A_MESSAGE for message in messages)
    tokens += sum(len(_json(settings[name])) for name in READ_TOO if settings.get(name))
    most = settings.get("max_tokens") or longest_reply(model)
    assert most is not None
    cost = price(model, usage_of(tokens, most), prices=prices)
    assert cost is not None
    return cost


def _size(message: BaseMessage) -> int:
    """The bytes of what a message says: its text, the calls of tools that it holds."""
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return len(message.text.encode()) + (len(_json(calls)) if calls else 0)


def _json(value: Any) -> bytes:
    """`value` as it is sent; a schema may be a class of pydantic's."""

    def plain(found: Any) -> Any:
        return found.model_json_schema() if hasattr(found, "model_json_schema") else str(found)

    return json.dumps(value, ensure_ascii=False, default=plain).encode()


def check_priced(model: BaseChatModel, *, max_tokens: int | None, prices: Prices | None = None) -> None:
    """Raise ConfigError unless the model runs here, or its calls have a price and its replies a bound."""
    if in_process(model):
        return
    if price(model, usage_of(1, 1), prices=prices) is None:
        raise ConfigError(
            f"--max-cost cannot be kept: the price of {model_name(model)!r} is unknown; give it with --prices, leave "
            "--max-cost out, or use models with a known price or in this process"
        )
    if (max_tokens or longest_reply(model)) is None:
        raise ConfigError(
            f"--max-cost cannot be kept: how long a reply of {model_name(model)!r} can be is unknown; give --max-tokens"
        )


def longest_reply(model: BaseChatModel) -> int | None:
    """The most tokens of a reply: as the model is set, else as LangChain's profile of it says."""
    most: int | None = getattr(model, "max_tokens", None) or (model.profile or {}).get("max_output_tokens")
    return most
