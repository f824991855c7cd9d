"""What all requests of one process share."""

import os
from pathlib import Path

from sg_agent.prices import Prices
from sg_agent.serve.admission import Admission
from sg_agent.serve.answered import AnsweredIds
from sg_agent.serve.arms import Models
from sg_agent.serve.config import ServeConfig
from sg_agent.serve.drift import Drift
from sg_agent.serve.limits import Places
from sg_agent.serve.metrics import Metrics
from sg_agent.serve.shadow import Shadows
from sg_agent.serve.shadow_check import check_budget


class Service:
    """Models, limits and counters. Raises UserError for what cannot be loaded or kept."""

    def __init__(self, config: ServeConfig) -> None:
        self.config = config
        prices = Prices.load(config.prices) if config.prices else None
        check_budget(config)
        self.models = Models(config, prices)
        self.admission = Admission(config.keys, config.usage, self.models, prices) if config.keys else None
        self.places, self.metrics = Places(config.max_concurrency), Metrics(self.models)
        self.shadows = Shadows(config, self.models, prices, self.places, self.metrics) if config.shadow else None
        self.drift = Drift(self.models, self.metrics)
        self.answered = AnsweredIds(_ids(config))

    async def close(self) -> None:
        """Nothing is asked any more."""
        if self.shadows:
            await self.shadows.close()
        await self.models.close()
        self.answered.close()


def _ids(config: ServeConfig) -> Path | None:
    """Where the ids of answers are kept: with what is kept of them, else in the folder that workers share, if any."""
    shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR") if config.workers > 1 else None
    folder = config.shadow.out if config.shadow else Path(shared) if shared else None
    return folder and folder / "answered.sqlite"
