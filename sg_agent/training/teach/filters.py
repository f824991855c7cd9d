"""The filters between what a teacher wrote and what a guide is trained on, each by its name.

Two look at questions alone and are applied before anything is paid for (`duplicates`), six at what was written (here),
and usefulness asks a solver (`usefulness`). A filter gives a reason in words, or None.
"""

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from sg_agent.answer_forms import LETTERS, choice_letter
from sg_agent.checks import (
    LEAST_STEPS,
    MOST_CHARACTERS,
    MOST_STEPS,
    NUMBERED,
    clean_guidance,
    computed_value,
    count_steps,
    names_answer,
)
from sg_agent.graphs.state import Finish
from sg_agent.replies import is_refusal
from sg_agent.rows import Kind, Row


class Written(NamedTuple):
    """Guidance as it would be kept, and how its writer ended."""

    guidance: str
    finish: Finish


class Rejection(NamedTuple):
    """The filter that a row did not pass, and why."""

    filter: str
    reason: str


def tidied(text: str) -> str:
    """A teacher's reply without thoughts, control tokens, code fences and whatever it says before its first step."""
    lines = [line.rstrip() for line in clean_guidance(text).split("\n")]
    lines = [line for line in lines if line.strip() and not line.lstrip().startswith("```")]
    first = next((number for number, line in enumerate(lines) if NUMBERED.match(f"{line} ")), 0)
    return "\n".join(lines[first:])


def judge(written: Written, row: Row, kind: Kind, wanted: Collection[str]) -> Rejection | None:
    """The first of the `wanted` filters that the guidance does not pass, None when it passes them all."""
    for name, problem in TEXT_FILTERS.items():
        if name in wanted and (reason := problem(written, row, kind)):
            return Rejection(name, reason)
    return None


def _refused(written: Written, row: Row, kind: Kind) -> str | None:  # noqa: ARG001 - every filter is called alike
    if written.finish == "filtered":
        return "the provider withheld it"
    refused = written.finish == "refusal" or is_refusal(written.guidance)
    return "the teacher refused" if refused else None


def _truncated(written: Written, row: Row, kind: Kind) -> str | None:  # noqa: ARG001
    return "cut at the token limit" if written.finish == "length" else None


def _empty(written: Written, row: Row, kind: Kind) -> str | None:  # noqa: ARG001
    return None if re.search(r"\w", written.guidance) else "nothing was written"


def _steps(written: Written, row: Row, kind: Kind) -> str | None:  # noqa: ARG001
    if len(written.guidance) > MOST_CHARACTERS:
        return f"{len(written.guidance)} characters, at most {MOST_CHARACTERS} reach a solver"
    steps = count_steps(written.guidance)
    return None if LEAST_STEPS <= steps <= MOST_STEPS else f"{steps} steps, not {LEAST_STEPS} to {MOST_STEPS}"


def _arithmetic(written: Written, row: Row, kind: Kind) -> str | None:
    value = computed_value(written.guidance, row.shown_text) if kind == "plan" else None
    return f"holds a computed value: {value}" if value else None


def _leak(written: Written, row: Row, kind: Kind) -> str | None:
    text, shown = written.guidance, row.shown_text
    named = [answer for answer in (row.answer, *row.answer_aliases) if names_answer(text, answer, kind, shown)]
    if named or (kind == "plan" and _names_right_choice_alone(text, row, shown)):
        return f"gives the answer away: {(named or [row.answer])[0]}"
    return None


def _names_right_choice_alone(text: str, row: Row, shown: str) -> bool:
    """To name one choice is to answer; to name several may be to compare them."""
    letter = choice_letter(row.answer, row.choices) if row.choices else None
    if letter is None or row.choices is None:
        return False
    named = [choice for choice in row.choices if names_answer(text, choice, "plan", shown)]
    return named == [row.choices[LETTERS.index(letter)]]


TEXT_FILTERS: dict[str, Callable[[Written, Row, Kind], str | None]] = {
    "refused": _refused,
    "truncated": _truncated,
    "empty": _empty,
    "steps": _steps,
    "arithmetic": _arithmetic,
    "leak": _leak,
}
NEAR_DUPLICATE, EVAL_OVERLAP, USEFULNESS = "near-duplicate", "eval-overlap", "usefulness"
FILTERS = (EVAL_OVERLAP, NEAR_DUPLICATE, *TEXT_FILTERS, USEFULNESS)
