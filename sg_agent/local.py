"""A LangChain chat model that runs a transformers model, with an optional PEFT adapter, in this process.

Concurrent calls, from threads as from asyncio, are decoded together (see batching.py). Text only: no tools, no images.
"""

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr, ValidationError

from sg_agent.errors import ConfigError, DataError, MissingExtra
from sg_agent.likelihood import likelihood
from sg_agent.weights import Weights, load_weights

try:
    from sg_agent.batching import Engine, Reply
    from sg_agent.chat_template import ChatTemplate
    from sg_agent.decoding import Sampling
    from sg_agent.seq2seq import PlainText, Seq2SeqEngine
except ImportError as error:
    raise MissingExtra("sg_agent.local", "local") from error

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class Loaded:
    """Weights with their engine, shared by every model object that names the same ones."""

    def __init__(self, weights: Weights, *, max_batch: int, max_batch_tokens: int) -> None:
        seq2seq = weights.model.config.is_encoder_decoder
        self.weights, self.chat = weights, (PlainText if seq2seq else ChatTemplate)(weights.tokenizer)
        self.engine = (Seq2SeqEngine if seq2seq else Engine)(
            weights.model, weights.tokenizer, ends=weights.ends, max_batch=max_batch, max_batch_tokens=max_batch_tokens
        )


_loaded: "weakref.WeakValueDictionary[tuple[Any, ...], Loaded]" = weakref.WeakValueDictionary()
_loading = threading.Lock()


