"""The code in the pages under docs/ is run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
CODE = [
    pytest.param(block, id=f"{path.stem}-{number}")
    for path in sorted(DOCS.glob("*.md"))
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", path.read_text("utf-8"), re.M | re.S), 1)
]


@pytest.mark.slow
@pytest.mark.parametrize("code", CODE)
def test_python_blocks_run(code: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error::DeprecationWarning:sg_agent", "-c", code]
    subprocess.run(command, check=True, cwd=tmp_path)


def test_there_are_some() -> None:
    assert CODE
