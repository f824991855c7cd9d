"""The page at `/`: a question asked three ways, side by side. One file that asks nothing but of this server.

It is served without a key, so what it says about the server depends on that: without keys (the loopback) it knows the
models' specs, for commands that run the same without a server; with keys it names no model before a key is given.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from importlib import resources
from itertools import islice
from typing import Any, get_args

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sg_agent.page_policy import policy
from sg_agent.rows import Row, Task
from sg_agent.serve.config import ServeConfig
from sg_agent.worlds import questions
from sg_agent.worlds.scope import vocabulary

EXAMPLES = {"depot": 5, "archive": 5}
ARMS = {
    "standard": "The solver answers at once.",
    "cot": "The solver thinks step by step.",
    "guided": "The guide writes guidance, the solver answers with it.",
}


def playground(config: ServeConfig) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that gives the page, which is made here, once."""
    page = _page(config)
    (style,), (script,) = (re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL) for tag in ("style", "script"))
    headers = {
        "content-security-policy": f"{policy(style, script, images=True, own_server=True)}; frame-ancestors 'none'",
        "cache-control": "no-cache",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }

    async def endpoint(_: Request) -> Response:
        return HTMLResponse(page, headers=headers)

    return endpoint


def _page(config: ServeConfig) -> str:
    text = resources.files(__package__).joinpath("templates", "playground.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True)
    data = {"examples": list(_examples()), "keys": config.keys is not None, "models": _models(config)}
    return environment.from_string(text).render(arms=ARMS, tasks=get_args(Task), data=data)


def _examples() -> Iterator[dict[str, Any]]:
    """Questions that no embedded model was trained on, each of another group."""
    for world, count in EXAMPLES.items():
        groups: dict[str | None, Row] = {}
        for row in islice(questions(world, "test"), 50):
            groups.setdefault(row.group, row)
        for row in islice(groups.values(), count):
            yield {"world": world, **row.model_dump(include={"question", "answer", "task", "context", "group"})}


def _models(config: ServeConfig) -> dict[str, Any] | None:
    """What a command needs to name, and the words that embedded models know; None where that is not for everybody."""
    models = (config.guide, *config.solvers.values())
    if config.keys or not all(isinstance(model, str) for model in models):
        return None
    embedded = any(str(model).startswith("embedded:") for model in models)
    known = [sorted(vocabulary(world)) for world in ("depot", "archive")] if embedded else []
    return {
        "guide": config.guide,
        "solvers": dict(config.solvers),
        "flags": ["--trust-remote-code"] if config.trust_remote_code else [],
        "known": known,
    }
