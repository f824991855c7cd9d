"""Runs the application under uvicorn: one process, or several that share the port."""

import os
import signal
import socket
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

from sg_agent.errors import ConfigError, RunError
from sg_agent.serve.config import ServeConfig
from sg_agent.serve.logs import CONFIG

BACKLOG = 2048


def serve(config: ServeConfig, *, on_listening: Callable[[str], None]) -> None:
    """Serve until told to stop. `on_listening` is given the address once the port is ours.

    Raises ConfigError for an address that cannot be had, RunError when a worker cannot start.
    """
    with closing(bind(config.host, config.port)) as listener:
        host, port = listener.getsockname()[:2]
        on_listening(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        if config.workers == 1:
            run_app(partial(_app, config), config, listener)
            return
        with tempfile.TemporaryDirectory(prefix="sg-agent-metrics-") as folder:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # before any worker loads prometheus_client
            run_app(partial(_app, config), config, listener)


def _app(config: ServeConfig) -> Any:
    from sg_agent.serve.app import create_app

    return create_app(config)


def run_app(factory: Callable[[], Any], config: ServeConfig, listener: socket.socket) -> None:
    """Run what `factory` makes in each worker on `listener`; with several it has to be picklable."""
    import uvicorn

    from sg_agent.serve.workers import STARTS_S, Workers

    settings = uvicorn.Config(
        factory,
        factory=True,
        workers=config.workers,
        log_config=CONFIG,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_worker_healthcheck=STARTS_S,  # for a restart by SIGHUP
        timeout_graceful_shutdown=round(config.grace_s) + 5,  # the application stops by itself before
    )
    if config.workers > 1:
        Workers(settings, [listener]).run()
        return
    server = uvicorn.Server(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stopped)
    server.run(sockets=[listener])
    if not server.started:
        raise RunError("the server could not start; its log says why")


def _stopped(number: int, frame: Any) -> None:
    """uvicorn raises a signal again once it has stopped for it: all is done by then, and the exit code is 0."""


def bind(host: str, port: int) -> socket.socket:
    """A socket on the address, whose port 0 is any that is free. Raises ConfigError when it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host!r} port {port}: {error.strerror}; choose another --port") from error
    listener.set_inheritable(True)
    return listener
