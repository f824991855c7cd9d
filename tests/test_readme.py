"""The README's code is run, and what it names exists."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line.split(" #")[0].strip() for kind, block in BLOCKS if kind == "bash" for line in block.splitlines()]
PROGRAM = Path(sys.executable).with_name("sg-agent")
CODE = [block for kind, block in BLOCKS if kind == "python"]


def test_every_bash_line_is_make_or_the_program() -> None:
    assert COMMANDS
    assert all(command.startswith(("make ", "sg-agent ")) for command in COMMANDS)


@pytest.mark.parametrize("target", [command.split()[1] for command in COMMANDS if command.startswith("make ")])
def test_every_make_target_exists(target: str) -> None:
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("path", re.findall(r"`(sg_agent/[\w/.]+)`", README))
def test_every_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.slow
@pytest.mark.parametrize("code", CODE)
def test_python_blocks_run(code: str) -> None:
    subprocess.run([sys.executable, "-W", "error::DeprecationWarning:sg_agent", "-c", code], check=True)


@pytest.mark.slow
def test_commands_run(tmp_path: Path) -> None:
    """In one folder, in the order of the README: later ones use what earlier ones made."""
    for command in COMMANDS:
        if command.startswith("sg-agent "):
            subprocess.run([str(PROGRAM), *shlex.split(command)[1:]], cwd=tmp_path, check=True)
