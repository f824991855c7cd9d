"""OpenTelemetry spans of graphs, nodes, tools and model calls, by the GenAI semantic conventions. docs/tracing.md

    graph.invoke(question, config={"callbacks": [OtelTracer()]})   # one run
    with traced(): ...                                             # every run within

Not recorded: chains that are neither graph nor node, such as conditional edges; and no text, unless `content=True`.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.context import register_configure_hook
from langgraph.errors import GraphBubbleUp

from sg_agent.errors import MissingExtra
from sg_agent.ledger import IN_PROCESS, Source
from sg_agent.span_attributes import Attributes, answered, as_json, asked, known, outcome

try:
    from opentelemetry import context, trace
except ImportError as error:
    raise MissingExtra("tracing", "otel") from error

NO_FAILURE = (GraphBubbleUp, GeneratorExit)  # a pause for a person, a stream that nobody reads on


@dataclass(eq=False)
class Run:
    """A run that has not ended. One without a span leaves its children to the span around it."""

    name: str
    parent: "Run | None"
    outer: context.Context  # OpenTelemetry's own, from before the outermost run
    start: int  # nanoseconds
    span: trace.Span | None = None
    source: Source | None = None
    attached: tuple[context.Context, Any] | None = None
    children: set[UUID] = field(default_factory=set)

    @property
    def outside(self) -> context.Context:
        """The context that this run's span belongs in."""
        return self.parent.inside if self.parent else self.outer

    @property
    def inside(self) -> context.Context:
        """The context that the spans of its children belong in."""
        return trace.set_span_in_context(self.span, self.outer) if self.span else self.outside


class OtelTracer(BaseCallbackHandler):
    """Turns LangChain's runs into spans of `provider`, by default the global one. Safe for any number of runs at once.

    `content` also records the messages and replies of model calls. While a node calls a model, that call's span is the
    current one, so that the spans of an instrumented HTTP client are its children.
    """

    run_inline = True  # in the thread or task of the run, as OpenTelemetry's context requires

    def __init__(self, provider: trace.TracerProvider | None = None, *, content: bool = False) -> None:
        self._tracer = trace.get_tracer("sg_agent", version("sg-agent"), provider)
        self._content = content
        self._runs: dict[UUID, Run] = {}
        self._lock = threading.Lock()

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,  # noqa: ARG002 - LangChain's signature
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        run = self._begin(run_id, parent_run_id, name or "chain")
        if run.name.startswith("__") or not any(tag.startswith("graph:step:") for tag in tags or ()):
            return
        if run.parent:
            self._show_graph(run.parent, metadata or {})
        attempt = inputs.get("index") if run.name in ("solve", "stronger") and isinstance(inputs, dict) else None
        run.span = self._tracer.start_span(run.name, run.outside, attributes=known({"sg_agent.attempt": attempt}))

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        self._end(run_id, outcome(outputs) if isinstance(outputs, dict) else {})

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        self._end(run_id, {}, error)

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,  # noqa: ARG002
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        name: str | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        run = self._begin(run_id, parent_run_id, name or (serialized or {}).get("name") or "tool")
        attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": run.name}
        run.span = self._tracer.start_span(f"execute_tool {run.name}", run.outside, attributes=attributes)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        self._end(run_id, {})

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        self._end(run_id, {}, error)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        made_with, params = (serialized or {}).get("kwargs", {}), metadata or {}
        source = Source.traced(params, made_with.get("openai_api_base"), unnamed="unknown")
        attributes = asked(source, params, kwargs.get("invocation_params") or {})
        if self._content:
            attributes["gen_ai.input.messages"] = as_json(messages[0])
        run = self._begin(run_id, parent_run_id, f"chat {attributes['gen_ai.request.model']}")
        kind = trace.SpanKind.INTERNAL if source.provider in IN_PROCESS else trace.SpanKind.CLIENT
        run.source = source
        run.span = self._tracer.start_span(run.name, run.outside, kind, attributes)
        if "langgraph_node" in params:  # LangGraph runs a node in a context of its own: nothing attached outlives it
            current = trace.set_span_in_context(run.span)
            run.attached = (current, context.attach(current))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        run, generation = self._runs.get(run_id), response.generations[0][0]
        if run and run.source and isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
            attributes = answered(run.source, generation.message)
            if self._content:
                finish = attributes.get("gen_ai.response.finish_reasons", ["stop"])[0]
                attributes["gen_ai.output.messages"] = as_json([generation.message], finish_reason=finish)
            self._end(run_id, attributes)
        else:
            self._end(run_id, {})

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        self._end(run_id, {}, error)

    def _begin(self, run_id: UUID, parent_run_id: UUID | None, name: str) -> Run:
        parent = self._runs.get(parent_run_id) if parent_run_id else None
        outer = parent.outer if parent else context.get_current()
        run = self._runs[run_id] = Run(name, parent, outer, time.time_ns())
        if parent:
            parent.children.add(run_id)
        return run

    def _show_graph(self, run: Run, metadata: dict[str, Any]) -> None:
        """The span of a graph, which is known to be one when its first node starts."""
        attributes = {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": run.name,
            "gen_ai.conversation.id": metadata.get("thread_id"),
        }
        with self._lock:
            if run.span is None:
                name = f"invoke_workflow {run.name}"
                run.span = self._tracer.start_span(
                    name, run.outside, attributes=known(attributes), start_time=run.start
                )

    def _end(self, run_id: UUID, attributes: Attributes, error: BaseException | None = None) -> None:
        """End a run, and with it what a cancelled task has left open inside."""
        run = self._runs.pop(run_id, None)
        if run is None:
            return
        if run.parent:
            run.parent.children.discard(run_id)
        for child in list(run.children):
            self._end(child, {}, error)
        if run.attached and context.get_current() is run.attached[0]:
            context.detach(run.attached[1])
        if run.span is None:
            return
        run.span.set_attributes(attributes)
        if error is not None and not isinstance(error, NO_FAILURE):
            run.span.set_attribute("error.type", type(error).__name__)
            run.span.set_status(trace.StatusCode.ERROR)
        run.span.end()


_active: ContextVar[OtelTracer | None] = ContextVar("sg_agent_tracer", default=None)
register_configure_hook(_active, inheritable=True, handle_class=OtelTracer)


@contextmanager
def traced(tracer: OtelTracer | None = None) -> Iterator[None]:
    """Trace every LangChain and LangGraph run that starts within, evals and servers included."""
    token = _active.set(tracer or OtelTracer())
    try:
        yield
    finally:
        _active.reset(token)
