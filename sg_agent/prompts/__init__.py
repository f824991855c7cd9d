"""Prompts: one versioned Jinja template per phase and task, rendered to a system and a user message.

A template's text above the line `=== user ===` is the system message, below it the user message. A prompt's `id` is
its path without the suffix (`v1/solver/math`); `sha256` covers the file and every file it extends or includes.
A user's own template may extend or include the shipped ones.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

import jinja2
import jinja2.meta
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from sg_agent.errors import ConfigError
from sg_agent.rows import Kind, Row

Phase = Literal["guide", "solver", "standard", "cot", "leak", "teach", "judge"]
VERSION = "v1"
SEPARATOR = "=== user ===\n"


@dataclass(frozen=True)
class Prompt:
    """A template ready to render, with what a result must record of it."""

    id: str
    sha256: str
    template: jinja2.Template

    @property
    def stamp(self) -> str:
        """What a result records of the prompt."""
        return f"{self.id}@{self.sha256}"

    def render(
        self, row: Row, *, guidance: str | None = None, kind: Kind | None = None, answer: str | None = None
    ) -> list[BaseMessage]:
        """The messages for `row`. `guidance` is for the solver and leak phases, `kind` for guide and teach.

        `answer` is for a teacher that may see it; no other phase is ever given one.

        Raises ConfigError when the template asks for a variable it is not given.
        """
        variables = {"question": row.question, "choices": row.choices, "context": row.context, "task": row.task}
        if guidance is not None:
            variables["guidance"] = guidance
        if kind is not None:
            variables["kind"] = kind
        if answer is not None:
            variables["answer"] = answer
        try:
            text = self.template.render(variables)
        except jinja2.UndefinedError as error:
            raise ConfigError(f"prompt {self.id!r}: {error.message}; it may use {sorted(variables)}") from error
        system, user = text.split(SEPARATOR, 1)
        return [SystemMessage(system.strip()), HumanMessage(user.strip())]


def load_prompt(phase: Phase, task: str, path: str | Path | None = None) -> Prompt:
    """The shipped prompt for `phase` and `task`, or the user's own template at `path`.

    Raises ConfigError when the file is missing, is no valid template or has no `=== user ===` line.
    """
    return _load(f"{VERSION}/{phase}/{task}", None) if path is None else _load(str(path), Path(path))


@cache
def _load(prompt_id: str, path: Path | None) -> Prompt:
    shipped = jinja2.FileSystemLoader(str(resources.files(__name__).joinpath(VERSION)))
    own = [jinja2.FileSystemLoader(str(path.parent))] if path else []
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([*own, shipped]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # a file that changes during a run would no longer be what the results record
        autoescape=False,  # noqa: S701 - prompts are plain text for a model, never HTML
    )
    name = path.name if path else prompt_id.removeprefix(f"{VERSION}/") + ".jinja"
    try:
        sources = _sources(environment, name)
        template = environment.get_template(name)
    except jinja2.TemplateNotFound as error:
        raise ConfigError(f"prompt template {str(error)!r} not found (wanted for {prompt_id!r})") from error
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(f"prompt {prompt_id!r}, line {error.lineno}: {error.message}") from error
    if not any(SEPARATOR in source for source in sources):
        raise ConfigError(f"prompt {prompt_id!r} has no line {SEPARATOR.strip()!r} between system and user text")
    return Prompt(prompt_id, hashlib.sha256("\0".join(sources).encode()).hexdigest()[:12], template)


def _sources(environment: jinja2.Environment, name: str) -> list[str]:
    """The text of template `name` and of everything it refers to, depth first."""
    assert environment.loader
    source = environment.loader.get_source(environment, name)[0]
    referenced = jinja2.meta.find_referenced_templates(environment.parse(source))
    return [source, *(text for other in referenced if other for text in _sources(environment, other))]
