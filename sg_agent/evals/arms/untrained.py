"""`untrained`: the guide as it was before it was trained."""

from sg_agent.errors import ConfigError
from sg_agent.evals.arms.arm import Arm, Setup
from sg_agent.evals.arms.guided import guided_by
from sg_agent.models import Model


def untrained(setup: Setup) -> Arm:
    """`guided` with the guide's base in place of the guide. Controls for the guide's training: what any small model's
    guidance would have done.
    """
    return guided_by(base_of(setup.guide), setup, "untrained", control=True)


def base_of(guide: Model) -> str:
    """The spec of the guide's base model, without its adapter. Raises ConfigError when there is none to tell."""
    if guide == "embedded:guide":
        return "embedded:solver"
    if isinstance(guide, str) and guide.startswith("local:") and "@" in guide:
        return guide.rsplit("@", 1)[0]
    shown = guide if isinstance(guide, str) else type(guide).__name__
    raise ConfigError(
        f"arm 'untrained' needs a guide with an adapter, not {shown!r}; accepted: embedded:guide, local:BASE@ADAPTER"
    )
