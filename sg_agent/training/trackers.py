"""Experiment trackers a recipe may report to, and the telemetry that is off unless the user turns it on."""

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from sg_agent.errors import ConfigError

TRACKERS = {"trackio": "trackio", "wandb": "wandb", "tensorboard": "tensorboard"}  # name: package
SWITCH = "HF_HUB_DISABLE_TELEMETRY"


def check_trackers(report_to: Sequence[str]) -> None:
    """Raise ConfigError for a tracker that is unknown, or whose package is not installed, with the pip command."""
    for name in report_to:
        if name not in TRACKERS:
            raise ConfigError(f"report_to: unknown tracker {name!r}; accepted: {', '.join(TRACKERS)}")
        if find_spec(TRACKERS[name]) is None:
            raise ConfigError(f"report_to: {name!r} needs a package: pip install {TRACKERS[name]}")


def disable_telemetry() -> None:
    """Keep TRL and huggingface_hub from telling a host of each run; a user's own setting of the switch is kept.

    TRL 1.16 pings when a trainer is made (trl/trainer/base_trainer.py) and has no other switch than this one, which
    huggingface_hub reads once, when it is first imported.
    """
    if SWITCH in os.environ:
        return
    os.environ[SWITCH] = "1"
    if constants := sys.modules.get("huggingface_hub.constants"):
        constants.HF_HUB_DISABLE_TELEMETRY = True  # type: ignore[attr-defined]
