"""A server of scripted models on the loopback, run by uvicorn in a thread."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from sg_agent.scripted import ScriptedModel
from sg_agent.serve.app import create_app
from sg_agent.serve.config import ServeConfig

PLAN = "1. Add what came.\n2. Subtract what went."
TURN = {"role": "user", "content": "There are 3 pens. 4 came. How many?"}


def guide(text: str = PLAN) -> ScriptedModel:
    return ScriptedModel(replies=lambda _: text, model="guide")


def solver(text: str = "There are 7 pens.") -> ScriptedModel:
    return ScriptedModel(replies=lambda _: text, model="solver")


@contextmanager
def serving(**config: Any) -> Iterator[str]:
    """The server's address; `config` as of ServeConfig, by default a scripted pair, the solver named `s`."""
    app = create_app(ServeConfig(**{"guide": guide(), "solvers": {"s": solver()}, **config}))
    settings = uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=5)
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def body(model: str = "guided/s", **more: Any) -> dict[str, Any]:
    """A chat completions request."""
    return {"model": model, "messages": [TURN], **more}
