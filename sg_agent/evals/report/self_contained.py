"""What our pages are made with: templates that escape all text, and their styles and scripts.

A page is one file and asks nothing of the network. Pages of other packages bring their own templates.
"""

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


def _visible(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
