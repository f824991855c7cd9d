"""Questions that are nearly the same: by Jaccard similarity of their words in runs of five, as MinHash finds them.

Two questions about passages are nearly the same only when the passages are too: short questions of one form
("Who is the herald of Kara?") have different answers in different archives.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sg_agent.errors import MissingExtra
from sg_agent.rows import Row
from sg_agent.text_forms import LONGEST

if TYPE_CHECKING:
    from datasketch import MinHash

RUN = 5
ALIKE, PASSAGES_ALIKE = 0.7, 0.5
PERMUTATIONS = 64
SLACK = 0.15  # MinHash only estimates: what it finds at a lower threshold is compared exactly

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Prints:
    """What is compared of a row."""

    id: str
    question: frozenset[str]
    passages: frozenset[str]


class Index:
    """The questions seen so far. Deterministic: the same rows in the same order give the same answers."""

    def __init__(self) -> None:
        try:
            from datasketch import MinHashLSH
        except ImportError as error:
            raise MissingExtra("looking for near-duplicates", "train") from error
        self._lsh = MinHashLSH(threshold=ALIKE - SLACK, num_perm=PERMUTATIONS)
        self._seen: dict[int, Prints] = {}

    def add(self, row: Row) -> None:
        """Remember a question."""
        prints = _prints(row)
        self._lsh.insert(len(self._seen), _minhash(prints))
        self._seen[len(self._seen)] = prints

    def alike(self, row: Row) -> str | None:
        """The id of the first question seen that is nearly the same, None without one."""
        prints = _prints(row)
        found = (self._seen[number] for number in sorted(self._lsh.query(_minhash(prints))))
        return next((seen.id for seen in found if _alike(seen, prints)), None)


def near_duplicates(rows: Iterable[Row]) -> Iterator[tuple[Row, str]]:
    """Every row that is nearly the same as one before it, with the id of that one."""
    index = Index()
    for row in rows:
        if earlier := index.alike(row):
            yield row, earlier
        else:
            index.add(row)


def overlapping(rows: Iterable[Row], eval_rows: Iterable[Row]) -> Iterator[tuple[Row, str]]:
    """Every row that is nearly the same as one of `eval_rows`, with the id of that one."""
    index = Index()
    for row in eval_rows:
        index.add(row)
    for row in rows:
        if asked := index.alike(row):
            yield row, asked


def _prints(row: Row) -> Prints:
    passages = "\n".join(passage.text for passage in row.context or [])
    return Prints(row.id, _runs(" ".join([row.question, *(row.choices or [])])), _runs(passages))


def _runs(text: str) -> frozenset[str]:
    """The runs of five words, case and punctuation aside; a shorter text is one run."""
    words = _WORD.findall(text[: 50 * LONGEST].casefold())
    if not words:
        return frozenset()
    return frozenset(" ".join(words[start : start + RUN]) for start in range(max(1, len(words) - RUN + 1)))


def _minhash(prints: Prints) -> "MinHash":
    from datasketch import MinHash

    minhash = MinHash(num_perm=PERMUTATIONS, seed=1)
    minhash.update_batch([run.encode() for run in sorted(prints.question)])
    return minhash


def _alike(one: Prints, other: Prints) -> bool:
    shared = len(one.question & other.question)
    if not shared or shared / len(one.question | other.question) < ALIKE:
        return False
    fewer = min(len(one.passages), len(other.passages))
    return not fewer or len(one.passages & other.passages) / fewer >= PASSAGES_ALIKE
