"""A run directory: what was asked (config.json, rows.jsonl), what came back (results.jsonl, logs/), what it shows.

It is continued or refused, never overwritten. Whoever writes to it holds the lock of results.jsonl.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from sg_agent.errors import ConfigError
from sg_agent.evals.arms import joined_names
from sg_agent.files import check_writable, partial_of, write_whole
from sg_agent.rows import Row
from sg_agent.versions import package_versions, revision

PACKAGES = ("sg-agent", "inspect-ai", "langgraph", "langchain-core", "transformers", "peft", "torch", "scipy")


@dataclass(frozen=True)
class RunDir:
    """The directory's files."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def rows(self) -> Path:
        return self.path / "rows.jsonl"

    @property
    def results(self) -> Path:
        return self.path / "results.jsonl"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def spend(self) -> Path:
        return self.path / "spend.json"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def html(self) -> Path:
        return self.path / "report.html"

    @property
    def markdown(self) -> Path:
        return self.path / "report.md"

    @property
    def arms_csv(self) -> Path:
        return self.path / "report.csv"

    @property
    def questions_csv(self) -> Path:
        return self.path / "questions.csv"


class RunRecord(BaseModel):
    """config.json: the run's identity, and by whom, how and on what it was continued.

    Oldest first, without doubles: `arms`, `commands` (command lines) and the code `revisions` that results may come
    from. `versions` are the packages of the last start.
    """

    config: dict[str, Any]
    arms: list[str]
    revisions: list[str]
    versions: dict[str, str] = {}
    commands: list[str] = []


def claim_run_dir(path: Path) -> RunDir:
    """Make the directory, or take the one that is there. Raises ConfigError as `check_run_dir`."""
    run_dir = check_run_dir(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"run directory {str(path)!r} cannot be made: {error.strerror}") from error
    return run_dir


def check_run_dir(path: Path) -> RunDir:
    """Raise ConfigError for a folder of something else, and where nothing can be written. Makes nothing."""
    check_writable(path, "run directory")
    run_dir = RunDir(path)
    if path.exists() and not _is_run_dir(run_dir):
        raise ConfigError(f"{str(path)!r} exists and is no run directory; use another --out")
    return run_dir


def record_run(
    run_dir: RunDir, identity: dict[str, Any], rows: Sequence[Row], *, arms: Sequence[str], command: str
) -> None:
    """Write down what is about to be asked. Call it with the lock of results.jsonl held.

    Raises ConfigError, with the difference, when the directory holds a run of another identity.
    """
    now = revision()
    earlier = earlier_run(run_dir, identity) or RunRecord(config=identity, arms=[], revisions=[])
    record = RunRecord(
        config=identity,
        arms=list(joined_names(earlier.arms, arms, repr(str(run_dir.path)))),
        revisions=[*(commit for commit in earlier.revisions if commit != now), now],
        versions=package_versions(PACKAGES),
        commands=[*(line for line in earlier.commands if line != command), command],
    )
    write_whole(run_dir.config, record.model_dump_json(indent=2) + "\n")
    if not run_dir.rows.is_file():
        write_whole(run_dir.rows, "".join(row.model_dump_json(exclude_none=True) + "\n" for row in rows))


def earlier_run(run_dir: RunDir, identity: dict[str, Any]) -> RunRecord | None:
    """What the directory records of earlier runs, None of a new one.

    Raises ConfigError, with the difference, when it holds a run of another identity.
    """
    before = read_record(run_dir) if run_dir.config.is_file() else None
    if before and (changed := difference(before.config, identity)):
        raise ConfigError(
            f"{str(run_dir.path)!r} holds another run: {changed}; use another --out, or the same settings"
        )
    return before


def read_record(run_dir: RunDir) -> RunRecord:
    """What config.json holds. Raises ConfigError when the folder has none or it is damaged."""
    if not run_dir.config.is_file():
        raise ConfigError(f"{str(run_dir.path)!r} is no run directory of `sg-agent eval`: it has no config.json")
    try:
        return RunRecord.model_validate_json(run_dir.config.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{str(run_dir.config)!r} is damaged: {where} {first['msg']}; use another --out") from error


def read_rows(run_dir: RunDir) -> tuple[Row, ...]:
    """The questions of the run, in the order asked. Raises ConfigError when they were not kept or are damaged."""
    if not run_dir.rows.is_file():
        raise ConfigError(
            f"{str(run_dir.path)!r} has no rows.jsonl; the run's own eval command writes it, asking nothing"
        )
    rows: list[Row] = []
    for number, line in enumerate(run_dir.rows.read_bytes().splitlines(), 1):
        try:
            rows.append(Row.model_validate_json(line))
        except ValidationError as error:
            raise ConfigError(f"{run_dir.rows}:{number}: not a row: {error.errors()[0]['msg']}") from error
    return tuple(rows)


def _is_run_dir(run_dir: RunDir) -> bool:
    """Whether the folder is a run's, or empty, or all there is was left by a run that ended as it began."""
    if not run_dir.path.is_dir():
        return False
    left = {entry.name for entry in run_dir.path.iterdir() if entry != run_dir.results or entry.stat().st_size}
    return run_dir.config.is_file() or left <= {partial_of(run_dir.config).name}


def difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """In words, the keys whose values differ, with both values; empty when none does."""
    keys = [*now, *(key for key in before if key not in now)]
    changed = [key for key in keys if before.get(key) != now.get(key)]
    return ", ".join(f"{key} was {before.get(key)!r} and is now {now.get(key)!r}" for key in changed)
