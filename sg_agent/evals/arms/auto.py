"""`auto`: a policy decides per question who answers."""

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from langchain_core.language_models import BaseChatModel

from sg_agent.evals.arms.arm import Arm, Load, Setup
from sg_agent.gate import GuideSignals
from sg_agent.gate.named import named_policy
from sg_agent.gate.policy import Learned, Models, Policy
from sg_agent.graphs.auto import auto_graph
from sg_agent.graphs.build import Calls, Graph

if TYPE_CHECKING:
    from sg_agent.local import LocalChatModel


def auto(setup: Setup) -> Arm:
    """Guided, direct or escalated, as `setup.routing` says; the policy is checked against the models here."""
    routing = setup.routing
    policy = (
        routing.policy if not isinstance(routing.policy, str | None) else named_policy(routing.policy, routing.gate)
    )
    policy.check(Models(setup.guide, setup.solver, routing.stronger))

    def graph(load: Load) -> Graph:
        guide = load(setup.guide)
        stronger = None if routing.stronger is None else load(routing.stronger)
        calls = Calls(**setup.calls(load))
        return auto_graph(guide, load(setup.solver), calls, policy=_with_signals(policy, guide), stronger=stronger)

    models = (setup.guide, setup.solver, *([] if routing.stronger is None else [routing.stronger]))
    return Arm("auto", models, graph)


def _with_signals(policy: Policy, guide: BaseChatModel) -> Policy:
    """A gate that was fitted with what its guide knows is given that; lacking it, it says so and leaves all guided."""
    if not isinstance(policy, Learned) or policy.gate.passport.signals is None or not hasattr(guide, "weights"):
        return policy
    signals = GuideSignals(cast("LocalChatModel", guide))
    return replace(policy, signals=signals) if signals.name == policy.gate.passport.signals else policy
