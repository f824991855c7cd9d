"""A Redis server of Debian's package for the time of a test, on a socket in a folder of its own."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PROGRAM = shutil.which("redis-server")
MISSING = "there is no Redis server: apt-get install redis-server"


class RedisServer(NamedTuple):
    """A client, and the server's process for a test that wants it dead."""

    client: "redis.Redis"
    process: subprocess.Popen[bytes]


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A new, empty server that keeps nothing on disk."""
    assert PROGRAM
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        socket = f"{folder}/socket"
        command = [PROGRAM, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = redis.Redis(unix_socket_path=socket, retry=Retry(NoBackoff(), 0))
        try:
            _wait(client, process)
            yield RedisServer(client, process)
        finally:
            client.close()
            process.kill()
            process.wait()


def _wait(client: "redis.Redis", process: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        assert process.poll() is None, "the Redis server ended at once"
        try:
            client.ping()
        except redis.ConnectionError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the Redis server does not answer")
