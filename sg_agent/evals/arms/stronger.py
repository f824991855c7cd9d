"""`stronger`: the stronger solver alone, what an arm that spares it is measured from."""

from sg_agent import graphs
from sg_agent.errors import ConfigError
from sg_agent.evals.arms.arm import Arm, Setup


def stronger(setup: Setup) -> Arm:
    """The stronger solver thinks step by step, as the arm `auto` asks it, on every question. Controls for paying more
    instead of guiding: a baseline. Raises ConfigError without a stronger solver.
    """
    model = setup.routing.stronger
    if model is None:
        raise ConfigError("arm 'stronger' needs --stronger: the solver to ask alone")
    return Arm("stronger", (model,), lambda load: graphs.cot(load(model), prices=setup.prices), phases=("cot",))
