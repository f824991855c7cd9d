"""`self_plan`: planning without a guide."""

from sg_agent.evals.arms.arm import Arm, Setup
from sg_agent.evals.arms.guided import guided_by


def self_plan(setup: Setup) -> Arm:
    """The solver writes its own plan by the guide's prompt, through the same gate, and answers with it.

    Controls for planning first: what `guided` brings beyond this comes from the guide and not from the two steps.
    """
    return guided_by(setup.solver, setup, "self_plan", control=True)
