"""Several processes that share the port: uvicorn's supervisor, but one that waits for no worker.

uvicorn asks one worker after the other whether it lives, and waits for each as long as a worker may take to start: a
worker that was killed, or a signal to stop, would wait as long.
"""

import logging
import time
from socket import socket

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

STARTS_S = 120  # it answers its parent only once it has imported what it needs
ANSWERS_S = 20  # from then on

log = logging.getLogger("uvicorn.error")


class Workers(Multiprocess):
    """Replaces a worker that has died, did not start in `STARTS_S` seconds, or then gave no answer for `ANSWERS_S`."""

    def __init__(self, config: Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        self._asked: dict[Process, float] = {}
        self._answered: set[Process] = set()

    def keep_subprocess_alive(self) -> None:
        """Look at every worker, twice a second; never wait for one."""
        for place, worker in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if not (worker.process.is_alive() and self._answers(worker)):
                self._replace(place, worker)

    def _answers(self, worker: Process) -> bool:
        """Whether its answer to the last question is here, or may still come."""
        now = time.monotonic()
        try:
            while worker.parent_conn.poll():
                worker.parent_conn.recv()
                self._asked.pop(worker, None)
                self._answered.add(worker)
            if worker not in self._asked:
                worker.parent_conn.send(b"ping")
                self._asked[worker] = now
        except (OSError, EOFError):  # it has just died
            return False
        return now - self._asked[worker] < (ANSWERS_S if worker in self._answered else STARTS_S)

    def _replace(self, place: int, worker: Process) -> None:
        worker.kill()
        worker.join()
        self._asked.pop(worker, None)
        self._answered.discard(worker)
        if worker.exitcode == STARTUP_FAILURE:  # the next one would fail in the same way
            log.error("worker %s could not start: stopping", worker.pid)
            self.should_exit.set()
            return
        log.info("worker %s died", worker.pid)
        self.processes[place] = Process(self.config, self.sockets)
        self.processes[place].start()
