"""The code of docs/langgraph.md is run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "langgraph.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("code", CODE)
def test_python_blocks_run(code: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error::DeprecationWarning:sg_agent", "-c", code]
    subprocess.run(command, check=True, cwd=tmp_path)


def test_there_is_a_block_for_each_of_the_five_patterns() -> None:
    assert len(CODE) == 5
