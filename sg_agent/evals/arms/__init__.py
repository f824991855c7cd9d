"""The arms of an eval: the ways to answer a question, and the controls that say what made the difference.

An arm is a function from the `Setup` to an `Arm`; it refuses here, before any model is loaded, what it cannot run on.
To add one, write it in a small file of its own and name it in ARMS. Every arm asks a guide by itself, so that its
cost and latency are what it takes alone; at temperature 0 arms with the same guide see the same guidance.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from sg_agent.errors import ConfigError
from sg_agent.evals.arms.arm import Arm, Load, Setup, question_input
from sg_agent.evals.arms.auto import auto
from sg_agent.evals.arms.cot import cot
from sg_agent.evals.arms.gold import oracle, placebo
from sg_agent.evals.arms.guide_alone import guide_alone
from sg_agent.evals.arms.guided import guided
from sg_agent.evals.arms.leak import leak
from sg_agent.evals.arms.names import ArmName, joined_names, parse_name, shown_name
from sg_agent.evals.arms.own import own
from sg_agent.evals.arms.self_plan import self_plan
from sg_agent.evals.arms.standard import standard
from sg_agent.evals.arms.stronger import stronger
from sg_agent.evals.arms.untrained import untrained
from sg_agent.gate.routing import Routing

__all__ = [
    "ARMS", "BASELINES", "EMBEDDED", "Arm", "Load", "Setup", "asks_solver", "is_control", "joined_names", "make_arms",
    "question_input", "shown_name",
]  # fmt: skip

ARMS: dict[str, Callable[[Setup], Arm]] = {
    "standard": standard,
    "cot": cot,
    "guided": guided,
    "auto": auto,
    "stronger": stronger,
    "untrained": untrained,
    "self_plan": self_plan,
    "guide_alone": guide_alone,
    "leak": leak,
    "oracle": oracle,
    "placebo": placebo,
}
BASELINES = ("stronger", "standard", "cot")
EMBEDDED = Setup((), "embedded:guide", "embedded:solver")
ROUTED = replace(EMBEDDED, routing=Routing(stronger="openai:stronger"))  # any setup that every arm can be made of


def make_arms(typed: Sequence[str], setup: Setup) -> list[Arm]:
    """The named arms, in that order; graphs of the user's own are imported, no model is loaded.

    Raises ConfigError for an unknown arm, one named twice, none at all, and what cannot run on these rows and models.
    """
    names = [parse_name(name) for name in typed]
    _check(names)
    return [_make(name, setup) for name in names]


def is_control(shown: str) -> bool:
    """Whether results by that name are a control's (see `Arm`). A graph of the user's own is none."""
    arm = ARMS.get(shown.partition("@")[0])
    return arm is not None and arm(ROUTED).control


def asks_solver(shown: str) -> bool:
    """Whether in results by that name the solver answers. Whom a graph of the user's own asks is not known."""
    arm = ARMS.get(shown.partition("@")[0])
    return arm is not None and ROUTED.solver in arm(ROUTED).models


def _check(names: list[ArmName]) -> None:
    accepted = f"{', '.join(ARMS)}, each also as ARM@K, or NAME=package.module:graph"
    if not names:
        raise ConfigError(f"no arm given; accepted: {accepted}")
    shown = [name.shown for name in names]
    for name in names:
        if name.path is None and name.arm not in ARMS:
            raise ConfigError(f"unknown arm {name.typed!r}; accepted: {accepted}")
        if name.path is not None and name.arm in ARMS:
            raise ConfigError(f"arm {name.typed!r}: {name.arm!r} is a built-in arm; choose another name")
        if shown.count(name.shown) > 1:
            raise ConfigError(f"arm {name.shown!r} is named twice")


def _make(name: ArmName, setup: Setup) -> Arm:
    if name.path is not None:
        return own(name.shown, name.path, prices=setup.prices)
    return replace(ARMS[name.arm](setup), name=name.shown, attempts=name.attempts)
