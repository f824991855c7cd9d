"""A PostgreSQL server of Debian's package for the time of a test run: its socket in a folder of its own, no network."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MISSING = "there is no PostgreSQL server: apt-get install postgresql"
USER = "nobody"  # the server refuses to run as root


def programs() -> Path | None:
    """Where initdb and postgres lie, of the newest version."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    found = shutil.which("initdb")
    return next((path for path in places if (path / "initdb").exists()), Path(found).parent if found else None)


@contextmanager
def postgres_server(programs: Path) -> Iterator[str]:
    """The connection string of a new, empty database."""
    identity = USER if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:  # a short name: a socket's path has 107 bytes at most
        if identity:
            shutil.chown(folder, identity)

        def run(program: str, *arguments: str) -> None:
            command = [str(programs / program), "-D", f"{folder}/data", *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=identity)

        run("initdb", "-U", "test", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"host={folder} user=test dbname=postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
