"""The sums that a reply writes out ("3 * $4 = $12"), done again to see whether they hold.

Text is tokenised and added up here, never handed to an interpreter; a left side has at most 80 characters.
"""

import re
from typing import NamedTuple

TAIL = 20_000
ROUNDING = 0.011  # "10 / 3 = 3.33", and cents

_EQUATION = re.compile(
    r"(?P<left>[-+*/\u00d7x\u00f7().$%\d, ]{3,80})=\s?\$?\s?(?P<right>-?\d{1,20}(?:,\d{3}){0,6}(?:\.\d{1,10})?)",
    re.IGNORECASE,
)
_DONE = re.compile(r"\d[\d.]*%?\)*\s*[-+*/]\s*\(*\d")
_BRACKETS = re.compile(r"\(([^()]*)\)")
_TOKEN = re.compile(r"\d+(?:\.\d+)?|\.\d+|[-+*/]")
_SIGNS = str.maketrans({"\u00d7": "*", "x": "*", "X": "*", "\u00f7": "/", "$": None, ",": None})


class Equation(NamedTuple):
    """What the reply wrote after "=", and whether the left side comes to it."""

    result: float
    holds: bool


def equations(text: str) -> list[Equation]:
    """Every sum with a result, in order; the last TAIL characters are read."""
    found: list[Equation] = []
    for match in _EQUATION.finditer(text[-TAIL:]):
        left = match["left"].translate(_SIGNS).strip(" .")
        value = evaluate(left) if _DONE.search(left) else None
        if value is not None:
            result = float(match["right"].replace(",", ""))
            found.append(Equation(result, abs(value - result) <= ROUNDING * max(1.0, abs(value))))
    return found


def evaluate(text: str) -> float | None:
    """The value of digits, + - * / %, and brackets; None for anything else, and for a division by 0."""
    text = text.replace("%", "/100")
    while inner := _BRACKETS.search(text):
        value = _flat(inner[1])
        if value is None:
            return None
        text = f"{text[: inner.start()]}{value:.10f}{text[inner.end() :]}"
    return _flat(text)


def _flat(text: str) -> float | None:
    """A sum of products, without brackets."""
    tokens: list[str] = _TOKEN.findall(text)
    if "".join(tokens) != "".join(text.split()):
        return None
    total, product, sign, pending = 0.0, None, 1.0, ""
    for part in tokens:
        if part in "+-*/":
            if product is not None and not pending and part in "+-":
                total, product, sign = total + sign * product, None, 1.0 if part == "+" else -1.0
            elif product is not None and not pending:
                pending = part
            elif part == "-":
                sign = -sign
            else:
                return None
            continue
        number = float(part)
        if product is None:
            product = number
        elif not pending or (pending == "/" and number == 0):
            return None
        else:
            product = product * number if pending == "*" else product / number
        pending = ""
    return None if product is None or pending else total + sign * product
