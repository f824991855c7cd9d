"""`--trace`: spans reach a collector by OTLP; without one it is refused, and one that is down stops nobody."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage
from otlp_collector import Collector, otlp_collector
from typer.testing import CliRunner
from upstream import upstream

from sg_agent.cli import app
from sg_agent.evals.suites import load_suite
from sg_agent.models import parse_spec
from sg_agent.scripted import ScriptedModel

QUESTION = load_suite("depot", limit=1).rows[0].question
PLAN = "1. Start with the pens.\n2. Subtract Tuesday."


def reply(messages: list[BaseMessage]) -> str:
    return PLAN if "Write a" in str(messages[0].content) else "Answer: 8"


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sg_agent.cli.request.check_spec", parse_spec)
    monkeypatch.setattr("sg_agent.cli.request.load_model", lambda *args, **kwargs: ScriptedModel(replies=reply))
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with otlp_collector() as server:
        yield server


@pytest.mark.parametrize("shown", ["--json", "--stream"])
def test_spans_reach_the_collector(shown: str, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    done = CliRunner().invoke(app, ["ask", QUESTION, "--trace", shown])
    assert done.exit_code == 0, done.output
    [(path, request)] = collector.posted
    assert path == "/v1/traces"
    [resource] = request.resource_spans
    assert "mine" in [item.value.string_value for item in resource.resource.attributes if item.key == "service.name"]
    assert collector.names() == {"invoke_workflow guided", "route", "guide", "check", "solve", "vote", "chat scripted"}


@pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")  # Inspect AI leaves streams open
def test_the_spans_of_an_eval_reach_the_collector(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    with upstream() as solver:
        flags = ["--arms", "standard", "--limit", "2", "--solver", solver.spec, "--out", str(tmp_path / "run")]
        done = CliRunner().invoke(app, ["eval", "depot", *flags, "--trace"])
    assert done.exit_code == 0, done.output
    assert {"invoke_workflow standard", "route", "solve", "vote", "chat upstream"} <= collector.names()


def test_nothing_is_sent_unless_asked(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
    assert CliRunner().invoke(app, ["ask", QUESTION]).exit_code == 0
    assert collector.posted == []


def test_a_collector_that_is_down_costs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    done = CliRunner().invoke(app, ["ask", QUESTION, "--trace"])
    assert done.exit_code == 0, done.output
    assert "answer: 8" in done.stdout


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OTEL_SERVICE_NAME", "mine", "--trace needs a collector: OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf, not as 'grpc'"),
    ],
)
def test_what_cannot_be_sent_is_refused_first(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.endswith("PROTOCOL"):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["ask", QUESTION, "--trace"])
    assert done.exit_code == 2
    assert message in done.stderr


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    done = CliRunner().invoke(app, ["ask", QUESTION, "--trace"])
    assert done.exit_code == 2
    assert 'pip install "sg-agent[otel]"' in done.stderr
