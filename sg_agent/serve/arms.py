"""The arms that are served, and the models' names: `guided/<solver>`, `guided@5/<solver>` or a bare solver's name."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langgraph.graph.state import CompiledStateGraph

from sg_agent import graphs
from sg_agent.errors import ConfigError
from sg_agent.gate.policy import Policy
from sg_agent.gate.routing import with_signals
from sg_agent.graphs.auto import auto_graph
from sg_agent.graphs.build import Calls, Graph
from sg_agent.graphs.state import GraphOutput, QuestionInput, Settings, State
from sg_agent.ledger import in_process
from sg_agent.metered import MeteredModel, metered
from sg_agent.models import Model, load_model
from sg_agent.prices import Prices
from sg_agent.serve.config import ServeConfig
from sg_agent.serve.connections import Connections
from sg_agent.serve.errors import ApiError, bad_request
from sg_agent.serve.routing import auto_offer
from sg_agent.serve.watch import HERE, HOSTED
from sg_agent.throttle import Load

Place = tuple[str, str]
Compiled = CompiledStateGraph[State, Settings, QuestionInput, GraphOutput]


@dataclass(frozen=True)
class Parts:
    """What an arm's graph is built of. `policy` None: there is no arm `auto`."""

    guide: BaseChatModel
    solver: BaseChatModel
    fallback: BaseChatModel | None
    guide_timeout_s: float
    prices: Prices | None
    policy: Policy | None = None
    stronger: BaseChatModel | None = None


def _auto(of: Parts) -> Graph:
    assert of.policy
    calls = Calls(guide_timeout=of.guide_timeout_s, fallback=of.fallback, prices=of.prices)
    return auto_graph(of.guide, of.solver, calls, policy=of.policy, stronger=of.stronger)


ARMS: dict[str, Callable[[Parts], Graph]] = {
    "standard": lambda of: graphs.standard(of.solver, fallback=of.fallback, prices=of.prices),
    "cot": lambda of: graphs.cot(of.solver, fallback=of.fallback, prices=of.prices),
    "guided": lambda of: graphs.guided(
        of.guide, of.solver, guide_timeout=of.guide_timeout_s, fallback=of.fallback, prices=of.prices
    ),
    "auto": _auto,
}
"""An arm is served by what builds its graph."""

ARM = re.compile(r"(?P<arm>[a-z_]+)(?:@(?P<attempts>\d{1,3}))?")


@dataclass(frozen=True)
class Target:
    """Who answers: an arm's graph over a solver. `attempts` above 1 vote on one answer."""

    name: str
    arm: str
    attempts: int
    solver_name: str
    solver: BaseChatModel
    graph: Compiled

    @property
    def escalates(self) -> bool:
        """Whether a stronger solver may answer in the solver's place."""
        return "stronger" in self.graph.nodes

    @property
    def falls_back(self) -> bool:
        """Whether another model may answer where the solver fails."""
        return "fallback" in self.graph.nodes

    @property
    def guided(self) -> bool:
        """Whether a guide may be asked."""
        return "guide" in self.graph.nodes


