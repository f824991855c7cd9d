"""The ledger of a graph of the user's own: every model call that LangChain's callbacks tell of, priced as ours are."""

import time
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from sg_agent.ledger import CallRecord, Source, reply_record
from sg_agent.prices import Prices

UNKNOWN = Source("unknown", "unknown")


class Calls(BaseCallbackHandler):
    """Listens to one run. `failure` is the error of the last call, None when it was answered: a graph that swallows an
    outage has no answer, one that tried again or fell back has.
    """

    raise_error = True  # a call that cannot be recorded must not be a call for free

    def __init__(self, prices: Prices | None = None) -> None:
        self._prices = prices
        self.failure: BaseException | None = None
        self._started: dict[UUID, tuple[float, Source]] = {}
        self._answered: list[CallRecord] = []

    @property
    def ledger(self) -> list[CallRecord]:
        """A record per answered call. A graph that let nothing be seen has used nobody knows what."""
        return self._answered or [reply_record("solver", UNKNOWN, AIMessage(""), latency_s=0.0)]

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[BaseMessage]],  # noqa: ARG002 - LangChain's signature
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        made_with = (serialized or {}).get("kwargs", {})
        source = Source.traced(metadata or {}, made_with.get("openai_api_base"), unnamed="unknown")
        self._started[run_id] = (time.perf_counter(), source)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        self.failure = None
        now = time.perf_counter()
        started, source = self._started.pop(run_id, (now, UNKNOWN))
        generation = response.generations[0][0]
        message = generation.message if isinstance(generation, ChatGeneration) else None
        reply = message if isinstance(message, AIMessage) else AIMessage("")
        self._answered.append(reply_record("solver", source, reply, latency_s=now - started, prices=self._prices))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        self._started.pop(run_id, None)
        self.failure = error
