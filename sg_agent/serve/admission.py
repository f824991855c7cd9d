"""Who may ask, how often, and for how many dollars. Without a file of keys everybody may, on the loopback only."""

from pathlib import Path

from langchain_core.language_models import BaseChatModel

from sg_agent.budget import longest_reply
from sg_agent.errors import ConfigError
from sg_agent.ledger import in_process, price, usage_of
from sg_agent.models import model_name
from sg_agent.prices import Prices
from sg_agent.serve.answering import Ask
from sg_agent.serve.arms import Models
from sg_agent.serve.errors import bad_request
from sg_agent.serve.keys import Key, find_key, load_keys
from sg_agent.serve.spending import Charge, Spending

AROUND_A_CALL = 16_384  # tokens of templates and guidance, generously
DRAFTS = 2


class Admission:
    """The keys of a server. Raises ConfigError for a file that cannot be used, or a limit that cannot be kept."""

    def __init__(self, keys: Path, usage: Path | None, models: Models, prices: Prices | None) -> None:
        self._keys, self._models, self._prices = load_keys(keys), models, prices
        if any(key.spends_within for key in self._keys):
            for _, model in models.each:
                _check_priced(model, prices)
        self.spending = Spending(usage or keys.with_name(f"{keys.name}.usage.sqlite"))

    def known(self, authorization: str | None) -> Key:
        """The key of a request. Raises ApiError."""
        return find_key(self._keys, authorization)

    def charge(self, key: Key, ask: Ask, body_bytes: int) -> Charge | None:
        """What the request may cost at most, charged to a key with a limit. Raises ApiError when it is spent."""
        return self.spending.charge(key, self._worst_usd(ask, body_bytes)) if key.spends_within else None

    def _worst_usd(self, ask: Ask, body_bytes: int) -> float:
        """A token per byte, which no tokenizer exceeds; as many tokens as the replies may have."""
        settings, read, worst = ask.settings, body_bytes + AROUND_A_CALL, 0.0
        for solver in filter(None, (ask.target.solver, self._models.fallback)):
            worst += settings.attempts * self._reply_usd(solver, ask, read)
        if ask.target.escalates and (stronger := self._models.stronger):
            worst += self._reply_usd(stronger, ask, read)
        if ask.target.guided:
            guide = price(self._models.guide, usage_of(read, settings.guide_max_tokens), prices=self._prices)
            worst += DRAFTS * (guide or 0.0)
        return worst

    def _reply_usd(self, solver: BaseChatModel, ask: Ask, read: int) -> float:
        if (most := ask.settings.max_tokens or longest_reply(solver)) is None and not in_process(solver):
            message = "give max_tokens: this key has a spend limit, which needs a bound"
            raise bad_request(message, param="max_tokens")
        return price(solver, usage_of(read, most or 0), prices=self._prices) or 0.0


def _check_priced(model: BaseChatModel, prices: Prices | None) -> None:
    if price(model, usage_of(1, 1), prices=prices) is None:
        raise ConfigError(
            f"a key's spend limit cannot be kept: the price of {model_name(model)!r} is unknown; give it with --prices"
        )
