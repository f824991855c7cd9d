"""Models as evals ask them: each loaded once, hosted ones throttled while overloaded and paid for from a budget."""

from langchain_core.language_models import BaseChatModel

from sg_agent.budget import Budget
from sg_agent.evals.arms import Load
from sg_agent.evals.config import EvalConfig
from sg_agent.metered import metered
from sg_agent.models import Model, load_model


def loader(config: EvalConfig, budget: Budget | None = None) -> Load:
    """Loads each spec once. How guide and solver are sampled comes with each call."""
    loaded: dict[str | int, BaseChatModel] = {}

    def load(model: Model) -> BaseChatModel:
        key = id(model) if isinstance(model, BaseChatModel) else model
        if key not in loaded:
            # Whether to ask again is the throttle's business; a client's own retries would hide refusals from it.
            plain = load_model(model, max_retries=0, trust_remote_code=config.trust_remote_code)
            loaded[key] = metered(plain, most=config.answers_in_flight, budget=budget, prices=config.own_prices)
        return loaded[key]

    return load
