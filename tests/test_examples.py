"""Every example runs, and prints the lines that it says it prints (`# prints: text`)."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_it_runs_and_prints_what_it_says(path: Path, tmp_path: Path) -> None:
    promised = re.findall("^# prints: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert promised
    ran = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:sg_agent", str(path)],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    for text in promised:
        assert text in ran.stdout
