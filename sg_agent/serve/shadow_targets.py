"""Who answers shadows: the graphs of both routes over the server's models, with throttles of their own.

So a provider that refuses a shadow makes no user wait, and is not asked again. What fails has no fallback.
"""

from collections.abc import Iterator

from langchain_core.language_models import BaseChatModel

from sg_agent.gate.decision import GateRoute
from sg_agent.gate.live import ARMS as ROUTES
from sg_agent.metered import MeteredModel
from sg_agent.models import model_name
from sg_agent.prices import Prices
from sg_agent.serve.arms import ARMS, Models, Parts, Target
from sg_agent.serve.config import ServeConfig
from sg_agent.throttle import Throttle


def shadow_targets(
    config: ServeConfig, models: Models, prices: Prices | None, *, most: int
) -> Iterator[tuple[tuple[str, GateRoute], Target]]:
    """A target for every solver and route; at most `most` calls to a hosted model at a time."""
    guide = _apart(models.guide, most)
    for name, solver in models.solvers.items():
        own = _apart(solver, most)
        parts = Parts(guide, own, None, config.guidance_within_s, prices)
        for route, arm in ROUTES.items():
            graph = ARMS[arm](parts).compile(name=arm)
            yield (name, route), Target(f"{arm}/{name}", arm, 1, name, own, graph)


def _apart(model: BaseChatModel, most: int) -> BaseChatModel:
    if not isinstance(model, MeteredModel):
        return model
    return model.model_copy(update={"throttle": Throttle(model_name(model), most, patience_s=0)})
