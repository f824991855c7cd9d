"""`guide_alone`: the guide without the solver."""

from sg_agent import graphs
from sg_agent.evals.arms.arm import Arm, Setup


def guide_alone(setup: Setup) -> Arm:
    """The guide's model answers by the prompt of `cot`. Controls for a guide that could do without the solver.

    The guide was trained to plan, not to answer: this is what it can do when asked, not what a small model trained to
    answer could. In the ledger it is the solver, the role it plays.
    """
    return Arm(
        "guide_alone",
        (setup.guide,),
        lambda load: graphs.cot(load(setup.guide), prices=setup.prices),
        phases=("cot",),
        control=True,
    )
