"""Is this answer right? Maths by exact value, choices by letter, yes/no, text by SQuAD's exact match and F1.

Pure and bounded: text is compared, never evaluated. What was read from a reply is `sg_agent.answers`' business.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from sg_agent.rows import Row

Outcome = Literal["correct", "wrong", "unparsed", "error"]

LETTERS = "ABCDEFGHIJ"
LONGEST = 2000
_YES, _NO = frozenset({"yes", "true", "y"}), frozenset({"no", "false", "n"})
_NUMBER = re.compile(
    r"""
    (?:[A-Za-z]{1,12}\s*[=:]\s*)?          # "x = 5"
    (?P<sign>[+-]?)\s*
    (?:[A-Z]{0,3}[$€£¥₹]\s*)?(?P<sign2>-?)\s*
    (?:(?P<whole>\d{1,12})\s+(?=\d+/))?    # "1 1/2"
    (?P<number>\d{1,3}(?:[, ]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)
    (?:\s*/\s*(?P<denominator>\d{1,12}))?
    \.?\s*
    (?P<percent>%|percent\b|per\ cent\b)?
    (?P<unit>[^\d=+*<>]{0,60}?[23]?)       # "20 dollars", "5 m2", never a second number
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Score:
    """`f1` is None where words are not what is compared (maths, choices, yes/no)."""

    correct: bool
    f1: float | None


def score(answer: str | None, row: Row) -> Score:
    """Score `answer` (None: nothing could be read) against the row's answer and its aliases.

    An answer of more than LONGEST characters is no answer and counts as wrong.
    """
    answer = None if answer is None else answer.strip()
    return _SCORERS[row.task](None if answer is None or len(answer) > LONGEST else answer, row)


def outcome(answer: str | None, scored: Score) -> Outcome:
    """The word for a scored answer. "error" is never given here: an error has no score."""
    if answer is None:
        return "unparsed"
    return "correct" if scored.correct else "wrong"


def number_values(text: str) -> frozenset[Fraction]:
    """The exact values `text` may stand for as a number: none when it is no single number, two for a percentage."""
    plain = unicodedata.normalize("NFKC", text).replace("\u2212", "-").replace("\\", "").replace("\u2044", "/").strip()
    found = _NUMBER.fullmatch(plain) if len(plain) <= 100 else None
    if not found:
        return frozenset()
    value = Fraction(Decimal(re.sub(r"[, ]", "", found["number"])))
    if found["denominator"]:
        if int(found["denominator"]) == 0:
            return frozenset()
        value /= int(found["denominator"])
    value += int(found["whole"] or 0)
    if "-" in found["sign"] + found["sign2"]:
        value = -value
    return frozenset({value, value / 100}) if found["percent"] else frozenset({value})


def normalise(text: str) -> str:
    """SQuAD's normal form: lower case, no punctuation, no articles, single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c for c in folded if c not in string.punctuation and not unicodedata.category(c).startswith("P"))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


def token_f1(answer: str, gold: str) -> float:
    """F1 over normalised words; yes, no and "noanswer" match only themselves (as HotpotQA scores them)."""
    said, wanted = normalise(answer), normalise(gold)
    if said == wanted:
        return 1.0
    if {said, wanted} & {"yes", "no", "noanswer"}:
        return 0.0
    said_words, wanted_words = said.split(), wanted.split()
    shared = sum((Counter(said_words) & Counter(wanted_words)).values())
    return 2 * shared / (len(said_words) + len(wanted_words)) if shared else 0.0


def _golds(row: Row) -> list[str]:
    return [row.answer, *row.answer_aliases]


def _same_value(answer: str, gold: str) -> bool:
    """Equal as numbers when both are numbers, else equal as normalised text."""
    said, wanted = number_values(answer), number_values(gold)
    if said and wanted:
        return bool(said & wanted)
    return not said and not wanted and normalise(answer) == normalise(gold) != ""


def _math(answer: str | None, row: Row) -> Score:
    return Score(answer is not None and any(_same_value(answer, gold) for gold in _golds(row)), None)


def _multiple_choice(answer: str | None, row: Row) -> Score:
    choices = row.choices or []
    said = None if answer is None else _letter(answer, choices)
    return Score(said is not None and said in {_letter(gold, choices) for gold in _golds(row)}, None)


def _letter(text: str, choices: list[str]) -> str | None:
    """The letter that `text` names, by itself ("B", "(b)", "B. blue") or as the text of a choice."""
    shown = LETTERS[: len(choices)] or LETTERS
    if found := re.fullmatch(r"\(?([A-Ja-j])\)?(?:[.:)].*)?", text.strip(), re.DOTALL):
        return found[1].upper() if found[1].upper() in shown else None
    matching = [i for i, choice in enumerate(choices[: len(LETTERS)]) if normalise(choice) == normalise(text)]
    return LETTERS[matching[0]] if len(matching) == 1 else None


def _boolean(answer: str | None, row: Row) -> Score:
    said = None if answer is None else _truth(answer)
    return Score(said is not None and said == _truth(row.answer), None)


def _truth(text: str) -> bool | None:
    word = normalise(text)
    return True if word in _YES else False if word in _NO else None


def _text(answer: str | None, row: Row) -> Score:
    if answer is None:
        return Score(False, 0.0)
    correct = any(
        _same_value(answer, gold) if number_values(gold) else normalise(answer) == normalise(gold)
        for gold in _golds(row)
    )
    return Score(correct, 1.0 if correct else max(token_f1(answer, gold) for gold in _golds(row)))


_SCORERS: dict[str, Callable[[str | None, Row], Score]] = {
    "math": _math,
    "multiple_choice": _multiple_choice,
    "boolean": _boolean,
    "multihop_qa": _text,
    "open": _text,
}
