"""The directory of a training run: claimed by what the run is made from, continued from its last whole checkpoint."""

import json
import shutil
from pathlib import Path
from typing import Any

from sg_agent.errors import ConfigError
from sg_agent.training.run_record import run_record

WRITTEN_LAST = "trainer_state.json"


def claim(out: Path, passport: dict[str, Any]) -> None:
    """Begin a run in `out`, or check that the one already there is made from the same.

    Raises ConfigError, with the difference, for another run's directory or a folder of something else.
    """
    path, earlier = out / "run.json", None
    if path.exists():
        earlier = json.loads(path.read_text(encoding="utf-8")).get("record")
        before, now = (_flat(json.loads(text)) for text in (path.read_text(encoding="utf-8"), json.dumps(passport)))
        changed = [f"{key}: {before.get(key)!r} -> {value!r}" for key, value in now.items() if before.get(key) != value]
        if changed:
            raise ConfigError(f"{out} holds another run ({'; '.join(changed)}); name another --out")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{str(out)!r} exists and is no training run; name another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_whole(path, {**passport, "record": run_record(earlier)})


def last_checkpoint(out: Path) -> str | None:
    """The newest checkpoint of transformers' Trainer in `out`. Those that a kill left unfinished are removed."""
    found = sorted(out.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for checkpoint in reversed(found):
        if _is_json(checkpoint / WRITTEN_LAST):
            return str(checkpoint)
        shutil.rmtree(checkpoint)
    return None


def adapter_of(guide: str) -> Path:
    """The adapter that `guide` names: a directory, or that of the run that made it."""
    path = Path(guide).expanduser()
    return path / "adapter" if (path / "adapter" / "adapter_config.json").is_file() else path


def write_whole(path: Path, content: dict[str, Any]) -> None:
    """Write JSON so that a kill leaves the old file or the new one, never a torn one."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def _flat(passport: dict[str, Any]) -> dict[str, Any]:
    """The passport with the recipe's own fields beside it, so that a difference names the field."""
    return {**passport, **passport.get("recipe", {}), "recipe": None}


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
