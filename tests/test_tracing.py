"""The spans of real runs, read from OpenTelemetry's in-memory exporter."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest
from chat_server import chat_server
from langchain_core.caches import InMemoryCache
from langchain_core.messages import BaseMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sg_agent import EvalConfig, ScriptedModel, Settings, auto, guided, load_model, run_eval
from sg_agent.gate.decision import Decision
from sg_agent.gate.policy import ByFunction, Never
from sg_agent.graphs import QuestionInput
from sg_agent.rows import Row
from sg_agent.tracing import OtelTracer, traced

PLAN = "1. Start with the lamps.\n2. Add the SECRET crates."
QUESTION: QuestionInput = {"question": "The SECRET depot has 3 lamps. On Monday 4 came. How many?", "task": "math"}
REPLY = "3 + 4 = 7, which is SECRET\nAnswer: 7"


class Spans:
    """The finished spans, and a provider whose tracers make more."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def tree(self) -> list[str]:
        """Every span as "root / ... / name", in alphabetical order. All must be of one trace."""
        assert len({span.context.trace_id for span in self.all}) == 1
        by_id = {span.context.span_id: span for span in self.all}

        def path(span: ReadableSpan) -> str:
            parent = by_id[span.parent.span_id] if span.parent else None
            return f"{path(parent)} / {span.name}" if parent else span.name

        return sorted(path(span) for span in self.all)

    def attributes(self, name: str) -> dict[str, Any]:
        """Of the first span of that name."""
        return dict(next(span for span in self.all if span.name == name).attributes or {})

    def text(self) -> str:
        return "".join(span.to_json() for span in self.all)


@pytest.fixture
def spans() -> Iterator[Spans]:
    made = Spans()
    yield made
    made.provider.shutdown()


def always(text: str) -> ScriptedModel:
    return ScriptedModel(replies=lambda messages: text)


def on(spans: Spans, *, content: bool = False) -> Any:
    return {"callbacks": [OtelTracer(spans.provider, content=content)]}


GUIDED_TREE = [
    "invoke_workflow guided",
    "invoke_workflow guided / check",
    "invoke_workflow guided / guide",
    "invoke_workflow guided / guide / chat scripted",
    "invoke_workflow guided / route",
    "invoke_workflow guided / solve",
    "invoke_workflow guided / solve",
    "invoke_workflow guided / solve / chat scripted",
    "invoke_workflow guided / solve / chat scripted",
    "invoke_workflow guided / vote",
]


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
def test_every_way_of_running_gives_the_same_tree(how: str, spans: Spans) -> None:
    graph = guided(always(PLAN), always(REPLY)).compile(name="guided")
    asked: Any = {"context": Settings(attempts=2), "config": on(spans)}

    async def run() -> None:
        if how == "ainvoke":
            await graph.ainvoke(QUESTION, **asked)
        else:
            assert [part async for part in graph.astream(QUESTION, stream_mode="messages", **asked)]

    if how == "invoke":
        graph.invoke(QUESTION, **asked)
    elif how == "stream":
        assert list(graph.stream(QUESTION, stream_mode="messages", **asked))
    else:
        asyncio.run(run())
    assert spans.tree() == GUIDED_TREE


def test_no_word_of_question_guidance_or_reply_is_recorded_unless_asked(spans: Spans) -> None:
    graph = guided(always(PLAN), ScriptedModel(replies=[RuntimeError("SECRET"), REPLY])).compile()
    graph.invoke(QUESTION, on(spans), context=Settings(attempts=2))
    assert "chat scripted" in spans.text()
    assert "SECRET" not in spans.text()


