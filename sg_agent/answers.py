"""Reading the answer out of a solver's reply, and putting it into one form, so that votes and scores can compare.

Model text is never evaluated. Only the last 20,000 characters are read, so time is bounded on any input.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

from sg_agent.rows import Task

TAIL = 20_000
SHORT_LINE = 200
LETTERS = "ABCDEFGHIJ"

MARKED = re.compile(r"\banswer[ \t]?\**[ \t]?[:=]\**\s{0,8}(?P<answer>[^\n]{1,2000})", re.IGNORECASE)
PROSE = re.compile(r"\banswer\**[ \t]{1,3}is\b:?\**[ \t]{0,8}(?P<answer>[^\n]{1,2000})", re.IGNORECASE)
HASHES = re.compile(r"^####[ \t]{0,8}(?P<answer>[^\n]{1,2000})", re.MULTILINE)
EMPTY_MARK = re.compile(r"\W*answer\W*(?:<[^<>]*>)?\W*", re.IGNORECASE)
PLACEHOLDER = re.compile(r"<[^<>]*>")

LATEX_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|textbf)\s?\{([^{}]{0,500})\}")
FRACTION = re.compile(r"\\[dt]?frac\s?\{(-?\d{1,30})\}\s?\{(\d{1,30})\}")
NUMBER = re.compile(
    r"(?<![\w.])-?\$?-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,40})?(?:(?<=\d)\.\d{1,30}|(?<![\d.])\.\d{1,30}|(?<=\d))"
    r"(?:e[-+]?\d{1,2}\b|\s?/\s?\d{1,30})?(?![\w])",
    re.IGNORECASE,
)
MIXED = re.compile(r"(?<![\w./])(\d{1,9}) (\d{1,9})/(\d{1,9})(?![\w/])")
WITH_UNIT = re.compile(r"(?<![\w.])-?\d{1,40}(?:\.\d{1,30})?(?=[a-z\u00b0])", re.IGNORECASE)
ALGEBRA = re.compile(r"[a-z]\s?[-+*/^]\s?\d|\d\s?[-+*/^]\s?[a-z]\b|\\sqrt|\\pi|\\infty", re.IGNORECASE)
PLAIN = re.compile(r"[-+]?(?:\d{1,200}(?:\.\d{0,200})?|\.\d{1,200})(?:e[-+]?\d{1,2}|/\d{1,200})?", re.IGNORECASE)

LEADING_LETTER = re.compile(r"\W{0,8}(?:(?:option|choice|letter)\W{1,3})?([A-J])(?=\W{0,8}$|[).:,;\]*])")
LOWER_LETTER = re.compile(r"\W{0,8}([a-j])\W{0,8}|\(([a-j])\).{0,2000}")
LETTER = re.compile(r"(?<![\w'])(?:([B-HJ])(?![\w'])|([AI])(?=[).:,\]*]|\s*$))", re.MULTILINE)
TWO_LETTERS = re.compile(r"\W{0,8}[A-J]\s{0,2}(?:or|and|/|,|&)\s{0,2}\(?[A-J]\b")
YES_NO = re.compile(r"\b(yes|no|true|false)\b", re.IGNORECASE)
YES_OR_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}


def parse_answer(text: str, task: Task, choices: Sequence[str] | None = None) -> str | None:
    """The answer in `text`, None when there is none to read.

    The last "Answer: ..." counts, else the last "the answer is ...", boxed LaTeX or "#### ...". Without any of them:
    the last number (math), letter or choice (multiple_choice), yes or no (boolean), or the whole reply if it is
    one short line.
    """
    text = text[-TAIL:].replace("\u2212", "-").replace("\u00a0", " ")
    return _PARSERS[task](stated_answer(text), text, list(choices or []))


def stated_answer(text: str) -> str | None:
    """What `text` itself marks as its answer, as it is written there."""
    for found in (_marked(MARKED, text), _marked(PROSE, text), _boxed(text), _marked(HASHES, text)):
        if found:
            return found
    return None


def _marked(pattern: re.Pattern[str], text: str) -> str | None:
    answers = [match["answer"].strip(" \t*`\"'") for match in pattern.finditer(text)]
    return next((answer for answer in reversed(answers) if answer and not PLACEHOLDER.fullmatch(answer)), None)


def _boxed(text: str) -> str | None:
    r"""What the last \boxed{...} holds, braces balanced."""
    start = text.rfind("\\boxed{")
    depth = 0
    for i, character in enumerate(text[start + 6 : start + 506]) if start >= 0 else ():
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[start + 7 : start + 6 + i].strip()
    return None


def _math(stated: str | None, text: str, choices: list[str]) -> str | None:  # noqa: ARG001 - one form for all tasks
    if stated is None:
        found = NUMBER.findall(_plain_fractions(text)) or WITH_UNIT.findall(text)
        return tidy_number(found[-1]) if found else None
    if boxed := _boxed(stated):
        stated = boxed
    stated = _plain_fractions(LATEX_TEXT.sub(r"\1", stated))
    if ALGEBRA.search(stated):
        return stated.strip(" .$")
    found = NUMBER.findall(stated.rpartition("=")[2]) or NUMBER.findall(stated) or WITH_UNIT.findall(stated)
    return tidy_number(found[0]) if found else stated.rstrip(".")


def _plain_fractions(text: str) -> str:
    text = FRACTION.sub(r"\1/\2", text)
    return MIXED.sub(lambda m: f"{int(m[1]) * int(m[3]) + int(m[2])}/{m[3]}", text)


def _choice(stated: str | None, text: str, choices: list[str]) -> str | None:
    if stated is None:
        lines = [line for line in text.splitlines() if line.strip()]
        found: Iterable[str | None] = (_last_letter(text), *(_named(line, choices) for line in lines[-1:]))
    else:
        stated = LATEX_TEXT.sub(r"\1", stated).lstrip("$ ")
        if TWO_LETTERS.match(stated):
            return None
        found = (_first_letter(stated), _named(stated, choices), _last_letter(stated))
    return next(filter(None, found), None)


def _first_letter(stated: str) -> str | None:
    if lower := LOWER_LETTER.fullmatch(stated):
        return (lower[1] or lower[2]).upper()
    found = LEADING_LETTER.match(stated)
    return found[1] if found else None


def _last_letter(text: str) -> str | None:
    found = LETTER.findall(text)
    return "".join(found[-1]) if found else None


def _named(text: str, choices: list[str]) -> str | None:
    """The letter of the one choice that `text` names; of two the longer, when it holds the shorter."""
    text = text.lower()
    held = [c for c in choices[: len(LETTERS)] if re.search(rf"(?<!\w){re.escape(c.lower().strip())}(?!\w)", text)]
    longest = [c for c in held if not any(c != other and c.lower() in other.lower() for other in held)]
    return LETTERS[choices.index(longest[0])] if len(longest) == 1 else None


def _boolean(stated: str | None, text: str, choices: list[str]) -> str | None:  # noqa: ARG001
    if stated is not None:
        found = YES_NO.findall(stated)[:1]
    else:
        lines = text.strip().splitlines() or [""]
        found = YES_NO.findall(text[:20])[:1] if YES_NO.match(text.strip()) else YES_NO.findall(lines[-1])[-1:]
    return YES_OR_NO[found[0].lower()] if found else None


def _text(stated: str | None, text: str, choices: list[str]) -> str | None:  # noqa: ARG001
    if stated is None:
        text = text.strip()
        stated = "" if "\n" in text or len(text) > SHORT_LINE or EMPTY_MARK.fullmatch(text) else text.strip(" \t*`\"'")
    return stated.rstrip(".").strip(" \t*`\"'") or None


_PARSERS: dict[Task, Callable[[str | None, str, list[str]], str | None]] = {
    "math": _math,
    "multiple_choice": _choice,
    "boolean": _boolean,
    "multihop_qa": _text,
    "open": _text,
}


def tidy_number(text: str) -> str:
    """A number in its plain form: "$1,200.50" is "1200.5", "20.00" is "20", "3/4" stays."""
    plain = re.sub(r"[\s,$]", "", text)
    if "." in plain and not re.search("[/eE]", plain):
        plain = plain.rstrip("0").rstrip(".")
    return re.sub(r"^(-?)0*(?=\d)", r"\1", re.sub(r"^(-?)\.", r"\g<1>0.", plain))


def to_number(text: str) -> Fraction | None:
    """The number that `text` is, exactly, whatever its currency, commas or percent sign; None when it is no number."""
    plain = re.sub(r"[\s,$\u20ac\u00a3%]", "", text[:200]).replace("\u2212", "-")
    if not PLAIN.fullmatch(plain):  # also keeps out 1e999999999, which would be computed
        return None
    try:
        return Fraction(plain)
    except ZeroDivisionError:
        return None


def vote_key(answer: str, task: Task) -> str:
    """What two answers must share to count as the same vote: the number, else the words without case and articles."""
    if task != "multiple_choice" and (number := to_number(answer)) is not None:
        return str(number)
    words = re.sub(r"[^\w\s+#]", " ", answer[:TAIL].lower()).split()
    kept = [word for word in words if word not in ("a", "an", "the")] if len(words) > 1 else words
    return " ".join(kept) or answer[:TAIL].strip().lower()


def same_answer(first: str | None, second: str | None, task: Task) -> bool:
    """Whether both are answers and say the same."""
    return first is not None and second is not None and vote_key(first, task) == vote_key(second, task)
