"""The files of a teach run, all beside --out plans.jsonl, and what they were made from.

plans.jsonl            rows that passed every filter, with guidance and provenance
plans.rejected.jsonl   rows that did not, with the filter and the reason
plans.calls.jsonl      every reply that was paid for, of teacher and verifying solver
plans.batches.jsonl    with --batch: what was submitted
plans.run.json         what the run is made from; the same again continues it, anything else is refused
"""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from sg_agent.errors import ConfigError, WriteError
from sg_agent.evals.run_dir import difference
from sg_agent.versions import package_versions, revision

PACKAGES = ("sg-agent", "langgraph", "langchain-core", "langchain-openai", "openai", "transformers", "torch")


@dataclass(frozen=True)
class TeachFiles:
    """Where everything is."""

    kept: Path

    @property
    def rejected(self) -> Path:
        return self.kept.with_suffix(".rejected.jsonl")

    @property
    def calls(self) -> Path:
        return self.kept.with_suffix(".calls.jsonl")

    @property
    def batches(self) -> Path:
        return self.kept.with_suffix(".batches.jsonl")

    @property
    def run(self) -> Path:
        return self.kept.with_suffix(".run.json")


class TeachRecord(BaseModel):
    """run.json. `run` names the run at the provider's; `unrecorded_usd` paid for calls whose replies never came."""

    config: dict[str, Any]
    run: str
    revisions: list[str] = []
    versions: dict[str, str] = {}
    commands: list[str] = []
    unrecorded_usd: float = 0.0


def check_out(files: TeachFiles, identity: dict[str, Any]) -> TeachRecord | None:
    """What is recorded of earlier runs, None of a new one. Writes nothing.

    Raises ConfigError for a file of something else and, with the difference, for one made from something else.
    """
    if not files.run.is_file():
        if files.kept.exists() and (not files.kept.is_file() or files.kept.stat().st_size):
            raise ConfigError(
                f"--out {str(files.kept)!r} exists and is no output of teach: it has no {files.run.name} beside it; "
                "use another --out"
            )
        return None
    try:
        before = TeachRecord.model_validate_json(files.run.read_bytes())
    except ValidationError as error:
        raise ConfigError(f"{str(files.run)!r} is damaged: {error.errors()[0]['msg']}; use another --out") from error
    # As JSON gives it back, so that only real differences count.
    if changed := difference(before.config, json.loads(json.dumps(identity))):
        raise ConfigError(f"{str(files.kept)!r} was made from something else: {changed}; use another --out")
    return before


def claim(files: TeachFiles, identity: dict[str, Any], command: str) -> TeachRecord:
    """Write down what is about to be taught. Call it with the lock of `files.kept` held. Raises as `check_out`."""
    before = check_out(files, identity) or TeachRecord(config=identity, run=uuid.uuid4().hex)
    now = revision()
    record = before.model_copy(
        update={
            "revisions": [*(commit for commit in before.revisions if commit != now), now],
            "versions": package_versions(PACKAGES),
            "commands": [*(line for line in before.commands if line != command), command],
        }
    )
    write_record(files, record)
    return record


def write_record(files: TeachFiles, record: TeachRecord) -> None:
    """All of it or nothing. Raises WriteError when the disk does not take it."""
    partial = files.run.with_suffix(".partial")
    try:
        partial.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
        partial.replace(files.run)
    except OSError as error:
        raise WriteError(f"{str(files.run)!r} could not be written: {error.strerror or error}") from error