@pytest.mark.parametrize(
    ("guide", "reason"),
    [
        (always("1. Add.\n2. 3 + 4 = 7."), "guidance was not usable: the plan holds a computed value"),
        (ScriptedModel(replies=lambda _: RuntimeError("SECRET: key: sk-1")), "the guide failed: RuntimeError"),
    ],
)
def test_a_reason_quotes_neither_guidance_nor_error(guide: ScriptedModel, reason: str, spans: Spans) -> None:
    guided(guide, always("Answer: 7")).compile(name="guided").invoke(QUESTION, on(spans))
    said = spans.attributes("invoke_workflow guided")
    assert (said["sg_agent.route"], said["sg_agent.reason"]) == ("direct", reason)
    assert "SECRET" not in spans.text()


def asks(row: Row) -> Decision:
    return {"route": "direct", "scores": {}, "threshold": None, "reason": f"it: asks » {row.question}"}


def breaks(row: Row) -> Decision:
    raise ValueError(row.question)


@pytest.mark.parametrize(
    ("function", "reason"), [(asks, "the policy's own"), (breaks, "the policy failed: ValueError; guided, to be safe")]
)
def test_a_policy_of_the_users_own_is_not_quoted(function: Any, reason: str, spans: Spans) -> None:
    graph = auto(always(PLAN), always(REPLY), policy=ByFunction(function)).compile(name="auto")
    output = graph.invoke(QUESTION, on(spans))
    assert "SECRET" in output["decision"]["reason"], "the state has it whole"
    assert spans.attributes("invoke_workflow auto")["sg_agent.decision.reason"] == reason
    assert "SECRET" not in spans.text()


