"""What keys have asked and spent, in a SQLite file that all workers of a machine share and that survives restarts.

A request's worst case is charged before it runs and corrected after, so that no number of parallel requests can
overshoot a limit. What a killed worker had in flight stays charged at its worst: nobody knows what it cost.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sg_agent.serve.database import open_database
from sg_agent.serve.errors import ApiError
from sg_agent.serve.keys import Key

WINDOW_S = 60.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS asked (key TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS asked_at ON asked (key, at);
CREATE TABLE IF NOT EXISTS spent (key TEXT NOT NULL, day TEXT NOT NULL, usd REAL NOT NULL, PRIMARY KEY (key, day));
"""


@dataclass(frozen=True)
class Charge:
    """A worst case that has been charged."""

    key: str
    day: str
    usd: float


class Spending:
    """The file at `path`, which `flag` names. Raises ConfigError when it cannot be used."""

    def __init__(self, path: Path, *, flag: str = "--usage") -> None:
        self._lock = threading.Lock()
        self._file = open_database(path, SCHEMA, what=flag)

    def admit(self, key: Key) -> None:
        """Count a request of the key. Raises ApiError when it has made too many within a minute."""
        if key.requests_per_minute is None:
            return
        now = time.time()
        with self._transaction() as file:
            file.execute("DELETE FROM asked WHERE key = ? AND at <= ?", (key.name, now - WINDOW_S))
            count, oldest = file.execute("SELECT count(*), min(at) FROM asked WHERE key = ?", (key.name,)).fetchone()
            if count < key.requests_per_minute:
                file.execute("INSERT INTO asked VALUES (?, ?)", (key.name, now))
                return
        message = f"the key {key.name!r} may ask {key.requests_per_minute} times a minute; try again later"
        wait = oldest + WINDOW_S - now + 0.5
        raise ApiError(429, message, "rate_limit_exceeded", kind="rate_limit_error", retry_after_s=wait)

    def charge(self, key: Key, usd: float) -> Charge:
        """Charge the key what a request may cost. Raises ApiError when its limit does not allow that."""
        day = time.strftime("%Y-%m-%d", time.gmtime())
        with self._transaction() as file:
            (in_all,) = file.execute("SELECT total(usd) FROM spent WHERE key = ?", (key.name,)).fetchone()
            (today,) = file.execute(
                "SELECT total(usd) FROM spent WHERE key = ? AND day = ?", (key.name, day)
            ).fetchone()
            for limit, spent, when in ((key.max_usd, in_all, "in all"), (key.max_usd_per_day, today, "a day")):
                if limit is not None and spent + usd > limit:
                    raise _spent(key, limit, spent, usd, when)
            self._add(file, key.name, day, usd)
        return Charge(key.name, day, usd)

    def settle(self, charge: Charge, cost_usd: float | None) -> None:
        """Correct a charge to what the request cost; one of unknown cost stays as it is."""
        if cost_usd is not None:
            with self._transaction() as file:
                self._add(file, charge.key, charge.day, cost_usd - charge.usd)

    def spent_usd(self, key: str) -> float:
        """What the key has spent in all, requests in flight at their worst."""
        with self._lock:
            (spent,) = self._file.execute("SELECT total(usd) FROM spent WHERE key = ?", (key,)).fetchone()
        return float(spent)

    @staticmethod
    def _add(file: sqlite3.Connection, key: str, day: str, usd: float) -> None:
        sql = "INSERT INTO spent VALUES (?, ?, ?) ON CONFLICT (key, day) DO UPDATE SET usd = usd + excluded.usd"
        file.execute(sql, (key, day, usd))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """What cannot be counted is not served: raises ApiError when the file cannot be written."""
        try:
            with self._lock:
                self._file.execute("BEGIN IMMEDIATE")
                try:
                    yield self._file
                finally:
                    self._file.execute("COMMIT")
        except sqlite3.Error as error:
            message = f"the server cannot count what keys use ({error}); its operator has to look at --usage"
            raise ApiError(503, message, "usage_unavailable", retry_after_s=5) from error


def _spent(key: Key, limit: float, spent: float, usd: float, when: str) -> ApiError:
    message = (
        f"the key {key.name!r} may spend ${limit:.2f} {when}, ${max(0.0, limit - spent):.4f} is left, and this request "
        f"may cost ${usd:.4f}; give a lower max_tokens, or ask the operator of this server"
    )
    return ApiError(429, message, "insufficient_quota", kind="insufficient_quota")
