"""`standard`: what the solver does by itself at once, the floor that every other arm is measured from."""

from sg_agent import graphs
from sg_agent.evals.arms.arm import Arm, Setup


def standard(setup: Setup) -> Arm:
    """The solver answers at once. Controls for nothing: a baseline."""
    return Arm(
        "standard",
        (setup.solver,),
        lambda load: graphs.standard(load(setup.solver), **setup.calls(load)),
        phases=("standard",),
    )
