"""The code of docs/tracing.md is run, and its spans arrive."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from otlp_collector import otlp_collector

DOCS = (Path(__file__).parent.parent / "docs" / "tracing.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL))
PROGRAM = Path(sys.executable).with_name("sg-agent")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["python", "bash"])
def test_what_the_docs_say_sends_spans(kind: str) -> None:
    if kind == "python":
        command = [sys.executable, "-c", BLOCKS[kind]]
    else:
        [line] = [line for line in BLOCKS[kind].splitlines() if line.startswith("sg-agent ")]
        command = [str(PROGRAM), *shlex.split(line)[1:]]
    with otlp_collector() as collector:
        env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        subprocess.run(command, env=env, check=True, timeout=300)
        assert {"invoke_workflow guided", "route", "guide", "check", "solve", "vote"} <= collector.names()
