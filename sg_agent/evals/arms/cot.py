"""`cot`: what the solver does when it may think, the baseline that guidance has to beat."""

from sg_agent import graphs
from sg_agent.evals.arms.arm import Arm, Setup


def cot(setup: Setup) -> Arm:
    """The solver thinks step by step. Controls for thinking longer, without any guide."""
    return Arm(
        "cot", (setup.solver,), lambda load: graphs.cot(load(setup.solver), **setup.calls(load)), phases=("cot",)
    )
