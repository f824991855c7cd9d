"""What an arm is: a name, the models it uses, its graph and how it is asked. What it is made from: a `Setup`."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.language_models import BaseChatModel

from sg_agent.gate.routing import Routing
from sg_agent.graphs.build import Graph
from sg_agent.graphs.sampling import greedy
from sg_agent.graphs.state import QuestionInput, Settings
from sg_agent.models import Model
from sg_agent.prices import Prices
from sg_agent.prompts import Phase
from sg_agent.rows import Row

Load = Callable[[Model], BaseChatModel]


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
    routing: Routing = field(default_factory=Routing)
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
