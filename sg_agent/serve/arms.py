"""The arms that are served, and the models' names: `guided/<solver>`, `guided@5/<solver>` or a bare solver's name."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langgraph.graph.state import CompiledStateGraph
from openai import DefaultAsyncHttpxClient

from sg_agent import graphs
from sg_agent.errors import ConfigError
from sg_agent.graphs.build import Graph
from sg_agent.graphs.state import GraphOutput, QuestionInput, Settings, State
from sg_agent.models import Model, load_model
from sg_agent.prices import Prices
from sg_agent.serve.errors import ApiError, bad_request
from sg_agent.serve.watch import WATCHER

Compiled = CompiledStateGraph[State, Settings, QuestionInput, GraphOutput]
Build = Callable[[BaseChatModel, BaseChatModel, Prices | None], Graph]

ARMS: dict[str, Build] = {
    "standard": lambda _, solver, prices: graphs.standard(solver, prices=prices),
    "cot": lambda _, solver, prices: graphs.cot(solver, prices=prices),
    "guided": lambda guide, solver, prices: graphs.guided(guide, solver, prices=prices),
}
"""An arm is served by what builds its graph from guide and solver."""

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
    def guided(self) -> bool:
        """Whether a guide may be asked."""
        return "guide" in self.graph.nodes


class Models:
    """The guide, the solvers by name and every arm's graph over each, compiled once.

    Raises ModelError or MissingExtra for models that cannot be loaded.
    """

    def __init__(
        self,
        guide: Model,
        solvers: Mapping[str, Model],
        *,
        arm: str,
        guidance_cache: int,
        trust_remote_code: bool = False,
        prices: Prices | None = None,
    ) -> None:
        self.arm = check_arm(arm)
        load = _Loader(trust_remote_code)
        self.guide = load(guide, cache=InMemoryCache(maxsize=guidance_cache) if guidance_cache else None)
        self.solvers = {name: load(solver) for name, solver in solvers.items()}
        self._graphs: dict[tuple[str, str], Compiled] = {
            (arm, name): build(self.guide, solver, prices).compile(name=arm)
            for arm, build in ARMS.items()
            for name, solver in self.solvers.items()
        }

    @property
    def names(self) -> Iterator[str]:
        """Every name that a request may give, without numbers of attempts."""
        for name in self.solvers:
            yield name
            yield from (f"{arm}/{name}" for arm in ARMS)

    async def close(self) -> None:
        """Close the connections to hosted models."""
        for model in (self.guide, *self.solvers.values()):
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
        votes = attempts or int(named["attempts"] or 1 if named else 1)
        if votes < 1:
            raise bad_request(f"{model!r} asks for no attempt; give at least 1", param="model")
        full = f"{chosen}@{votes}/{name}" if votes > 1 else f"{chosen}/{name}"
        return Target(full, chosen, votes, name, self.solvers[name], self._graphs[chosen, name])

    def _unknown(self, model: str) -> ApiError:
        shown = ", ".join(list(self.names)[:20])
        message = f"the model {model[:200]!r} does not exist; accepted: {shown} (an arm may be voted on: guided@5/...)"
        return ApiError(404, message, "model_not_found", param="model")


@dataclass(frozen=True)
class _Loader:
    """Loads a model whose own retries are off, since the graph retries and counts, and whose calls are watched."""

    trust_remote_code: bool

    def __call__(self, model: Model, **changes: Any) -> BaseChatModel:
        loaded = load_model(model, max_retries=0, trust_remote_code=self.trust_remote_code)
        if client := getattr(loaded, "root_async_client", None):
            # LangChain shares connections between all models of a process; these are the server's, to close.
            own = client.with_options(http_client=DefaultAsyncHttpxClient())
            changes |= {"root_async_client": own, "async_client": own.chat.completions}
        callbacks: list[BaseCallbackHandler] = [WATCHER]
        return loaded.model_copy(update={**changes, "callbacks": callbacks})


def check_arm(arm: str) -> str:
    """`arm` itself. Raises ConfigError for one that is not served."""
    if arm not in ARMS:
        raise ConfigError(f"unknown arm {arm!r}; accepted: {', '.join(ARMS)}")
    return arm
