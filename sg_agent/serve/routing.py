"""The arm `auto` as it is served: for which solvers it is offered."""

from dataclasses import dataclass, field

from sg_agent.errors import ConfigError, ModelError
from sg_agent.gate.policy import Learned, Policy
from sg_agent.gate.policy import Models as Routes
from sg_agent.serve.config import ServeConfig


@dataclass(frozen=True)
class Offer:
    """The operator's policy. `refused` says, by solver, why it cannot decide for that one."""

    policy: Policy
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def watched(self) -> bool:
        """Whether there is something to compare live questions with."""
        return isinstance(self.policy, Learned) and self.policy.gate.reference is not None


def auto_offer(config: ServeConfig) -> Offer | None:
    """What there is of the arm `auto`; None where nothing was given to decide by. Loads no weights.

    Raises ConfigError or ModelError for what cannot be used, a gate that fits none of the solvers, and one that does
    not fit all of them where `auto` is the arm of bare names.
    """
    if not config.routing.given:
        if config.arm == "auto":
            raise ConfigError("--arm auto needs something to decide by: give --policy or --gate")
        return None
    offer = Offer(config.routing.read())
    unfit: list[ModelError] = []
    for name, solver in config.solvers.items():
        try:
            offer.policy.check(Routes(config.guide, solver, config.routing.stronger))
        except ModelError as error:
            unfit.append(error)
            offer.refused[name] = str(error)
    if unfit and (len(unfit) == len(config.solvers) or config.arm == "auto"):
        raise unfit[0]
    return offer
