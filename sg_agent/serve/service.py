"""What all requests of one process share."""

from sg_agent.prices import Prices
from sg_agent.serve.admission import Admission
from sg_agent.serve.arms import Models
from sg_agent.serve.config import ServeConfig
from sg_agent.serve.limits import Gate
from sg_agent.serve.metrics import Metrics


class Service:
    """Models, limits and counters. Raises UserError for what cannot be loaded or kept."""

    def __init__(self, config: ServeConfig) -> None:
        self.config = config
        prices = Prices.load(config.prices) if config.prices else None
        self.models = Models(config, prices)
        self.admission = Admission(config.keys, config.usage, self.models, prices) if config.keys else None
        self.gate, self.metrics = Gate(config.max_concurrency), Metrics(self.models)
