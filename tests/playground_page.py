"""The playground in a browser: opened, asked, and read as its user reads it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from browsing import Opened, expect

ARMS = ("standard", "cot", "guided")


def ready(browser: Any, address: str, **look: Any) -> Opened:
    """The page once it knows the solvers."""
    opened = Opened.at(browser, address, **look)
    expect(opened.page.locator("#solver option")).not_to_have_count(0)
    return opened


def run(opened: Opened, question: str | None = None) -> None:
    """Ask, and wait until all three have ended."""
    if question is not None:
        opened.page.fill("#question", question)
    opened.page.click("#run")
    expect(opened.page.locator("#status")).to_contain_text("3 of 3")


def took(opened: Opened, arm: str) -> dict[str, str]:
    return dict(zip(opened.texts(f"#{arm} dt"), opened.texts(f"#{arm} dd"), strict=True))


def commands(opened: Opened, arm: str) -> dict[str, str]:
    opened.page.click(f"#{arm} summary")
    titles, blocks = opened.texts(f"#{arm} details h3"), opened.page.locator(f"#{arm} .command").all()
    return dict(zip(titles, (str(block.text_content()) for block in blocks), strict=True))


def in_shell(command: str, folder: Path, **settings: str) -> str:
    """What a command prints in `sh`, our own programs first in its path."""
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
