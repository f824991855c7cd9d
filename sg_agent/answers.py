"""Reading the answer out of a solver's reply, and putting it into one form, so that votes and scores can compare.

Model text is never evaluated. Only the last 20,000 characters are read, so time is bounded on any input.
"""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from sg_agent.rows import Task

TAIL = 20_000
LETTERS = "ABCDEFGHIJ"

MARKED = re.compile(r"\b(?:final )?answer\**\s{0,3}(?::|\bis\b:?)\**[ \t]{0,8}(?P<answer>[^\n]{1,2000})", re.IGNORECASE)
BOXED = re.compile(r"\\boxed\s{0,3}\{([^{}]{1,500})\}")
NUMBER = re.compile(r"(?<![\w.])-?\$?\d[\d,]{0,30}(?:\.\d{1,30})?(?:\s?/\s?\d{1,30})?(?![\w])")
LETTER = re.compile(r"(?:^|[\s(*])([A-J])(?=$|[\s).:,*])")
YES_NO = re.compile(r"\b(yes|no|true|false)\b", re.IGNORECASE)


def parse_answer(text: str, task: Task, choices: Sequence[str] | None = None) -> str | None:
    """The answer in `text`, None when there is none to read: the last "Answer: ...", else what suits the task."""
    text = text[-TAIL:]
    marked = [match["answer"].strip(" \t*`\"'") for match in MARKED.finditer(text)]
    boxed = BOXED.findall(text)
    stated = next((found for found in (marked[-1:] or boxed[-1:])), None)
    return _PARSERS[task](stated, text, list(choices or []))


def _math(stated: str | None, text: str, choices: list[str]) -> str | None:
    for place in (stated, text if stated is None else None):
        if place and (found := NUMBER.findall(place)):
            return tidy_number(found[0] if place is stated else found[-1])
    return stated.rstrip(".") if stated else None


def _choice(stated: str | None, text: str, choices: list[str]) -> str | None:
    for place in (stated, text):
        if place is None:
            continue
        if letters := LETTER.findall(place):
            return str(letters[0] if place is stated else letters[-1])
        named = [i for i, choice in enumerate(choices) if choice.lower() in place.lower()]
        if len(named) == 1 and named[0] < len(LETTERS):
            return LETTERS[named[0]]
    return None


def _boolean(stated: str | None, text: str, choices: list[str]) -> str | None:
    found = YES_NO.findall(stated) if stated else YES_NO.findall(text)[-1:]
    return {"yes": "yes", "true": "yes", "no": "no", "false": "no"}[found[0].lower()] if found else None


def _text(stated: str | None, text: str, choices: list[str]) -> str | None:
    """The stated answer; a reply of one short line is its own answer."""
    if stated is None:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        stated = lines[0] if len(lines) == 1 and len(lines[0]) <= 200 else None
    return (stated.rstrip(".").strip() or None) if stated else None


_PARSERS: dict[Task, Callable[[str | None, str, list[str]], str | None]] = {
    "math": _math,
    "multiple_choice": _choice,
    "boolean": _boolean,
    "multihop_qa": _text,
    "open": _text,
}


def tidy_number(text: str) -> str:
    """A number in its plain form: "$1,200.50" is "1200.5", "20.00" is "20", "3/4" stays."""
    plain = text.replace("$", "").replace(",", "").replace(" ", "")
    if "/" in plain or "." not in plain:
        return plain
    return plain.rstrip("0").rstrip(".")


def to_number(text: str) -> Fraction | None:
    """The number that `text` is, exactly, whatever its currency, commas or percent sign; None when it is no number."""
    plain = re.sub(r"[\s,$\u20ac\u00a3%]", "", text[:200])
    try:
        return Fraction(plain)
    except (ValueError, ZeroDivisionError):
        return None


def vote_key(answer: str, task: Task) -> str:
    """What two answers must share to count as the same vote."""
    if task == "math" and (number := to_number(answer)) is not None:
        return str(number)
    return " ".join(re.sub(r"[^\w\s]", " ", answer.lower()).split())
