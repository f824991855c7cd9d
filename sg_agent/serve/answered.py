"""The ids of what was answered, so that feedback on it can be believed: in SQLite, for all workers of a machine.

No text is in it. The newest `MOST` answers are known; in a file they are over restarts.
"""

import threading
from dataclasses import dataclass
from pathlib import Path

from sg_agent.serve.database import open_database

MOST = 100_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS answered (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, key TEXT, arm TEXT NOT NULL,
    solver TEXT NOT NULL, shadowed INTEGER NOT NULL, judged INTEGER NOT NULL DEFAULT 0);
"""


@dataclass(frozen=True)
class Answered:
    """An answer by its id, and who asked for it. `shadowed`: another route was to be asked too."""

    id: str
    key: str | None
    arm: str
    solver: str
    shadowed: bool


class AnsweredIds:
    """The file at `path`; None keeps them in this process. Raises ConfigError when the file cannot be used."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._file = open_database(path, SCHEMA, what="the file of answers' ids,")

    def remember(self, answer: Answered) -> None:
        """Raises sqlite3.Error when it cannot be written."""
        values = (answer.id, answer.key, answer.arm, answer.solver, answer.shadowed)
        with self._lock:
            sql = "INSERT INTO answered (id, key, arm, solver, shadowed) VALUES (?, ?, ?, ?, ?)"
            number = self._file.execute(sql, values).lastrowid or 0
            if number % 100 == 0:
                self._file.execute("DELETE FROM answered WHERE number <= ?", (number - MOST,))

    def find(self, answer_id: str, key: str | None) -> Answered | None:
        """The answer that was given to `key` under that id. Raises sqlite3.Error."""
        sql = "SELECT id, key, arm, solver, shadowed FROM answered WHERE id = ? AND key IS ?"
        with self._lock:
            found = self._file.execute(sql, (answer_id, key)).fetchone()
        if found is None:
            return None
        known, asker, arm, solver, shadowed = found
        return Answered(known, asker, arm, solver, bool(shadowed))

    def judge(self, answer_id: str) -> bool:
        """Note that somebody said whether it is right: whether that is the first time. Raises sqlite3.Error."""
        sql = "UPDATE answered SET judged = 1 WHERE id = ? AND judged = 0"
        with self._lock:
            return self._file.execute(sql, (answer_id,)).rowcount == 1

    def close(self) -> None:
        """No more can be remembered."""
        with self._lock:
            self._file.close()
