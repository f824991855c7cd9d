"""What a cheap answer says of itself: agreement of attempts, length, hedging, and whether its own sums hold."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sg_agent.answers import same_answer
from sg_agent.gate.arithmetic import Equation, equations
from sg_agent.gate.question import numbers_in
from sg_agent.math_forms import to_number
from sg_agent.replies import TAIL, is_refusal, stated_answers
from sg_agent.rows import Row, Task

_HEDGE = re.compile(
    r"\b(?:however|but|assum\w*|approximately|about|round\w*|actually|can't|cannot|unclear|possibl[ey]|let's|wait|since"
    r"|maybe|perhaps|likely|probably|not sure)\b",
    re.IGNORECASE,
)
_NOTE = re.compile(r"<<[^<>\n]{0,200}>>")
_VARIABLE = re.compile(r"\b[xyz]\b")
SAME = 1e-6


@dataclass(frozen=True)
class CheapAnswer:
    """One answer to doubt: the chosen attempt's text, what was read in it, and the share of attempts that agree.

    `signals` are numbers that the caller has of the reply, such as its mean log-probability.
    """

    text: str
    answer: str | None
    agreement: float = 1.0
    truncated: bool = False
    signals: Mapping[str, float] | None = None

    @classmethod
    def of(cls, attempts: Sequence[Mapping[str, Any]], answer: str | None, task: Task) -> "CheapAnswer":
        """From a graph's `attempts` and the `answer` they voted for."""
        good = [attempt for attempt in attempts if attempt["error"] is None]
        votes = [attempt for attempt in good if same_answer(attempt["answer"], answer, task)]
        chosen = next(iter([*votes, *good]), None)
        return cls(
            text=str(chosen["text"]) if chosen else "",
            answer=answer,
            agreement=len(votes) / len(attempts) if attempts else 0.0,
            truncated=bool(chosen and chosen["finish"] == "length"),
        )


def reply_features(row: Row, reply: CheapAnswer) -> dict[str, float]:
    """As `question_features`; names begin with "reply"."""
    text = _NOTE.sub("", reply.text[-TAIL:])
    found = {
        **_form(row, reply, text),
        **_sums(row, reply, equations(text)),
        **{f"signal:{name}": value for name, value in (reply.signals or {}).items()},
    }
    return {f"reply:{name}": value for name, value in found.items()}


def _form(row: Row, reply: CheapAnswer, text: str) -> dict[str, float]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    ending = text.rstrip()[-1:]
    return {
        "agreement": reply.agreement,
        "truncated": float(reply.truncated),
        "unread": float(reply.answer is None),
        "stated": float(bool(stated_answers(text))),
        "refused": float(is_refusal(text)),
        "characters": math.log1p(len(text)),
        "against_question": math.log1p(len(text)) - math.log1p(len(row.question)),
        "lines": math.log1p(len(lines)),
        "repeated_lines": 1 - len(set(lines)) / max(1, len(lines)),
        "hedging": math.log1p(len(_HEDGE.findall(text))),
        "variables": math.log1p(len(_VARIABLE.findall(text))),
        "ends_sentence": float(ending in tuple(".!)")),
        "ends_number": float(ending.isdigit()),
    }


def _sums(row: Row, reply: CheapAnswer, done: Sequence[Equation]) -> dict[str, float]:
    given, used = numbers_in(row.question), set(numbers_in(reply.text[-TAIL:]))
    read = to_number(reply.answer) if reply.answer is not None else None
    value = None if read is None or abs(read) > 1e15 else float(read)
    results = [equation.result for equation in done]
    wrong = sum(not equation.holds for equation in done)
    return {
        "sums": math.log1p(len(done)),
        "no_sum": float(not done),
        "wrong_sums": math.log1p(wrong),
        "any_wrong_sum": float(wrong > 0),
        "sums_per_number": min(len(done) / max(1, len(given)), 5.0),
        "negative_results": float(any(result < 0 for result in results)),
        "decimals": math.log1p(sum(not number.is_integer() for number in used)),
        "numbers_used": sum(number in used for number in set(given)) / max(1, len(set(given))),
        "no_number": float(value is None),
        "negative": float(value is not None and value < 0),
        "zero": float(value == 0),
        "not_whole": float(value is not None and not value.is_integer()),
        "size": math.log1p(abs(value or 0.0)),
        "against_numbers": math.log1p(abs(value or 0.0)) - math.log1p(max(given, default=0.0)),
        "is_given": float(value in given),
        "is_last_result": float(value is not None and bool(results) and abs(results[-1] - value) < SAME),
        "is_a_result": float(value is not None and any(abs(result - value) < SAME for result in results)),
    }
