"""`sg-agent serve` in a process of its own, with its log, to be stopped or killed by a test."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import httpx

COMMAND = [sys.executable, "-m", "sg_agent.cli", "serve", "--port", "0"]


class Server(NamedTuple):
    address: str
    process: subprocess.Popen[str]
    log: list[str]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    @property
    def requests(self) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.log if line.startswith("{")]
        return [line for line in lines if line["event"] == "request"]


@contextmanager
def command(*flags: str) -> Iterator[Server]:
    """`sg-agent serve`, ready."""
    process = subprocess.Popen([*COMMAND, *flags], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    first = process.stderr.readline()
    log: list[str] = []
    reader = threading.Thread(target=log.extend, args=(process.stderr,))
    reader.start()
    try:
        found = re.search(r"http://\S+", first)
        assert found, first
        _until_ready(found[0], process)
        yield Server(found[0], process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


def _until_ready(address: str, process: subprocess.Popen[str]) -> None:
    while process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{address}/readyz", timeout=60).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the server ended")
