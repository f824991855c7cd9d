"""`auto`: a policy decides per question who answers."""

from sg_agent.evals.arms.arm import Arm, Load, Setup
from sg_agent.gate.policy import Models
from sg_agent.gate.routing import with_signals
from sg_agent.graphs.auto import auto_graph
from sg_agent.graphs.build import Calls, Graph


def auto(setup: Setup) -> Arm:
    """Guided, direct or escalated, as `setup.routing` says; the policy is checked against the models here."""
    routing = setup.routing
    policy = routing.read()
    policy.check(Models(setup.guide, setup.solver, routing.stronger))

    def graph(load: Load) -> Graph:
        guide = load(setup.guide)
        stronger = None if routing.stronger is None else load(routing.stronger)
        calls = Calls(**setup.calls(load))
        return auto_graph(guide, load(setup.solver), calls, policy=with_signals(policy, guide), stronger=stronger)

    models = (setup.guide, setup.solver, *([] if routing.stronger is None else [routing.stronger]))
    return Arm("auto", models, graph)
