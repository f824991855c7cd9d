"""Worked sentences without their numbers: "She sold 48/2 = <<48/2=24>>24 clips." is "Divide: She sold so many clips."

What a sentence computes is named by its operations, what it holds is taken out: calculator notes, worked arithmetic
and every number. Numbers in words ("half", "three") stay: they are part of what is said. English only.
"""

import re

from sg_agent.checks import STATED
from sg_agent.math_forms import to_number

LONGEST = 20_000  # characters of a solution that are read

_CALCULATOR = re.compile(r"<<[^<>\n]{0,200}>>")
_FINAL = re.compile(r"^\s{0,8}####.*$", re.MULTILINE)
_MARKER = re.compile(r"^\s{0,8}(?:[-*\u2022]|\(?\d{1,2}[.)])\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')]?\s+(?=[A-Z0-9$\"'(])")
_ABBREVIATED = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|No|approx|etc|[A-Z])|\b(?:i\.e|e\.g|a\.m|p\.m|U\.S))\.$")

_VALUE = r"(?<![\w.])[$\u20ac\u00a3]?\s?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s?/\s?\d+)?(?:\s?%)?[$\u20ac\u00a3]?"
_ATTACHED = r"(?:[A-Za-z]{1,3}[\u00b2\u00b3]?(?!\w))?"  # a variable or a unit: 2S, 40A, 500cm
_OPERATOR = (
    r"(?:[-+*/\u00d7\u00f7\u2212]|\bx\b|(?<=\d)x(?=\d)|\bplus\b|\bminus\b|\btimes\b|\bdivided by\b|(?<=[\d)])(?=\())"
)
_UNIT = r"(?:(?:\s?[A-Za-z]+){0,2}(?:\s?/\s?[a-z]+)?(?=\s*\)?\s*(?:[-+*/\u00d7\u00f7\u2212=\u2248]|x\s*[$\d])))?"
_TERM = rf"[(]*\s*-?{_VALUE}{_ATTACHED}{_UNIT}\s*[)]*"
_EXPRESSION = re.compile(
    rf"{_TERM}(?:\s*{_OPERATOR}\s*{_TERM})+(?:\s*[=\u2248]\s*{_TERM}(?:\s*{_OPERATOR}\s*{_TERM})*)*"
    rf"|{_TERM}(?:\s*[=\u2248]\s*{_TERM})+"
)
_ONE_NUMBER = re.compile(rf"{_VALUE}(?:(?P<ordinal>st|nd|rd|th)\b|{_ATTACHED})")
_OPERATIONS = (
    ("add", re.compile(r"\+|\bplus\b")),
    ("subtract", re.compile(r"(?<=[\d)%])\s*[-\u2212]|\s[-\u2212]\s|\bminus\b")),
    ("multiply", re.compile(r"[*\u00d7]|\bx\b|(?<=\d)x(?=\d)|\btimes\b|[\d)]\(")),
    ("divide", re.compile(r"[/\u00f7](?=\s*[$(.\d])|\bdivided by\b")),
)
_GIVES = re.compile(r"(?<=[\d)%])\s*[=\u2248]\s*-?[$\u20ac\u00a3]?\d[\d,]*(?:\.\d+)?%?")
_EQUALS_VALUE = re.compile(r"\s*[=\u2248]\s*(?=so (?:many|much)\b|that percentage\b)")
_MONEY = re.compile(r"[$\u20ac\u00a3]")
_DANGLING = re.compile(r"\s*[=\u2248]\s*(?=[\s.,;]|$)")


def sentences(text: str) -> list[str]:
    """The sentences of a worked solution, without calculator notes, list marks, the line "#### 42" and the answer."""
    lines = _FINAL.sub("", _CALCULATOR.sub("", text[:LONGEST])).splitlines()
    found = [sentence for line in lines for sentence in _split(_MARKER.sub("", line).strip())]
    return [sentence for sentence in found if sentence and not STATED.search(sentence)]


def without_values(sentence: str) -> str | None:
    """What a sentence does, without what comes out; None when nothing is left of it."""
    done: list[str] = []

    def name(expression: re.Match[str]) -> str:
        sides = re.split(r"[=\u2248]", expression[0])
        for operation, sign in _OPERATIONS:
            if any(sign.search(side) for side in sides[:-1] or sides) and operation not in done:
                done.append(operation)
        return _padded(expression[0], _amount(sides[-1]))

    said = _EXPRESSION.sub(name, sentence)
    said = _EQUALS_VALUE.sub(" is ", _ONE_NUMBER.sub(_named, said))
    said = re.sub(r"\s+([.,;:!?])", r"\1", re.sub(r"\s{2,}", " ", _DANGLING.sub(" ", said))).strip(" .;,=")
    said = re.sub(r"\bso (?:many|much)(?: so (?:many|much))+\b", "so many", said)
    if not re.search(r"[^\W\d_]{3}", re.sub(r"\bso (?:many|much)\b", "", said)):
        said = ""
    if done and said:
        return f"{_listed(done)}: {said}."
    return f"{_listed(done)}." if done else f"{said}." if said else None


def without_results(step: str) -> str:
    """A step of a plan without what it says a computation gives: "Add 3 + 4 = 7." is "Add 3 + 4."."""
    return _GIVES.sub("", step)


def without_unknown(text: str, known: str) -> str:
    """`text` without the numbers that `known` does not hold."""
    held = {to_number(number[0].strip()) for number in _ONE_NUMBER.finditer(known)}
    return _ONE_NUMBER.sub(lambda number: number[0] if to_number(number[0].strip()) in held else _named(number), text)


def _split(line: str) -> list[str]:
    parts: list[str] = []
    for part in _SENTENCE_END.split(line):
        if parts and _ABBREVIATED.search(parts[-1]):
            parts[-1] += f" {part}"
        else:
            parts.append(part)
    return parts


def _named(number: re.Match[str]) -> str:
    return _padded(number[0], "next" if number["ordinal"] else _amount(number[0]))


def _amount(value: str) -> str:
    if "%" in value:
        return "that percentage"
    return "so much" if _MONEY.search(value) else "so many"


def _padded(removed: str, words: str) -> str:
    """`words` with the spaces that stood around what they replace."""
    before, after = removed[: 1 if removed[:1].isspace() else 0], " " if removed[-1:].isspace() else ""
    return f"{before}{words}{after}"


def _listed(operations: list[str]) -> str:
    text = " and ".join([", ".join(operations[:-1]), operations[-1]]) if len(operations) > 1 else operations[0]
    return text.capitalize()
