"""Who may ask, how often, and for how many dollars. Without a file of keys everybody may, on the loopback only."""

from pathlib import Path

from langchain_core.language_models import BaseChatModel

from sg_agent.errors import ConfigError
from sg_agent.ledger import price, usage_of
from sg_agent.models import model_name
from sg_agent.prices import Prices
from sg_agent.serve.answering import Ask
from sg_agent.serve.arms import Models
from sg_agent.serve.keys import Key, find_key, load_keys
from sg_agent.serve.spending import Charge, Spending
from sg_agent.serve.worst_case import worst_usd


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
        if not key.spends_within:
            return None
        return self.spending.charge(key, worst_usd(ask, body_bytes, self._models, self._prices))


def _check_priced(model: BaseChatModel, prices: Prices | None) -> None:
    if price(model, usage_of(1, 1), prices=prices) is None:
        raise ConfigError(
            f"a key's spend limit cannot be kept: the price of {model_name(model)!r} is unknown; give it with --prices"
        )
