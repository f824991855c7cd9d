"""Is this answer right? Maths by value, choices by letter, yes/no, text by SQuAD's exact match and F1.

Pure and bounded: text is compared, never evaluated. What was read from a reply is `sg_agent.answers`' business.
Multi-hop answers are scored by HotpotQA's official rules, which 2WikiMultiHopQA and MuSiQue follow, over the answer and
its aliases, with the departures of `sg_agent.text_forms` and one more: numbers that differ in value do not match,
though their points go with the punctuation (2.5 and 25).
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from sg_agent.answer_forms import choice_letter, yes_or_no
from sg_agent.evals.expressions import same_expression
from sg_agent.math_forms import expression_key, is_expression, quantity, same_number
from sg_agent.rows import Row, Task
from sg_agent.text_forms import normalise

LONGEST = 2000
_WHOLE_OR_NOTHING = frozenset({"yes", "no", "noanswer"})


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


def same_value(answer: str, gold: str) -> bool:
    """Whether both are the same number, written alike, or equal as expressions; words by their normal form."""
    if (same := same_number(answer, gold)) is not None:
        return same
    if expression_key(answer) == expression_key(gold) != "":
        return True
    if is_expression(answer) or is_expression(gold):
        return _is_maths(answer) and _is_maths(gold) and same_expression(answer, gold)
    return not re.search(r"\d", answer + gold) and normalise(answer) == normalise(gold)


def _is_maths(text: str) -> bool:
    return is_expression(text) or quantity(text) is not None


def token_f1(answer: str, gold: str) -> float:
    """F1 over normalised words; yes, no and "noanswer" match only themselves (as HotpotQA scores them)."""
    said, wanted = normalise(answer), normalise(gold)
    if {said, wanted} & _WHOLE_OR_NOTHING and said != wanted:
        return 0.0
    said_words, wanted_words = said.split(), wanted.split()
    shared = sum((Counter(said_words) & Counter(wanted_words)).values())
    return 2 * shared / (len(said_words) + len(wanted_words)) if shared else 0.0


def _golds(row: Row) -> list[str]:
    return [row.answer, *row.answer_aliases]


def _math(answer: str | None, row: Row) -> Score:
    return Score(answer is not None and any(same_value(answer, gold) for gold in _golds(row)), None)


def _multiple_choice(answer: str | None, row: Row) -> Score:
    said = None if answer is None else choice_letter(answer, row.choices)
    return Score(said is not None and said in {choice_letter(gold, row.choices) for gold in _golds(row)}, None)


def _boolean(answer: str | None, row: Row) -> Score:
    said = None if answer is None else yes_or_no(answer)
    return Score(said is not None and said in {yes_or_no(gold) for gold in _golds(row)}, None)


def _open(answer: str | None, row: Row) -> Score:
    """Text, but a number is compared by value, whatever its unit."""
    if answer is not None and any(same_number(answer, gold) for gold in _golds(row)):
        return Score(True, 1.0)
    return _multihop(answer, row)


def _multihop(answer: str | None, row: Row) -> Score:
    if answer is None:
        return Score(False, 0.0)
    golds = [
        gold for gold in _golds(row) if same_number(answer, gold) is not False or normalise(answer) != normalise(gold)
    ]
    correct = any(normalise(answer) == normalise(gold) for gold in golds)
    return Score(correct, max((token_f1(answer, gold) for gold in golds), default=0.0))


_SCORERS: dict[Task, Callable[[str | None, Row], Score]] = {
    "math": _math,
    "multiple_choice": _multiple_choice,
    "boolean": _boolean,
    "multihop_qa": _multihop,
    "open": _open,
}
