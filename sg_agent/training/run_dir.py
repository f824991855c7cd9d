"""The directory of a training run: claimed by what the run is made from, continued from its last whole checkpoint.

One process writes it (the ranks of one launch count as one): a second is refused for as long as the first lives.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sg_agent import files
from sg_agent.errors import ConfigError, RunError
from sg_agent.training.recipe import differences
from sg_agent.training.run_record import run_record

WRITTEN_LAST = "trainer_state.json"
LOCK = ".lock"
MAY_CHANGE = frozenset({"packages", "max_cost", "report_to"})
"""What a run's continuation may have otherwise than its beginning."""


def claim(out: Path, passport: dict[str, Any]) -> None:
    """Begin a run in `out`, or check that the one already there is made from the same; no other process may join.

    Raises ConfigError, with the difference, for another run's directory, a folder of something else or one in use;
    RunError where nothing can be written.
    """
    path = out / "run.json"
    if not path.exists() and out.exists() and (not out.is_dir() or any(file.name != LOCK for file in out.iterdir())):
        raise ConfigError(f"{str(out)!r} exists and is no training run; name another --out")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        _lock(out)
    earlier = _read(path) if path.exists() else {}
    if earlier and (changed := differences(_flat(earlier), _flat(json.loads(json.dumps(passport))))):
        raise ConfigError(f"{out} holds another run ({'; '.join(changed)}); name another --out")
    if int(os.environ.get("RANK", "0")) == 0:
        write_whole(path, {**passport, "record": run_record(earlier.get("record"))})


def last_checkpoint(out: Path) -> str | None:
    """The newest checkpoint of transformers' Trainer in `out`. Those that a kill left unfinished are removed."""
    for checkpoint in reversed(_checkpoints(out)):
        if _is_json(checkpoint / WRITTEN_LAST):
            return str(checkpoint)
        shutil.rmtree(checkpoint)
    return None


def kept(out: Path) -> str:
    """What a run that stops early leaves behind, in words."""
    whole = [checkpoint for checkpoint in _checkpoints(out) if _is_json(checkpoint / WRITTEN_LAST)]
    return f"the last good checkpoint is {whole[-1]}" if whole else f"there is no checkpoint in {out} yet"


def adapter_of(guide: str) -> Path:
    """The adapter that `guide` names: a directory, or that of the run that made it."""
    path = Path(guide).expanduser()
    return path / "adapter" if (path / "adapter" / "adapter_config.json").is_file() else path


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turns a disk that is full or refuses into RunError, in one line; what is there is kept."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise RunError(f"{error.filename or out} cannot be written: {reason}; {kept(out)}") from error
    except Exception as error:
        # The writers of safetensors and torch have errors of their own for a full disk.
        if not any(sign in str(error) for sign in ("No space left", "failed writing file", "I/O error")):
            raise
        raise RunError(f"{out} cannot be written: {' '.join(str(error).split())[:200]}; {kept(out)}") from error


def write_whole(path: Path, content: dict[str, Any]) -> None:
    """Write JSON so that a kill leaves the old file or the new one, never a torn one. Raises RunError."""
    with writing(path.parent):
        files.write_whole(path, json.dumps(content, indent=2) + "\n")


def _lock(out: Path) -> None:
    """Hold `out` until this process ends."""
    from filelock import FileLock, Timeout

    if int(os.environ.get("RANK", "0")) > 0:
        return
    lock = FileLock(out / LOCK, is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(
            f"{str(out)!r} is being written by another process; wait for it or name another --out"
        ) from None
    _held.append(lock)


_held: list[Any] = []


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(path)!r} is damaged: {error}; name another --out") from error
    return content


def _flat(passport: dict[str, Any]) -> dict[str, Any]:
    """The passport with the recipe's own fields beside it, so that a difference names the field."""
    flat = {**passport, **passport.get("recipe", {}), "recipe": None}
    return {key: value for key, value in flat.items() if key not in MAY_CHANGE}


def _checkpoints(out: Path) -> list[Path]:
    found = [path for path in out.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
