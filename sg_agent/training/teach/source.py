"""The questions to teach, and those that must not be taught because evals ask them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from sg_agent.errors import ConfigError, DataError
from sg_agent.evals.suites import GENERATED_LIMIT, Suite, load_suite
from sg_agent.evals.suites.public import PUBLIC
from sg_agent.row_files import read_records
from sg_agent.rows import Row, load_rows
from sg_agent.worlds import WORLDS, worked_examples

COLUMNS = ("decomposition", "plan")


@dataclass(frozen=True)
class Source:
    """The rows of one run. `eval_rows` are asked by evals; `decompositions` are what a file has beside its rows."""

    name: str
    rows: tuple[Row, ...]
    origin: str | None = None
    eval_rows: tuple[Row, ...] = ()
    decompositions: Mapping[str, Any] = field(default_factory=dict)


def load_source(
    suite: str,
    *,
    limit: int | None = None,
    seed: int = 0,
    data: str | Path | None = None,
    revision: str | None = None,
    eval_file: str | Path | None = None,
    overlap: bool = True,
) -> Source:
    """The train split of a named suite, or a file's rows; the rows of its test split and of `eval_file` if `overlap`.

    Raises what `load_suite` does, and ConfigError when the test split that must be kept out cannot be had.
    """
    taught = _taught(suite, limit, seed, data, revision)
    file = data if data is not None else suite if suite not in (*WORLDS, *PUBLIC) else None
    return Source(
        taught.name,
        taught.rows,
        taught.origin,
        _eval_rows(suite, seed, data, revision, eval_file) if overlap else (),
        _decompositions(Path(file)) if file is not None else {},
    )


def _taught(suite: str, limit: int | None, seed: int, data: str | Path | None, revision: str | None) -> Suite:
    """As `load_suite` gives it; a generated stock problem also has its computation, as rationale."""
    if suite in WORLDS and data is None:
        return Suite(suite, tuple(islice(worked_examples(suite, seed=seed), limit or GENERATED_LIMIT)))
    return load_suite(suite, limit=limit, seed=seed, split="train", data=data, revision=revision)


def _eval_rows(
    suite: str, seed: int, data: str | Path | None, revision: str | None, eval_file: str | Path | None
) -> tuple[Row, ...]:
    """The rows of `eval_file` and of the suite's test split, which need not be had where both files are given."""
    rows = tuple(load_rows(eval_file)) if eval_file is not None else ()
    if suite not in (*WORLDS, *PUBLIC) or (data is not None and eval_file is not None):
        return rows
    try:
        return (*rows, *load_suite(suite, seed=seed, split="test", revision=revision).rows)
    except DataError as error:
        reason = str(error).partition("; give the rows")[0]
        raise ConfigError(
            f"the test split of {suite!r}, which must not be taught, cannot be had: {reason}; name its questions with "
            "--eval-file FILE, or leave the check out with --no-filter eval-overlap"
        ) from error


def _decompositions(path: Path) -> dict[str, Any]:
    """By row id, what a file of rows has in a column `decomposition` or `plan`."""
    found: dict[str, Any] = {}
    for _, record in read_records(path):
        given = next((record[name] for name in COLUMNS if record.get(name)), None)
        if given is not None:
            found[str(record.get("id")).strip()] = given
    return found
