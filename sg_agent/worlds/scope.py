"""What the embedded pair can be asked: questions in the words of its two worlds, and nothing else.

A world's vocabulary is every word of a sample of its own questions. That says what the embedded models can read, not
that they will be right.
"""

import re
from collections.abc import Iterable
from functools import cache
from itertools import islice
from typing import Literal

from sg_agent.rows import Passage
from sg_agent.worlds import questions

World = Literal["depot", "archive"]

SAMPLE = 500
_STREAMS: dict[World, tuple[str, ...]] = {"depot": ("depot", "depot_plain"), "archive": ("archive", "archive_plain")}


def world_of(question: str, context: Iterable[Passage] = ()) -> World | None:
    """The world whose vocabulary covers the question and its passages, None when there is none."""
    asked = words(question).union(*(words(f"{passage.title} {passage.text}") for passage in context))
    return next((world for world in _STREAMS if asked and asked <= vocabulary(world)), None)


def unknown_words(question: str) -> list[str]:
    """The words of the question that neither world knows, in order."""
    known = vocabulary("depot") | vocabulary("archive")
    return list(dict.fromkeys(word for word in _split(question) if word.casefold() not in known))


def words(text: str) -> set[str]:
    """The words of a text without case. Numbers are no words: any number is known."""
    return {word.casefold() for word in _split(text)}


@cache
def vocabulary(world: World) -> frozenset[str]:
    """Every word of a sample of the world's training questions, passages included."""
    known: set[str] = set()
    for stream in _STREAMS[world]:
        for row in islice(questions(stream, "train"), SAMPLE):
            known |= words(row.question).union(*(words(f"{p.title} {p.text}") for p in row.context or []))
    return frozenset(known)


def _split(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)
