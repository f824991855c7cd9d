"""A hosted model as we ask it: throttled while it is overloaded, within a deadline, paid for from a budget."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from sg_agent.budget import Budget, Payment, worst_case
from sg_agent.ledger import RETRIES, in_process, price
from sg_agent.models import model_name
from sg_agent.prices import Prices
from sg_agent.throttle import PATIENCE_S, Throttle, Tries


def metered(
    model: BaseChatModel,
    *,
    most: int,
    budget: Budget | None = None,
    deadline_s: float | None = None,
    patience_s: float = PATIENCE_S,
    prices: Prices | None = None,
) -> BaseChatModel:
    """`model` with at most `most` calls in flight, each of `deadline_s` seconds at most, paid from `budget`.

    A model that refuses every call for `patience_s` seconds is given up, as `Throttle` says.
    A model that runs in this process is free and takes what calls it gets; without a deadline it is itself. Load a
    hosted one with `max_retries=0`: its client's own retries would hide refusals from the throttle.
    """
    if in_process(model) and deadline_s is None:
        return model
    return MeteredModel(
        inner=model,
        throttle=Throttle(model_name(model), most, patience_s=patience_s),
        budget=None if in_process(model) else budget,
        deadline_s=deadline_s,
        prices=prices,
        cache=model.cache,
        rate_limiter=model.rate_limiter,
        profile=model.profile,
        disable_streaming=model.disable_streaming or not _streams(model),
    )


class MeteredModel(BaseChatModel):
    """Answers and streams as `inner` does and shows itself as `inner` to ledgers and tracers. For async runs only.

    The deadline is for a whole call, and runs from when it is made, not while it waits for its turn: a call beyond it
    is a TimeoutError. A refused call is made again; a stream only as long as no part of it was handed on. The counts
    for metrics are `throttle.load`.
    """

    inner: BaseChatModel
    throttle: Throttle
    budget: Budget | None = None
    deadline_s: float | None = None
    prices: Prices | None = None

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
        # Sync graphs call from threads: a throttle and a budget for those would be others than the event loop's.
        raise NotImplementedError("a metered model waits for its turn and its budget: ask it in an async run")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        tries = Tries()

        async def once() -> ChatResult:
            async with asyncio.timeout(self.deadline_s):
                return await self.inner._agenerate(messages, stop, run_manager, **kwargs)

        async with AsyncExitStack() as stack:
            payment = await self._pay(stack, messages, kwargs)
            result = await self.throttle.call(once, tries)
            reply = result.generations[0].message
            assert isinstance(reply, AIMessage)
            if payment:
                payment.cost_usd = self._cost(reply.usage_metadata)
            if tries.refused:
                reply.response_metadata[RETRIES] = tries.refused
            return result

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        tries = Tries()
        usage: UsageMetadata | None = None
        begun = False

        def once() -> AsyncGenerator[ChatGenerationChunk]:
            return _until(self.inner._astream(messages, stop, run_manager, **kwargs), self.deadline_s)

        async with AsyncExitStack() as stack:
            payment = await self._pay(stack, messages, kwargs)
            async with aclosing(self.throttle.stream(once, tries)) as chunks:
                async for chunk in chunks:
                    begun = True
                    usage = _with_usage(usage, chunk)
                    if payment:
                        payment.begun = True
                    if tries.refused:  # none can follow
                        chunk.message.response_metadata[RETRIES] = tries.refused
                        tries.refused = 0
                    yield chunk
            if not begun:
                raise ConnectionError("the reply broke off before it began")
            if payment:
                payment.cost_usd = self._cost(usage)

    async def _pay(
        self, stack: AsyncExitStack, messages: list[BaseMessage], settings: dict[str, Any]
    ) -> Payment | None:
        if self.budget is None:
            return None
        worst = worst_case(self.inner, messages, settings, prices=self.prices)
        return await stack.enter_async_context(self.budget.payment(worst))

    def _cost(self, usage: UsageMetadata | None) -> float | None:
        return price(self.inner, usage, prices=self.prices)


async def _until(
    chunks: AsyncIterator[ChatGenerationChunk], deadline_s: float | None
) -> AsyncGenerator[ChatGenerationChunk]:
    """`chunks`, each waited for until `deadline_s` seconds from now at most; who reads them is never interrupted."""
    end = None if deadline_s is None else asyncio.get_running_loop().time() + deadline_s
    try:
        while True:
            async with asyncio.timeout_at(end):
                try:
                    chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
            yield chunk
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


def _with_usage(usage: UsageMetadata | None, chunk: ChatGenerationChunk) -> UsageMetadata | None:
    found = chunk.message.usage_metadata if isinstance(chunk.message, AIMessageChunk) else None
    return usage if found is None else add_usage(usage, found)


def _streams(model: BaseChatModel) -> bool:
    """Whether the model has a stream of its own."""
    own = type(model)
    return own._astream is not BaseChatModel._astream or own._stream is not BaseChatModel._stream
