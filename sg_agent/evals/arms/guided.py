"""`guided`: what is measured. Other arms are the same graph over another guide."""

from sg_agent import graphs
from sg_agent.evals.arms.arm import Arm, Setup
from sg_agent.models import Model


def guided(setup: Setup) -> Arm:
    """The guide writes guidance, the solver answers with it."""
    return guided_by(setup.guide, setup, "guided")


def guided_by(guide: Model, setup: Setup, name: str, *, control: bool = False) -> Arm:
    """The guided graph with `guide` in the place of the guide."""
    return Arm(
        name,
        (guide, setup.solver),
        lambda load: graphs.guided(load(guide), load(setup.solver), **setup.calls(load)),
        control=control,
    )