def test_content_is_recorded_in_the_form_of_the_conventions_when_asked(spans: Spans) -> None:
    guided(always(PLAN), always(REPLY)).compile().invoke(QUESTION, on(spans, content=True))
    said = spans.attributes("chat scripted")
    messages = json.loads(said["gen_ai.input.messages"])
    assert [message["role"] for message in messages] == ["system", "user"]
    assert "SECRET depot" in messages[1]["parts"][0]["content"]
    part = {"type": "text", "content": PLAN}
    assert json.loads(said["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [part], "finish_reason": "stop"}
    ]


def test_nodes_and_graph_say_what_was_decided_and_what_it_cost(spans: Spans) -> None:
    guided(always(PLAN), always(REPLY)).compile(name="guided").invoke(QUESTION, on(spans))
    passed = "guidance passed the check (draft 1 of the guide)"
    assert spans.attributes("check") == {"sg_agent.route": "guided", "sg_agent.reason": passed}
    assert spans.attributes("guide") == {
        "sg_agent.role": "guide",
        "sg_agent.cached": False,
        "sg_agent.cost_usd": 0.0,
    }
    assert spans.attributes("solve") == {
        "sg_agent.role": "solver",
        "sg_agent.cached": False,
        "sg_agent.cost_usd": 0.0,
        "sg_agent.attempt": 0,
    }
    assert spans.attributes("invoke_workflow guided") == {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": "guided",
        "sg_agent.route": "guided",
        "sg_agent.reason": passed,
        "sg_agent.cost_usd": 0.0,
    }


def test_what_a_policy_decided_is_on_the_graph_and_on_the_node(spans: Spans) -> None:
    graph = auto(always(PLAN), always("no idea"), policy=Never(), stronger=always(REPLY)).compile(name="auto")
    graph.invoke(QUESTION, config={"callbacks": [OtelTracer(spans.provider)]})
    expected = {
        "sg_agent.decision.route": "direct",
        "sg_agent.decision.reason": "never guided",
        "sg_agent.recheck.route": "escalate",
        "sg_agent.recheck.threshold": 0.5,
        "sg_agent.recheck.score.agreement": 0.0,
    }
    assert expected.items() <= spans.attributes("invoke_workflow auto").items()
    assert spans.attributes("gate")["sg_agent.decision.route"] == "direct"
    assert spans.attributes("judge")["sg_agent.recheck.reason"] == "no answer could be read, 50% must"


def test_a_call_of_a_server_follows_the_conventions(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-SECRET")
    with chat_server(lambda body: "Answer: 7") as server:
        solver = load_model(f"openai:gpt-4.1-mini@{server.base_url}")
        settings = Settings(temperature=0.5, max_tokens=30, seed=4)
        guided(always(PLAN), solver).compile().invoke(QUESTION, on(spans), context=settings)
    call = next(span for span in spans.all if span.name == "chat gpt-4.1-mini")
    assert call.kind is trace.SpanKind.CLIENT
    assert dict(call.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai-compatible",
        "gen_ai.request.model": "gpt-4.1-mini",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 30,
        "gen_ai.request.seed": 4,
        "server.address": "127.0.0.1",
        "server.port": server.server_port,
        "gen_ai.response.model": "gpt-4.1-mini",
        "gen_ai.response.id": "call",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 50,
        "gen_ai.usage.output_tokens": 5,
    }
    assert "SECRET" not in spans.text()


def test_a_call_that_failed_says_its_kind_of_error_and_the_graph_goes_on(spans: Spans) -> None:
    solver = ScriptedModel(replies=[RuntimeError("cut"), "Answer: 7"])
    guided(always(PLAN), solver).compile(name="guided").invoke(QUESTION, on(spans), context=Settings(attempts=2))
    failed = [span for span in spans.all if (span.attributes or {}).get("error.type") == "RuntimeError"]
    assert sorted(span.name for span in failed) == ["chat scripted", "solve"]
    assert all(span.status.status_code is trace.StatusCode.ERROR for span in failed)
    assert "error.type" not in spans.attributes("invoke_workflow guided")
    assert {span.attributes["sg_agent.attempt"] for span in spans.all if span.name == "solve" and span.attributes} == {
        0,
        1,
    }


def test_a_try_again_is_a_span_of_its_own(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    guided(always(PLAN), ScriptedModel(replies=[ConnectionError("reset"), REPLY])).compile().invoke(QUESTION, on(spans))
    assert [span.status.is_ok for span in spans.all if span.name == "solve"] == [False, True]


async def test_a_call_that_timed_out_leaves_no_span_open(spans: Spans) -> None:
    tracer = OtelTracer(spans.provider)
    slow = ScriptedModel(replies=lambda messages: PLAN, latency_s=30)
    graph = guided(slow, always("Answer: 7"), timeout=0.05).compile(name="guided")
    await asyncio.wait_for(graph.ainvoke(QUESTION, {"callbacks": [tracer]}), 20)
    failed = {span.name: (span.attributes or {})["error.type"] for span in spans.all if not span.status.is_ok}
    assert failed.keys() == {"guide", "chat scripted"}
    assert "invoke_workflow guided / guide / chat scripted" in spans.tree()
    assert tracer._runs == {}


async def test_a_run_that_was_cancelled_leaves_no_span_open(spans: Spans) -> None:
    tracer = OtelTracer(spans.provider)
    graph = guided(always(PLAN), ScriptedModel(replies=lambda messages: PLAN, latency_s=30)).compile(name="guided")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(graph.ainvoke(QUESTION, {"callbacks": [tracer]}), 1)
    assert "invoke_workflow guided / solve / chat scripted" in spans.tree()
    assert tracer._runs == {}


def test_a_stream_that_nobody_reads_on_is_no_error(spans: Spans) -> None:
    graph = guided(always(PLAN), always(REPLY)).compile(name="guided")
    stream = graph.stream(QUESTION, on(spans))
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined] # a generator
    assert [span.status.is_ok for span in spans.all if span.name == "invoke_workflow guided"] == [True]


@pytest.mark.parametrize("is_async", [False, True])
def test_spans_around_and_inside_join_the_trace(is_async: bool, spans: Spans) -> None:
    tracer = spans.provider.get_tracer("app")

    def reply(messages: list[BaseMessage]) -> str:
        with tracer.start_as_current_span("POST"):  # as an instrumented HTTP client would
            return "Answer: 7"

    graph = guided(always(PLAN), ScriptedModel(replies=reply)).compile(name="guided")
    with tracer.start_as_current_span("request") as request:
        if is_async:
            asyncio.run(graph.ainvoke(QUESTION, on(spans), context=Settings(attempts=3)))
        else:
            graph.invoke(QUESTION, on(spans), context=Settings(attempts=3))
        assert trace.get_current_span() is request
    inside = [path for path in spans.tree() if path.endswith("POST")]
    assert inside == ["request / invoke_workflow guided / solve / chat scripted / POST"] * 3


class AppState(TypedDict, total=False):
    question: str
    answer: str
    reason: str


def test_as_a_subgraph_and_as_a_tool_it_stands_in_the_apps_own_trace(spans: Spans) -> None:
    graph = guided(always(PLAN), always(REPLY)).compile(name="guided")

    @tool
    def ask(question: str) -> str:
        """Answer a question."""
        return str(graph.invoke({"question": question})["answer"])

    app: StateGraph[AppState] = StateGraph(AppState)
    app.add_node("sub", graph)
    app.add_node("agent", lambda state: {"answer": ask.invoke("The SECRET?"), "reason": "SECRET"})
    app.add_edge(START, "sub")
    app.add_edge("sub", "agent")
    app.add_edge("agent", END)
    app.compile(name="app").invoke(AppState(question="SECRET lamps?"), on(spans))
    tree = spans.tree()
    assert "invoke_workflow app / sub / invoke_workflow guided / solve / chat scripted" in tree
    assert "invoke_workflow app / agent / execute_tool ask / invoke_workflow guided / solve / chat scripted" in tree
    assert len(tree) == len(set(tree)) == 1 + 2 + 1 + 2 * 8
    assert "SECRET" not in spans.text()


def test_a_pause_for_a_person_is_no_error(spans: Spans) -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    app: StateGraph[AppState] = StateGraph(AppState)
    app.add_node("confirm", lambda state: {"answer": interrupt("sure?")})
    app.add_edge(START, "confirm")
    compiled = app.compile(checkpointer=InMemorySaver(), name="app")
    config: Any = {**on(spans), "configurable": {"thread_id": "t1"}}
    compiled.invoke(AppState(question="x"), config)
    assert [span.status.is_ok for span in spans.all] == [True, True]
    assert spans.attributes("invoke_workflow app")["gen_ai.conversation.id"] == "t1"


def test_a_reply_from_the_cache_is_marked(spans: Spans) -> None:
    solver = ScriptedModel(replies=["Answer: 7"], cache=InMemoryCache())
    graph = guided(always(PLAN), solver).compile()
    graph.invoke(QUESTION)
    graph.invoke(QUESTION, on(spans))
    assert spans.attributes("solve")["sg_agent.cached"] is True
    assert [span for span in spans.all if (span.attributes or {}).get("sg_agent.cached") and span.name[:4] == "chat"]


def test_traced_reaches_every_run_within_and_none_after(spans: Spans) -> None:
    graph = guided(always(PLAN), always(REPLY)).compile(name="guided")
    with traced(OtelTracer(spans.provider)):
        graph.invoke(QUESTION, on(spans), context=Settings(attempts=2))  # two tracers are not two spans
    graph.invoke(QUESTION)
    assert spans.tree() == GUIDED_TREE


def test_traced_reaches_evals(spans: Spans, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(json.dumps({"id": f"q{n}", "question": f"SECRET {n}?", "answer": "7"}) + "\n" for n in (1, 2))
    )
    with chat_server(lambda body: "Answer: 7") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "sk-SECRET")
        with traced(OtelTracer(spans.provider)):
            solver = f"openai:m@{server.base_url}"
            run_eval(EvalConfig(suite=str(rows), arms=("standard", "cot"), solver=solver, out=tmp_path / "run"))
    for arm in ("standard", "cot"):
        assert [span.name for span in spans.all].count(f"invoke_workflow {arm}") == 2
    assert [span.name for span in spans.all].count("chat m") == 4
    assert "SECRET" not in spans.text()
