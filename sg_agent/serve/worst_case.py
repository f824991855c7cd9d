"""What a request can cost at most: a token per byte, which no tokenizer exceeds, the longest replies, every try."""

from langchain_core.language_models import BaseChatModel

from sg_agent.budget import longest_reply
from sg_agent.graphs.model_node import TRIES
from sg_agent.graphs.nodes import DRAFTS
from sg_agent.ledger import in_process, price, usage_of
from sg_agent.prices import Prices
from sg_agent.serve.answering import Ask
from sg_agent.serve.arms import Models
from sg_agent.serve.errors import bad_request

AROUND_A_CALL = 16_384  # tokens of templates and guidance, generously


def worst_usd(ask: Ask, body_bytes: int, models: Models, prices: Prices | None) -> float:
    """US dollars, models of unknown price left out. Raises ApiError for a reply without a bound."""
    settings, read, worst = ask.settings, body_bytes + AROUND_A_CALL, 0.0
    worst += settings.attempts * TRIES * _reply_usd(ask.target.solver, ask, read, prices)
    if ask.target.falls_back and models.fallback:  # it is tried once
        worst += settings.attempts * _reply_usd(models.fallback, ask, read, prices)
    if ask.target.escalates and models.stronger:
        worst += TRIES * _reply_usd(models.stronger, ask, read, prices)
    if ask.target.guided:
        guide = price(models.guide, usage_of(read, settings.guide_max_tokens), prices=prices)
        worst += DRAFTS * TRIES * (guide or 0.0)
    return worst


def _reply_usd(solver: BaseChatModel, ask: Ask, read: int, prices: Prices | None) -> float:
    if (most := ask.settings.max_tokens or longest_reply(solver)) is None and not in_process(solver):
        raise bad_request("give max_tokens: this key has a spend limit, which needs a bound", param="max_tokens")
    return price(solver, usage_of(read, most or 0), prices=prices) or 0.0
