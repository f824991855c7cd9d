"""What a training run's run.json tells beside its identity: by which code, packages and commands it was made.

None of it decides whether a run may be continued; all of it is kept when it is.
"""

import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from sg_agent.versions import package_versions, revision

PACKAGES = (
    "sg-agent", "trl", "transformers", "peft", "accelerate", "datasets", "torch", "safetensors", "numpy", "langgraph",
    "langchain-core",
)  # fmt: skip


class RunRecord(TypedDict):
    """`started` (ISO 8601, UTC), code `revisions` and `commands`, oldest first; `versions` are of the last start."""

    started: str
    revisions: list[str]
    commands: list[str]
    versions: dict[str, str]


def run_record(earlier: dict[str, Any] | None = None) -> RunRecord:
    """The record of a run that starts now, or that continues the one whose record is `earlier`."""
    before = earlier or {}
    return {
        "started": before.get("started") or datetime.now(UTC).isoformat(timespec="seconds"),
        "revisions": _with(before.get("revisions", []), revision()),
        "commands": _with(before.get("commands", []), _command()),
        "versions": {"python": sys.version.split()[0], **package_versions(PACKAGES)},
    }


def _with(earlier: list[str], now: str) -> list[str]:
    return [*(one for one in earlier if one != now), now]


def _command() -> str:
    """The command line of this process, without the folder that its program is in."""
    program, *words = sys.orig_argv
    if words and not words[0].startswith("-"):
        program, *words = words
    return shlex.join([Path(program).name, *words])
