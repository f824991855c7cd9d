"""The code and the commands of docs/gate.md are run, in their order."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "gate.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(python|bash)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_what_the_page_says_runs(tmp_path: Path) -> None:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    shells = {"python": [sys.executable, "-c"], "bash": ["bash", "-ec"]}
    said = [
        subprocess.run([*shells[kind], text], cwd=tmp_path, env=env, check=True, capture_output=True, text=True).stdout
        for kind, text in BLOCKS
    ]
    assert said[0] == "56 guided by task math\n"
    assert "NOT kept" not in said[2]
    assert re.search(r"auto +80 ", said[2])
    assert "repaid" in said[3]
