"""The commands and the code of docs/serve.md are run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from serve_process import running

PAGE = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
START, KEYS = (block for kind, block in BLOCKS if kind == "bash")
(CODE,) = (block for kind, block in BLOCKS if kind == "python")
ENVIRONMENT = {**os.environ, "OPENAI_API_KEY": "none"}  # the models it names are loaded, not asked
PROGRAM = str(Path(sys.executable).with_name("sg-agent"))
ADDRESS = "http://127.0.0.1:8080"


def arguments(line: str) -> list[str]:
    """Those of a line that begins with `sg-agent serve`."""
    program, verb, *given = shlex.split(line)
    assert (program, verb) == ("sg-agent", "serve")
    return given


@pytest.mark.slow
def test_the_client_of_the_first_page_is_answered(tmp_path: Path) -> None:
    with running(arguments(START), tmp_path, environment=ENVIRONMENT) as address:
        assert ADDRESS in CODE
        command = [sys.executable, "-c", CODE.replace(ADDRESS, address)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    guidance, *_, last = ran.stdout.strip().splitlines()
    assert guidance
    assert "'solver'" in last


@pytest.mark.slow
def test_a_server_with_the_keys_of_the_page_asks_for_one(tmp_path: Path) -> None:
    key, serve = KEYS.strip().splitlines()
    made = subprocess.run(
        key.replace("sg-agent", shlex.quote(PROGRAM), 1),
        shell=True, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    secret = made.stderr.split()[-1]
    with running(arguments(serve), tmp_path) as address:
        code = CODE.replace(ADDRESS, address)
        outcomes = [
            subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120, check=False)
            for text in (code, code.replace('api_key="none"', f"api_key={secret!r}"))
        ]
    assert "AuthenticationError" in outcomes[0].stderr
    assert outcomes[1].returncode == 0, outcomes[1].stderr


def test_every_flag_that_the_page_names_is_one() -> None:
    told = subprocess.run([PROGRAM, "serve", "--help"], capture_output=True, text=True, check=True).stdout
    missing = {flag for flag in re.findall(r"--[a-z][a-z-]+", PAGE) if flag not in told}
    assert missing <= {"--requests-per-minute", "--max-usd-per-day"}  # of `sg-agent key`
