"""The answer in a solver's reply, and what makes two answers the same vote.

Model text is never evaluated. Only the last 20,000 characters are read, so time is bounded on any input.
"""

import re
from collections.abc import Callable, Sequence

from sg_agent.answer_forms import LETTERS, YES_OR_NO, choice_letter
from sg_agent.math_answers import read_math
from sg_agent.math_forms import expression_key, to_number
from sg_agent.replies import Reply, is_refusal, read_reply
from sg_agent.rows import Task
from sg_agent.text_forms import normalise

SHORT_LINE = 200

_EMPTY_MARK = re.compile(r"\W*answer\W*(?:<[^<>]*>)?\W*", re.IGNORECASE)
_LATEX_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|textbf)\s?\{([^{}]{0,500})\}")
_LEADING_LETTER = re.compile(r"\W{0,8}(?:(?:option|choice|letter)\W{1,3})?([A-J])(?=\W{0,8}$|[).:,;\]*])")
_LOWER_LETTER = re.compile(r"\W{0,8}([a-j])\W{0,8}|\(([a-j])\).{0,2000}")
_LETTER = re.compile(r"(?<![\w'])(?:([B-HJ])(?![\w'])|([AI])(?=[).:,\]*]|\s*$))", re.MULTILINE)
_TWO_LETTERS = re.compile(r"\W{0,8}[A-J]\s{0,2}(?:or|and|/|,|&)\s{0,2}\(?[A-J]\b")
_YES_NO = re.compile(r"\b(yes|no|true|false)\b", re.IGNORECASE)


def parse_answer(text: str, task: Task, choices: Sequence[str] | None = None, *, whole: bool = True) -> str | None:
    """The answer in `text`, None when there is none to read.

    What the reply marks counts: the last "Answer: ...", else boxed LaTeX, "#### ..." or "the answer is ...". Without
    any of them: the number it closes with (math), its last letter or choice (multiple_choice), yes or no (boolean), or
    the whole reply if it is one short line. Of a refusal, and of a reply that is not `whole` (cut at the token limit or
    stopped by a filter), only what it marks counts.
    """
    return _READERS[task](read_reply(text, choices or (), whole=whole))


def _choice(reply: Reply) -> str | None:
    for stated in reply.stated:
        if letter := _stated_choice(_LATEX_TEXT.sub(r"\1", stated).lstrip("$ "), reply.choices):
            return letter
    if reply.stated or not reply.readable:
        return None
    lines = [line for line in reply.text.splitlines() if line.strip()]
    return _last_letter(reply.text) or (_named(lines[-1], reply.choices) if lines else None)


def _stated_choice(stated: str, choices: Sequence[str]) -> str | None:
    if _TWO_LETTERS.match(stated):
        return None
    return choice_letter(stated, choices) or _first_letter(stated) or _named(stated, choices) or _last_letter(stated)


def _first_letter(stated: str) -> str | None:
    if lower := _LOWER_LETTER.fullmatch(stated):
        return (lower[1] or lower[2]).upper()
    found = _LEADING_LETTER.match(stated)
    return found[1] if found else None


def _last_letter(text: str) -> str | None:
    found = _LETTER.findall(text)
    return "".join(found[-1]) if found else None


def _named(text: str, choices: Sequence[str]) -> str | None:
    """The letter of the one choice that `text` names; of two the longer, when it holds the shorter."""
    text = text.lower()
    held = [c for c in choices[: len(LETTERS)] if re.search(rf"(?<!\w){re.escape(c.lower().strip())}(?!\w)", text)]
    longest = [c for c in held if not any(c != other and c.lower() in other.lower() for other in held)]
    return LETTERS[choices.index(longest[0])] if len(longest) == 1 else None


def _boolean(reply: Reply) -> str | None:
    for stated in reply.stated:
        if found := _YES_NO.search(stated):
            return YES_OR_NO[found[0].lower()]
    text = reply.text.strip()
    if reply.stated or not reply.readable or not text:
        return None
    if opening := _YES_NO.match(text):
        return YES_OR_NO[opening[0].lower()]
    closing = _YES_NO.findall(text.splitlines()[-1])
    return YES_OR_NO[closing[-1].lower()] if closing else None


def _text(reply: Reply) -> str | None:
    stated = reply.stated[0] if reply.stated else reply.text.strip() if reply.readable else ""
    unmarked = not reply.stated and ("\n" in stated or len(stated) > SHORT_LINE or _EMPTY_MARK.fullmatch(stated))
    if unmarked or is_refusal(stated):
        return None
    return stated.strip(" \t*`\"'").rstrip(".").strip(" \t*`\"'") or None


_READERS: dict[Task, Callable[[Reply], str | None]] = {
    "math": read_math,
    "multiple_choice": _choice,
    "boolean": _boolean,
    "multihop_qa": _text,
    "open": _text,
}


def vote_key(answer: str, task: Task) -> str:
    """What two answers must share to count as the same vote: the number, the expression, else the normalised words."""
    if task != "multiple_choice" and (number := to_number(answer)) is not None:
        return str(number)
    if task == "math":
        return expression_key(answer)
    return normalise(answer, keep="+#")


def same_answer(first: str | None, second: str | None, task: Task) -> bool:
    """Whether both are answers and say the same."""
    return first is not None and second is not None and vote_key(first, task) == vote_key(second, task)
