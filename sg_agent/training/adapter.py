"""Saves a trained adapter so that there is either none or one that has passed the round trip, with its passport."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sg_agent.rows import Row
from sg_agent.training.data import spread
from sg_agent.training.passport import round_trip
from sg_agent.training.run_dir import write_whole

if TYPE_CHECKING:
    from peft import PeftModel

ROUND_TRIP_PROMPTS = 16


def save_adapter(trained: "PeftModel", passport: dict[str, Any], out: Path, rows: Sequence[Row]) -> Path:
    """The adapter of `trained` as `out`/adapter, its passport beside it. `rows` give the prompts to compare on.

    Raises RunError, and leaves no `out`/adapter, when what was saved does not behave as what was trained.
    """
    base = str(passport["recipe"]["base"])
    partial, adapter = out / "adapter.partial", out / "adapter"
    shutil.rmtree(partial, ignore_errors=True)
    trained.peft_config["default"].base_model_name_or_path = base  # not a path of this machine
    trained.save_pretrained(str(partial))
    write_whole(partial / "passport.json", passport)
    round_trip(trained, base, partial, spread(rows, ROUND_TRIP_PROMPTS))
    shutil.rmtree(adapter, ignore_errors=True)
    return partial.rename(adapter)
