"""What our pages are made with: templates that escape all text, a style, and a policy that lets nothing else in.

A page is one file and asks nothing of the network. Pages of other packages bring their own templates.
"""

import hashlib
from base64 import b64encode
from importlib import resources
from typing import Any

import jinja2

from sg_agent.evals.report.text import visible


def environment(*packages: str) -> jinja2.Environment:
    """Templates of those packages' folder `templates`, then of this one's; text is escaped and made visible."""
    folders = [str(resources.files(name).joinpath("templates")) for name in (*packages, __package__)]
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )


def asset(name: str) -> str:
    """A style sheet or script of this package."""
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def policy(style: str, script: str | None = None, *, images: bool = False) -> str:
    """The Content-Security-Policy that admits one style, one script and, if asked, images within the page."""
    admitted = [f"style-src {_digest(style)}"]
    admitted += [f"script-src {_digest(script)}"] if script is not None else []
    admitted += ["img-src data:"] if images else []
    return f"default-src 'none'; {'; '.join(admitted)}; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _visible(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
