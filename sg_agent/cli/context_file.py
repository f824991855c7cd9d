"""The file of `ask --context`: passages as JSON or JSONL of {"title", "text"}, or plain text.

In plain text a line "Title: text" starts a passage and lines without a title continue it; text before the first
title is a passage of its own.
"""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sg_agent.errors import DataError
from sg_agent.rows import Passage

_TITLED = re.compile(r"(?P<title>[^:]{1,80}):\s+(?P<text>\S.*)")


def load_context(path: Path) -> list[Passage]:
    """The passages of a file. Raises DataError for one that is missing, empty or not of these forms."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"--context {str(path)!r} cannot be read: {error}") from error
    passages = _from_json(path, text) if path.suffix in {".json", ".jsonl"} else _from_text(path, text)
    if not passages:
        raise DataError(f"--context {str(path)!r} has no passages")
    return passages


def _from_json(path: Path, text: str) -> list[Passage]:
    try:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()] if path.suffix == ".jsonl" else None
        decoded: Any = json.loads(text) if lines is None else lines
        return TypeAdapter(list[Passage]).validate_python(decoded)
    except (ValueError, ValidationError) as error:
        raise DataError(f'--context {str(path)!r} must hold {{"title", "text"}} objects: {error}') from error


def _from_text(path: Path, text: str) -> list[Passage]:
    passages: list[Passage] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if found := _TITLED.fullmatch(line):
            passages.append(Passage(title=found["title"].strip(), text=found["text"]))
        elif passages:
            passages[-1] = Passage(title=passages[-1].title, text=f"{passages[-1].text} {line}")
        else:
            passages.append(Passage(title=path.stem, text=line))
    return passages
