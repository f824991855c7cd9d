"""`sg-agent serve` in a process of its own, as a client of another language or program finds it; and a place to install
such a client into, which is kept for the next run."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 60


@contextmanager
def serve_process(upstream: str, folder: Path, *arguments: str) -> Iterator[str]:
    """The base URL of a server over the models `guide` and `solver` of `upstream`; its log is in `folder`."""
    models = ["--guide", f"openai:guide@{upstream}", "--solver", f"openai:solver@{upstream}"]
    with running([*models, *arguments], folder) as address:
        yield f"{address}/v1"


@contextmanager
def running(arguments: list[str], folder: Path, *, environment: dict[str, str] | None = None) -> Iterator[str]:
    """The address of `sg-agent serve` with these arguments, run in `folder`."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "sg_agent.cli", "serve", "--port", str(port), *arguments]
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, env=environment)
    try:
        _wait(process, f"http://127.0.0.1:{port}/readyz", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the server did not come up; its log:\n{log.read_text()[-2000:]}")


def installed(name: str, *commands: list[str]) -> Path:
    """A folder that holds what `commands` put there; "{}" in them is the folder. Made once, whole or not at all."""
    folder = Path(tempfile.gettempdir()) / f"sg-agent-tests-{os.getuid()}" / name
    if not (done := folder / ".installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for command in commands:
            ran = subprocess.run(
                [part.replace("{}", str(folder)) for part in command], cwd=folder, capture_output=True, text=True
            )
            assert ran.returncode == 0, f"{command}: {ran.stdout[-1000:]}\n{ran.stderr[-3000:]}"
        done.touch()
    return folder
