"""What an arm is: a name, the models it uses, its graph and how it is asked. What it is made from: a `Setup`."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from sg_agent.errors import ConfigError
from sg_agent.gate import load_gate
from sg_agent.gate.policy import Policy
from sg_agent.graphs.build import Graph
from sg_agent.graphs.sampling import greedy
from sg_agent.graphs.state import QuestionInput, Settings
from sg_agent.models import Model, fingerprint, model_name
from sg_agent.prices import Prices
from sg_agent.prompts import Phase
from sg_agent.rows import Row

Load = Callable[[Model], BaseChatModel]


@dataclass(frozen=True)
class Routing:
    """What the arm `auto` decides by: a policy, ready or as `sg_agent.gate.named` reads it, a fitted gate's file and a
    stronger solver, which the arm `stronger` asks alone.
    """

    policy: str | Policy | None = None
    gate: str | Path | None = None
    stronger: Model | None = None

    def check(self, arms: Iterable[str]) -> None:
        """Raise ConfigError when something is given and no arm of these uses it."""
        asked = {arm.partition("@")[0] for arm in arms}
        for name, value in vars(self).items():
            deciding = ("auto", "stronger") if name == "stronger" else ("auto",)
            if value is not None and asked.isdisjoint(deciding):
                said = f"--{name} is for the arm {' or '.join(deciding)}, which is not asked for"
                raise ConfigError(f"{said}; leave it out or add the arm")

    def identity(self) -> dict[str, Any]:
        """What of it decides results, by name; empty when nothing is given."""
        named = {
            "policy": self.policy if isinstance(self.policy, str | None) else repr(self.policy),
            "gate_sha256": None
            if self.gate is None
            else hashlib.sha256(load_gate(self.gate).model_dump_json().encode()).hexdigest()[:12],
            "stronger": model_name(self.stronger) if isinstance(self.stronger, BaseChatModel) else self.stronger,
            "stronger_sha256": None if self.stronger is None else fingerprint(self.stronger),
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class Setup:
    """The questions (none as long as they are not read) and the two models as the user named them, not yet loaded.

    `prices` are the user's own. `routing` is for the arms `auto` and `stronger`. A `fallback` answers where the solver
    fails.
    """

    rows: tuple[Row, ...]
    guide: Model
    solver: Model
    prices: Prices | None = None
    routing: Routing = Routing()
    fallback: Model | None = None

    def calls(self, load: Load) -> dict[str, Any]:
        """How the graphs of this package are to call the models, by their arguments."""
        return {"prices": self.prices, "fallback": None if self.fallback is None else load(self.fallback)}


def question_input(row: Row, *, guidance: str | None = None) -> QuestionInput:
    """The graph's input for `row`: never its answer, and guidance only when given here."""
    asked: QuestionInput = {"question": row.question, "task": row.task}
    if row.choices is not None:
        asked["choices"] = row.choices
    if row.context is not None:
        asked["context"] = [{"title": passage.title, "text": passage.text} for passage in row.context]
    if guidance is not None:
        asked["given_guidance"] = guidance
    return asked


@dataclass(frozen=True)
class Arm:
    """One way to answer: `graph` builds its (uncompiled) graph over its `models`, `question` makes the graph's input.

    `attempts` None is as many as the run's settings say. `phases` are the prompts by which its models may be asked and
    shown examples; who guides may fall back on the solver's chain of thought. In a `control` no trained guide is at
    work that could pay for itself.
    """

    name: str
    models: tuple[Model, ...]
    graph: Callable[[Load], Graph]
    question: Callable[[Row], QuestionInput] = question_input
    attempts: int | None = None
    phases: tuple[Phase, ...] = ("guide", "solver", "cot")
    control: bool = False

    def settings(self, run: Settings) -> Settings:
        """The run's settings for this arm. Raises ConfigError for several attempts at temperature 0."""
        return greedy(replace(run, attempts=self.attempts or run.attempts))
