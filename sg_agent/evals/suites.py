"""Suites: named sets of questions. The generated worlds by name, anything else as a file of canonical rows."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sg_agent.errors import ConfigError
from sg_agent.rows import Row, load_rows
from sg_agent.worlds import WORLDS, Split, questions

GENERATED_LIMIT = 300


@dataclass(frozen=True)
class Suite:
    """The questions of one eval, in the order asked."""

    name: str
    rows: tuple[Row, ...]

    @property
    def multihop(self) -> bool:
        """Whether F1 is reported beside accuracy."""
        return any(row.task == "multihop_qa" for row in self.rows)


def check_suite(name_or_path: str, *, limit: int | None = None) -> None:
    """Raise ConfigError for a name that is no suite or file, or a limit below 1, without reading any row."""
    if limit is not None and limit < 1:
        raise ConfigError(f"limit must be at least 1, not {limit!r}")
    if name_or_path not in WORLDS and not _is_file(name_or_path):
        raise ConfigError(f"unknown suite {name_or_path!r}; accepted: {', '.join(WORLDS)}, or a .jsonl or .csv file")


def load_suite(name_or_path: str | Path, *, limit: int | None = None, seed: int = 0, split: Split = "test") -> Suite:
    """The first `limit` questions of a suite (None: 300 of a generated one, all of a file).

    `seed` and `split` choose the questions of a generated suite; a file is taken as it is.
    Raises ConfigError for an unknown name or a limit below 1, DataError for a bad file.
    """
    name = str(name_or_path)
    check_suite(name, limit=limit)
    if name in WORLDS:
        return Suite(name, tuple(islice(questions(name, split, seed=seed), limit or GENERATED_LIMIT)))
    return Suite(Path(name).stem, tuple(load_rows(name)[:limit]))


def _is_file(name: str) -> bool:
    return Path(name).suffix in {".jsonl", ".csv"} or Path(name).is_file()