class LocalChatModel(BaseChatModel):
    """`LocalChatModel(model="path or hub id", adapter="path or hub id")`; the weights are loaded at once, and shared.

    temperature (0 is greedy), top_p, seed, stop and max_tokens may also be given per call. A seed makes a sampled reply
    reproducible, whatever is decoded beside it. max_tokens is a limit, not a reservation: a reply ends where the
    context window ends. Raises ModelError for weights that cannot be used, DataError for a prompt that is too long.
    """

    model: str
    adapter: str | None = None
    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int | None = None
    stop: list[str] | None = None
    max_tokens: int = Field(default=1024, ge=1)
    trust_remote_code: bool = False
    device: str | None = None
    max_batch: int = Field(default=64, ge=1)
    max_batch_tokens: int = Field(default=65_536, ge=1)

    _loaded: Loaded = PrivateAttr()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Not in a validator: pydantic would wrap our errors.
        key = (self.model, self.adapter, self.trust_remote_code, self.device, self.max_batch, self.max_batch_tokens)
        with _loading:
            loaded = _loaded.get(key)
            if loaded is None:
                weights = load_weights(
                    self.model, self.adapter, trust_remote_code=self.trust_remote_code, device=self.device
                )
                loaded = Loaded(weights, max_batch=self.max_batch, max_batch_tokens=self.max_batch_tokens)
                _loaded[key] = loaded
        self._loaded = loaded

    def with_model(self, model: "PreTrainedModel | PeftModel") -> "LocalChatModel":
        """The same tokenizer and settings over other weights, such as those a trainer still holds."""
        network: Any = model
        weights = replace(self._loaded.weights, model=network.eval())
        copy = self.model_copy()
        copy._loaded = Loaded(weights, max_batch=self.max_batch, max_batch_tokens=self.max_batch_tokens)
        return copy

    @classmethod
    def over(cls, weights: Weights, *, model: str, max_tokens: int) -> "LocalChatModel":
        """A greedy model over weights that are loaded already; `model` is what they are called."""
        copy = cls.model_construct(model=model, max_tokens=max_tokens)
        copy._loaded = Loaded(weights, max_batch=copy.max_batch, max_batch_tokens=copy.max_batch_tokens)
        return copy

    @property
    def weights(self) -> Weights:
        """The loaded model with its tokenizer."""
        return self._loaded.weights

    def prompt_tokens(self, messages: list[BaseMessage]) -> list[int]:
        """The token ids that the model reads for `messages`, up to where its reply begins."""
        return self._loaded.chat.encode(messages)

    @property
    def model_name(self) -> str:
        """The model as a spec names it, without its provider."""
        return f"{self.model}@{self.adapter}" if self.adapter else self.model

    @property
    def forwards(self) -> int:
        """Forward passes of the shared weights so far."""
        return self._loaded.engine.forwards

    @property
    def _llm_type(self) -> str:
        return "local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "adapter": self.adapter, **self._settings()}

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in Sampling.model_fields}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        kwargs.setdefault("model", self.model_name)
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "local"
        return params

    def together(self) -> AbstractContextManager[None]:
        """What is submitted within this context is decoded in one batch, the same in every run."""
        return self._loaded.engine.together()

    def submit(self, messages: list[BaseMessage], **settings: Any) -> "tuple[list[int], Future[Reply]]":
        """The prompt's token ids, and the reply with its tokens as it will be: for training, which needs both.

        `settings` as in a call. Raises what a call does.
        """
        return self._submit(messages, None, settings)

    def get_token_ids(self, text: str) -> list[int]:
        """The model's own token ids of a text."""
        return self._loaded.chat.tokens(text)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        _, future = self._submit(messages, stop, kwargs)
        try:
            return self._result(future.result())
        finally:
            future.cancel()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> ChatResult:
        _, future = self._submit(messages, stop, kwargs)
        return self._result(await asyncio.wrap_future(future))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        texts: SimpleQueue[str | None] = SimpleQueue()
        _, future = self._submit(messages, stop, kwargs, on_text=texts.put)
        future.add_done_callback(lambda _: texts.put(None))
        try:
            while (text := texts.get()) is not None:
                yield ChatGenerationChunk(message=AIMessageChunk(content=text))
            yield self._last_chunk(future.result())
        finally:
            future.cancel()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        texts: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def put(text: str | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(texts.put_nowait, text)

        _, future = self._submit(messages, stop, kwargs, on_text=put)
        future.add_done_callback(lambda _: put(None))
        try:
            while (text := await texts.get()) is not None:
                yield ChatGenerationChunk(message=AIMessageChunk(content=text))
            yield self._last_chunk(future.result())
        finally:
            future.cancel()

    def _submit(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        settings: dict[str, Any],
        *,
        on_text: Callable[[str], None] = lambda _: None,
    ) -> "tuple[list[int], Future[Reply]]":
        sampling = self._sampling(stop, settings)
        prompt = self._loaded.chat.encode(messages)
        limit = sampling.max_tokens or self.max_tokens
        window = self._loaded.weights.window
        if window is not None:
            if len(prompt) > window - 1:
                raise DataError(
                    f"the prompt has {len(prompt)} tokens; {self.model_name!r} takes at most {window - 1} "
                    f"(its context window of {window} less one for the reply)"
                )
            limit = min(limit, window - len(prompt))
        return prompt, self._loaded.engine.submit(prompt, sampling, limit=limit, on_text=on_text)

    def _sampling(self, stop: list[str] | None, settings: dict[str, Any]) -> Sampling:
        # LangChain passes its own `stream` through.
        given = {name: value for name, value in settings.items() if value is not None and name != "stream"}
        if stop is not None:
            given["stop"] = stop
        try:
            return Sampling.model_validate({**self._settings(), **given})
        except ValidationError as error:
            first = error.errors()[0]
            name, accepted = first["loc"][0], ", ".join(Sampling.model_fields)
            raise ConfigError(
                f"call setting {name}={first['input']!r}: {first['msg']}; a local model accepts {accepted}"
            ) from error

    def _result(self, reply: Reply) -> ChatResult:
        message = AIMessage(
            content=reply.text, usage_metadata=_usage(reply), response_metadata=self._response_metadata(reply)
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _last_chunk(self, reply: Reply) -> ChatGenerationChunk:
        message = AIMessageChunk(
            content="",
            usage_metadata=_usage(reply),
            response_metadata=self._response_metadata(reply),
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)

    def _response_metadata(self, reply: Reply) -> dict[str, Any]:
        return {
            "finish_reason": reply.finish,
            "model_name": self.model_name,
            "model_provider": "local",
            **likelihood(reply.logprobs),
        }


def _usage(reply: Reply) -> UsageMetadata:
    written = len(reply.tokens)
    return UsageMetadata(
        input_tokens=reply.input_tokens, output_tokens=written, total_tokens=reply.input_tokens + written
    )
