"""Who decides how a question is answered: six small policies behind one protocol, for `sg_agent.graphs.auto`.

`direct` asks the solver alone, `guided` the guide first, `escalate` the stronger solver. A policy is checked against
the models before anything is paid for; while a question is answered, one that cannot decide leaves it guided.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, get_args

from sg_agent.errors import ConfigError
from sg_agent.gate.decision import DEFAULT, ROUTES, Decision, GateRoute, plain
from sg_agent.gate.gate import Gate, Signalled
from sg_agent.gate.guidance import Guidance
from sg_agent.gate.reply import CheapAnswer
from sg_agent.gate.signals import Signals
from sg_agent.models import Model
from sg_agent.rows import Row, Task

UNKNOWN = "the cost of no route is known, so the budget cannot be kept: guided, to be safe"


class Models(NamedTuple):
    """The models that routes lead to; `stronger` None where nothing can be escalated."""

    guide: Model
    solver: Model
    stronger: Model | None = None


class Policy(Protocol):
    """`check` raises a UserError for models that it cannot decide for. `reconsider` looks at guidance that passed the
    check: `direct` drops it, None leaves it. `recheck` looks at an answer that was cheap: None leaves it to the
    agreement of the attempts.
    """

    def check(self, models: Models) -> None: ...

    def decide(self, row: Row) -> Decision: ...

    def reconsider(self, row: Row, guidance: Guidance) -> Decision | None: ...

    def recheck(self, row: Row, route: GateRoute, reply: CheapAnswer) -> Decision | None: ...


@dataclass(frozen=True)
class Always:
    """Every question is guided."""

    def check(self, models: Models) -> None:  # noqa: ARG002 - any models will do
        return

    def decide(self, row: Row) -> Decision:  # noqa: ARG002
        return plain("guided", "always guided")

    def reconsider(self, row: Row, guidance: Guidance) -> Decision | None:  # noqa: ARG002
        return None

    def recheck(self, row: Row, route: GateRoute, reply: CheapAnswer) -> Decision | None:  # noqa: ARG002
        return None


@dataclass(frozen=True)
class Never(Always):
    """No question is guided."""

    def decide(self, row: Row) -> Decision:  # noqa: ARG002
        return plain("direct", "never guided")


@dataclass(frozen=True)
class ByTask(Always):
    """A route per task; tasks that are not named take `default`. Raises ConfigError for names that are none."""

    routes: Mapping[Task, GateRoute]
    default: GateRoute = DEFAULT

    def __post_init__(self) -> None:
        for task in self.routes:
            if task not in get_args(Task):
                raise ConfigError(f"unknown task {task!r}; accepted: {', '.join(get_args(Task))}")
        for route in (*self.routes.values(), self.default):
            check_route(route)

    def check(self, models: Models) -> None:
        if models.stronger is None and "escalate" in (*self.routes.values(), self.default):
            raise ConfigError("the policy by_task escalates, and there is no stronger solver: name one")

    def decide(self, row: Row) -> Decision:
        return plain(self.routes.get(row.task, self.default), f"by task {row.task}")


@dataclass(frozen=True)
class Learned:
    """A fitted gate, for the models that it was fitted for. `signals` are those that it was fitted with."""

    gate: Gate
    signals: Signals | None = None

    def check(self, models: Models) -> None:
        check_gate(self.gate, models)

    def decide(self, row: Row) -> Decision:
        return self.gate.decide(row, signals=known(self.signals, row))

    def reconsider(self, row: Row, guidance: Guidance) -> Decision | None:
        return self.gate.reconsider(row, guidance, signals=known(self.signals, row))

    def recheck(self, row: Row, route: GateRoute, reply: CheapAnswer) -> Decision | None:
        return self.gate.recheck(row, route, reply, signals=known(self.signals, row))


@dataclass(frozen=True)
class WithinBudget:
    """The best route whose expected cost keeps 1,000 questions under `usd_per_1000`: every question stays under it.

    `costs` are US dollars per 1,000 questions and route; what they do not say, the gate may know. The best is the
    gate's choice, without a gate `escalate`, `guided`, `direct` in this order. Routes without a known cost are not
    taken, and with none known at all questions are guided: the reason says so. `signals` are those that the gate was
    fitted with. Guidance is never dropped: it is paid for. Raises ConfigError for a budget that no known route meets,
    naming the cheapest.
    """

    usd_per_1000: float
    costs: Mapping[GateRoute, float] = field(default_factory=dict)
    gate: Gate | None = None
    signals: Signals | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.usd_per_1000 < math.inf:
            raise ConfigError(f"a budget must be US dollars per 1,000 questions, 0 or more, not {self.usd_per_1000!r}")
        for route, usd in self.costs.items():
            check_route(route)
            if not 0 <= usd < math.inf:
                raise ConfigError(f"the cost of {route!r} must be US dollars per 1,000 questions, not {usd!r}")
        if (prices := self.prices) and min(prices.values()) > self.usd_per_1000:
            cheapest = min(prices, key=lambda route: prices[route])
            raise ConfigError(
                f"no route meets a budget of ${self.usd_per_1000:g} per 1,000 questions: the cheapest is {cheapest!r} "
                f"at ${prices[cheapest]:.4g}"
            )

    @property
    def prices(self) -> dict[GateRoute, float]:
        """US dollars per 1,000 questions of the routes whose cost is known."""
        fitted = {route: 1000 * usd for route, usd in self.gate.usd.items() if usd is not None} if self.gate else {}
        return {**fitted, **self.costs}

    def check(self, models: Models) -> None:
        if self.gate:
            check_gate(self.gate, models)
        if not self.prices:
            warnings.warn(f"a budget of ${self.usd_per_1000:g} without costs: {UNKNOWN}", stacklevel=2)
        if models.stronger is None and "escalate" in self.costs:
            raise ConfigError("there is a cost of 'escalate' and no stronger solver: name one, or leave the cost out")

    def decide(self, row: Row) -> Decision:
        affordable = [route for route in ROUTES if self.prices.get(route, math.inf) <= self.usd_per_1000]
        if not affordable:
            return plain(DEFAULT, UNKNOWN)
        limit = f"within ${self.usd_per_1000:g} per 1,000 questions"
        if self.gate is None:
            return plain(affordable[-1], f"{affordable[-1]} costs ${self.prices[affordable[-1]]:.4g}, {limit}")
        decision = self.gate.decide(row, signals=known(self.signals, row), among=affordable)
        return {**decision, "reason": f"{decision['reason']}; {limit}"}

    def reconsider(self, row: Row, guidance: Guidance) -> Decision | None:  # noqa: ARG002
        return None

    def recheck(self, row: Row, route: GateRoute, reply: CheapAnswer) -> Decision | None:
        """Escalating costs both routes."""
        both = self.prices.get(route, math.inf) + self.prices.get("escalate", math.inf)
        if both <= self.usd_per_1000:
            return self.gate.recheck(row, route, reply, signals=known(self.signals, row)) if self.gate else None
        why = f"escalating would cost ${both:.4g}" if both < math.inf else "the cost of escalating is not known"
        return plain(route, f"{why}: not within ${self.usd_per_1000:g} per 1,000 questions")


@dataclass(frozen=True)
class ByFunction(Always):
    """A function of yours from the question to a route, or to a whole decision."""

    function: Callable[[Row], GateRoute | Decision]

    def decide(self, row: Row) -> Decision:
        """Raises ConfigError for what is no route."""
        said = self.function(row)
        if isinstance(said, str):
            return plain(check_route(said), "by the function")
        if not isinstance(said, Mapping) or said.keys() != Decision.__annotations__.keys():
            raise ConfigError(
                f"the function must return a route ({', '.join(ROUTES)}) or a Decision, not {said!r:.100}"
            )
        return {**said, "route": check_route(said["route"])}


def known(signals: Signals | None, row: Row) -> Signalled | None:
    """What they say of the question."""
    return signals(row) if signals else None


def check_route(name: str) -> GateRoute:
    """Raises ConfigError for what is no route."""
    for route in ROUTES:
        if route == name:
            return route
    raise ConfigError(f"unknown route {name!r}; accepted: {', '.join(ROUTES)}")


def check_gate(gate: Gate, models: Models) -> None:
    """Raises ModelError for other models than it was fitted for, ConfigError where it escalates and nobody can."""
    gate.check(guide=models.guide, solver=models.solver, stronger=models.stronger)
    if models.stronger is None and "escalate" in gate.heads:
        raise ConfigError("the gate was fitted to escalate, and there is no stronger solver: name one")
