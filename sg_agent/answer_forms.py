"""The forms of an answer: which choice it names, whether it says yes or no, and whether it can be scored at all.

A row's own answer and what is scored against it are read by the same functions, so that what a file is accepted with
can be answered right.
"""

import re
from collections.abc import Callable, Sequence

from sg_agent.text_forms import normalise

LETTERS = "ABCDEFGHIJ"
LETTER = re.compile(r"\(?([A-J])[).:]{0,2}", re.IGNORECASE)
LEADING_LETTER = re.compile(r"\(?([A-J])[).:]{1,2}\s.*", re.IGNORECASE | re.DOTALL)
EXPRESSION = re.compile(r"\d|\\[A-Za-z]|[=+*^<>\u221a\u03c0\u221e]|(?<!\w\w)[-/](?!\w\w)|^[A-Za-z]$")
YES_OR_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no", "y": "yes", "n": "no"}


def answer_problem(answer: str, task: str, choices: Sequence[str] | None) -> str | None:
    """None when `answer` can be scored for `task`, else the field, what is wrong with it and what is accepted."""
    if choices and not 2 <= len(choices) <= len(LETTERS):
        return f"field 'choices': {len(choices)} of them, accepted are 2 to {len(LETTERS)}"
    match task:
        case "multiple_choice" if choice_letter(answer, choices) is None:
            letters = f"a letter from A to {LETTERS[len(choices or LETTERS) - 1]}"
            return f"field 'answer': {answer!r:.80} names no choice; accepted: {letters}, or the text of one choice"
        case "boolean" if yes_or_no(answer) is None:
            return f"field 'answer': {answer!r:.80} is no truth value; accepted: {', '.join(YES_OR_NO)}"
        case "math" if not EXPRESSION.search(answer.strip()):
            return (
                f"field 'answer': {answer!r:.80} is no number or expression, such as 12, 3/4 or 2*x; "
                "for an answer in words the task is open"
            )
    return None


def choice_letter(answer: str, choices: Sequence[str] | None) -> str | None:
    """The letter of the choice that `answer` names, None when it names none, or two.

    A letter by itself counts before a choice's text, and the text as it stands ("C++" is not "C") before a letter that
    leads it ("B. blue") and the text without punctuation and articles.
    """
    answer, shown = answer.strip(), LETTERS[: len(choices or LETTERS)]
    return (
        _shown_letter(LETTER.fullmatch(answer), shown)
        or _named(answer, choices, str.strip)
        or _named(answer, choices, _plain)
        or _shown_letter(LEADING_LETTER.fullmatch(answer), shown)
        or _named(answer, choices, normalise)
    )


def yes_or_no(answer: str) -> str | None:
    """ "yes" or "no" as `answer` says it in one word, None when it says neither."""
    return YES_OR_NO.get(normalise(answer))


def _shown_letter(found: re.Match[str] | None, shown: str) -> str | None:
    return found[1].upper() if found and found[1].upper() in shown else None


def _named(answer: str, choices: Sequence[str] | None, alike: Callable[[str], str]) -> str | None:
    """The letter of the one choice that is alike."""
    said = alike(answer)
    named = [letter for letter, choice in zip(LETTERS, choices or (), strict=False) if alike(choice) == said]
    return named[0] if len(named) == 1 else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")
