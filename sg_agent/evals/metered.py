"""Models as evals ask them: each loaded once, hosted ones throttled while overloaded and paid for from a budget."""

import asyncio
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult

from sg_agent.evals.arms import Load
from sg_agent.evals.budget import Budget, worst_case
from sg_agent.evals.config import EvalConfig
from sg_agent.evals.throttle import Throttle
from sg_agent.ledger import in_process, price
from sg_agent.models import Model, load_model, model_name


def loader(config: EvalConfig, budget: Budget | None = None) -> Load:
    """Loads each spec once. How guide and solver are sampled comes with each call."""
    loaded: dict[str | int, BaseChatModel] = {}

    def load(model: Model) -> BaseChatModel:
        key = id(model) if isinstance(model, BaseChatModel) else model
        if key not in loaded:
            # Whether to ask again is the throttle's business; a client's own retries would hide refusals from it.
            plain = load_model(model, max_retries=0, trust_remote_code=config.trust_remote_code)
            loaded[key] = metered(plain, most=config.answers_in_flight, budget=budget)
        return loaded[key]

    return load


def metered(
    model: BaseChatModel, *, most: int, budget: Budget | None, deadline_s: float | None = None
) -> BaseChatModel:
    """`model` with at most `most` calls in flight, each of `deadline_s` seconds at most, paid from `budget`.

    A model that runs in this process is free and takes what calls it gets; without a deadline it is itself.
    """
    if in_process(model) and deadline_s is None:
        return model
    return MeteredModel(
        inner=model,
        throttle=Throttle(model_name(model), most),
        budget=None if in_process(model) else budget,
        deadline_s=deadline_s,
        cache=model.cache,
        rate_limiter=model.rate_limiter,
        profile=model.profile,
    )


class MeteredModel(BaseChatModel):
    """Answers as `inner` does and shows itself as `inner` to ledgers and tracers. For async runs only.

    The deadline runs from when the call is made, not while it waits for its turn. A call beyond it is a TimeoutError.
    """

    inner: BaseChatModel
    throttle: Throttle
    budget: Budget | None = None
    deadline_s: float | None = None

    def __getattr__(self, name: str) -> Any:
        """What else `inner` has, such as a seed or the address of its server."""
        if name.startswith("_"):
            return super().__getattr__(name)  # type: ignore[misc] # pydantic has it at run time
        return getattr(self.inner, name)

    @property
    def _llm_type(self) -> str:
        return self.inner._llm_type

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return dict(self.inner._identifying_params)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return self.inner._get_ls_params(stop, **kwargs)

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return self.inner._get_invocation_params(stop, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("a metered model waits for its turn and its budget: ask it in an async run")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        async def once() -> ChatResult:
            async with asyncio.timeout(self.deadline_s):
                return await self.inner._agenerate(messages, stop, run_manager, **kwargs)

        async def ask() -> ChatResult:
            return await self.throttle.call(once)

        if self.budget is None:
            return await ask()
        return await self.budget.call(worst_case(self.inner, messages, kwargs), ask, self._cost)

    def _cost(self, result: ChatResult) -> float | None:
        reply = result.generations[0].message
        assert isinstance(reply, AIMessage)
        return price(self.inner, reply.usage_metadata)
