"""SQLite files that all workers of a machine share, for what has to survive a restart."""

import sqlite3
from pathlib import Path

from sg_agent.errors import ConfigError
from sg_agent.gate.live import private


def open_database(path: Path | None, schema: str, *, what: str) -> sqlite3.Connection:
    """The file, which only its owner may read; None is one of this process's own. Every statement stands by itself.

    Raises ConfigError, naming the file by `what` it is, when it cannot be used.
    """
    try:
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        name = private(path) if path else ":memory:"
        file = sqlite3.connect(name, timeout=5, isolation_level=None, check_same_thread=False)
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=NORMAL")
        file.executescript(schema)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"{what} {str(path)!r} cannot be used: {error}") from error
    return file