class Models:
    """The guide, the solvers by name, their fallback, a stronger one, and every arm's graph over each solver, compiled
    once.

    Raises ModelError or MissingExtra for models that cannot be loaded, and what `auto_offer` does.
    """

    def __init__(self, config: ServeConfig, prices: Prices | None) -> None:
        self.arm, self._offer = check_arm(config.arm), auto_offer(config)
        load = _Loader(config, prices)
        cache = InMemoryCache(maxsize=config.guidance_cache) if config.guidance_cache else None
        self.guide = load(config.guide, cache=cache)
        self.solvers = {name: load(spec, config.call_timeout_s) for name, spec in config.solvers.items()}
        self.fallback = load(config.fallback, config.call_timeout_s) if config.fallback else None
        stronger = config.routing.stronger
        self.stronger = load(stronger, config.call_timeout_s) if stronger else None
        self.policy = with_signals(self._offer.policy, self.guide) if self._offer else None
        self._graphs: dict[tuple[str, str], Compiled] = {}
        for name, solver in self.solvers.items():
            within_s = config.guidance_within_s
            parts = Parts(self.guide, solver, self.fallback, within_s, prices, self.policy, self.stronger)
            for arm, build in ARMS.items():
                if arm != "auto" or self._why_no_auto(name) is None:
                    self._graphs[arm, name] = build(parts).compile(name=arm)

    @property
    def each(self) -> Iterator[tuple[Place, BaseChatModel]]:
        """Every model with its place: role and name, the name of a solver."""
        yield ("guide", "guide"), self.guide
        yield from ((("solver", name), solver) for name, solver in self.solvers.items())
        if self.fallback:
            yield ("fallback", "fallback"), self.fallback
        if self.stronger:
            yield ("stronger", "stronger"), self.stronger

    @property
    def loads(self) -> Iterator[tuple[Place, Load]]:
        """What the hosted models have answered and refused."""
        return ((place, model.throttle.load) for place, model in self.each if isinstance(model, MeteredModel))

    @property
    def names(self) -> Iterator[str]:
        """Every name that a request may give, without numbers of attempts."""
        for name in self.solvers:
            yield name
            yield from (f"{arm}/{name}" for arm in ARMS if (arm, name) in self._graphs)

    @property
    def routed(self) -> Iterator[str]:
        """The solvers that the arm `auto` is served for."""
        return (name for arm, name in self._graphs if arm == "auto")

    async def close(self) -> None:
        """Close the connections to hosted models."""
        for _, model in self.each:
            if client := getattr(model, "root_async_client", None):
                await client.close()

    def find(self, model: str, arm: str | None, attempts: int | None) -> Target:
        """What a model's name and the request's own `arm` and `attempts` mean; these win. Raises ApiError."""
        said, slash, name = model.partition("/")
        named = ARM.fullmatch(said) if slash and model not in self.solvers else None
        if named is None or name not in self.solvers:
            name, named = model, None
        if name not in self.solvers:
            raise self._unknown(model)
        chosen = arm or (named["arm"] if named else self.arm)
        if chosen not in ARMS:
            if arm:
                raise bad_request(f"unknown arm {arm!r}; accepted: {', '.join(ARMS)}", param="sg_agent.arm")
            raise self._unknown(model)
        if chosen == "auto" and (why := self._why_no_auto(name)):
            raise bad_request(why, param="sg_agent.arm") if arm else _not_there(why)
        votes = attempts or int(named["attempts"] or 1 if named else 1)
        if votes < 1:
            raise bad_request(f"{model!r} asks for no attempt; give at least 1", param="model")
        full = f"{chosen}@{votes}/{name}" if votes > 1 else f"{chosen}/{name}"
        return Target(full, chosen, votes, name, self.solvers[name], self._graphs[chosen, name])

    def _why_no_auto(self, solver: str) -> str | None:
        if self._offer is None:
            return "the arm auto is not served: the operator of this server has to start it with --policy or --gate"
        if solver in self._offer.refused:
            return f"the arm auto is not served for {solver!r}: the --gate of this server was fitted for another solver"
        return None

    def _unknown(self, model: str) -> ApiError:
        shown = ", ".join(list(self.names)[:20])
        message = f"the model {model[:200]!r} does not exist; accepted: {shown} (an arm may be voted on: guided@5/...)"
        return _not_there(message)


def _not_there(message: str) -> ApiError:
    return ApiError(404, message, "model_not_found", param="model")


@dataclass(frozen=True)
class _Loader:
    """Loads a model whose calls are watched; a hosted one is throttled, its own retries off."""

    config: ServeConfig
    prices: Prices | None

    def __call__(self, model: Model, deadline_s: float | None = None, **changes: Any) -> BaseChatModel:
        loaded = load_model(model, max_retries=0, trust_remote_code=self.config.trust_remote_code)
        if client := getattr(loaded, "root_async_client", None):
            # LangChain shares connections between all models of a process; these are the server's, to close.
            own = client.with_options(http_client=Connections())
            changes |= {"root_async_client": own, "async_client": own.chat.completions}
        loaded = loaded.model_copy(update=changes)
        callbacks: list[BaseCallbackHandler] = [HERE]
        if not in_process(loaded):
            callbacks = [HOSTED]
            most, patience_s = self.config.max_concurrency, self.config.patience_s
            loaded = metered(loaded, most=most, deadline_s=deadline_s, patience_s=patience_s, prices=self.prices)
        return loaded.model_copy(update={"callbacks": callbacks})


def check_arm(arm: str) -> str:
    """`arm` itself. Raises ConfigError for one that is not served."""
    if arm not in ARMS:
        raise ConfigError(f"unknown arm {arm!r}; accepted: {', '.join(ARMS)}")
    return arm
