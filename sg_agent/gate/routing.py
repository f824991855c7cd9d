"""What the arm `auto` decides by, as flags and config files give it: a policy, a gate's file, a stronger solver."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import BaseChatModel

from sg_agent.errors import ConfigError
from sg_agent.gate.gate import load_gate
from sg_agent.gate.named import named_policy
from sg_agent.gate.policy import Learned, Policy, WithinBudget
from sg_agent.gate.signals import GuideSignals
from sg_agent.models import Model, fingerprint, model_name

if TYPE_CHECKING:
    from sg_agent.local import LocalChatModel


@dataclass(frozen=True)
class Routing:
    """A policy, ready or as `sg_agent.gate.named` reads it, a fitted gate's file and a stronger solver, which an eval's
    arm `stronger` asks alone.
    """

    policy: str | Policy | None = None
    gate: str | Path | None = None
    stronger: Model | None = None

    @property
    def given(self) -> list[str]:
        """The names of what is given."""
        return [name for name, value in vars(self).items() if value is not None]

    def check(self, arms: Iterable[str]) -> None:
        """Raise ConfigError when something is given and no arm of these uses it."""
        asked = {arm.partition("@")[0] for arm in arms}
        for name in self.given:
            deciding = ("auto", "stronger") if name == "stronger" else ("auto",)
            if asked.isdisjoint(deciding):
                said = f"--{name} is for the arm {' or '.join(deciding)}, which is not asked for"
                raise ConfigError(f"{said}; leave it out or add the arm")

    def read(self) -> Policy:
        """The policy, not yet checked against models. Raises ConfigError for what is none."""
        return self.policy if not isinstance(self.policy, str | None) else named_policy(self.policy, self.gate)

    def identity(self) -> dict[str, Any]:
        """What of it decides results, by name; empty when nothing is given."""
        named = {
            "policy": self.policy if isinstance(self.policy, str | None) else repr(self.policy),
            "gate_sha256": None
            if self.gate is None
            else hashlib.sha256(load_gate(self.gate).model_dump_json(exclude={"reference"}).encode()).hexdigest()[:12],
            "stronger": model_name(self.stronger) if isinstance(self.stronger, BaseChatModel) else self.stronger,
            "stronger_sha256": None if self.stronger is None else fingerprint(self.stronger),
        }
        return {name: value for name, value in named.items() if value is not None}


def with_signals(policy: Policy, guide: BaseChatModel) -> Policy:
    """A gate that was fitted with what its guide knows is given that; lacking it, it says so and leaves all guided."""
    fitted = policy.gate.passport.signals if isinstance(policy, Learned | WithinBudget) and policy.gate else None
    if fitted is None or not hasattr(guide, "weights"):
        return policy
    signals = GuideSignals(cast("LocalChatModel", guide))
    return replace(policy, signals=signals) if signals.name == fitted else policy  # type: ignore[type-var]
