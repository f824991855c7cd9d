"""`--trace`: the spans of what is served reach the collector."""

import os
from pathlib import Path

import httpx
import pytest
from otlp_collector import otlp_collector
from serve_process import running
from serving import body
from typer.testing import CliRunner
from upstream import upstream

from sg_agent.cli import app


@pytest.mark.slow
def test_the_spans_of_a_request_arrive(tmp_path: Path) -> None:
    with upstream() as solver, otlp_collector() as collector:
        environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        flags = ["--solver", f"u={solver.spec}", "--guide", solver.spec, "--trace"]
        with running(flags, tmp_path, environment=environment) as address:
            reply = httpx.post(f"{address}/v1/chat/completions", json=body("guided/u"), timeout=60)
            assert reply.status_code == 200
        assert {"invoke_workflow guided", "route", "guide", "check", "solve", "vote"} <= collector.names()


def test_several_workers_are_refused() -> None:
    done = CliRunner().invoke(app, ["serve", "--trace", "--workers", "2"])
    assert (done.exit_code, "--workers" in done.stderr) == (2, True)
