r"""Guidance out of worked solutions that rows already have, without a teacher. Deterministic, made for English.

    rationale       the row's worked solution, sentence by sentence; for a plan without its numbers
    plan            the row's guidance, as numbered steps; for a plan without worked arithmetic
    decomposition   sub-questions, each a step "Find: ...": a list (StrategyQA; a file's column `decomposition` or
                    `plan`) or lines "How many ...? ** ..." (GSM8K's socratic form) of the rationale or the guidance.
                    "#1" in a sub-question becomes what that step found; numbers that the question does not hold go

More than six steps are merged, the shortest neighbours first.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from sg_agent.checks import MOST_STEPS
from sg_agent.errors import DataError
from sg_agent.rows import Kind, Row
from sg_agent.training.teach.sentences import sentences, without_results, without_unknown, without_values
from sg_agent.training.teach.source import COLUMNS, Source

Worked = Literal["rationale", "plan", "decomposition"]
WORKED: tuple[str, ...] = get_args(Worked)

_ANSWERED = re.compile(r"\s*\*\*.*$", re.MULTILINE)
_SPACED_END = re.compile(r"\s+(?=[?.,]$)")
_STEP_REFERENCE = re.compile(r"#(\d{1,2})\b")


def worked_guidance(row: Row, origin: Worked, kind: Kind, decomposition: Any = None) -> str:
    """The steps, numbered, one to a line; empty when nothing is left of the solution."""
    match origin:
        case "rationale":
            said = sentences(row.rationale or "")
            steps = [without_values(sentence) or "" for sentence in said] if kind == "plan" else said
        case "plan":
            said = sentences(row.guidance or "")
            steps = [without_results(step) for step in said] if kind == "plan" else said
        case "decomposition":
            return _found_in_turn(_sub_questions(row, decomposition), row.shown_text)
    steps = [step for step in steps if step]
    return _numbered(" ".join(steps[place] for place in group) for group in _groups(steps))


def check_worked(source: Source, origin: Worked) -> None:
    """Raise DataError when a row lacks what guidance is to be made from."""
    missing = [row.id for row in source.rows if not _has(row, origin, source.decompositions.get(row.id))]
    if missing:
        accepted = {
            "rationale": "a worked solution in the field 'rationale'",
            "plan": "the field 'guidance'",
            "decomposition": f"a list of sub-questions in a column {' or '.join(map(repr, COLUMNS))} of a file, or "
            "lines 'How many ...? ** ...' in the field 'rationale' or 'guidance'",
        }
        raise DataError(
            f"--from {origin}: {len(missing)} of {len(source.rows)} rows of {source.name!r} lack it, the first is "
            f"{missing[0]!r}; every row needs {accepted[origin]}"
        )


def _has(row: Row, origin: Worked, decomposition: Any) -> bool:
    match origin:
        case "rationale":
            return bool((row.rationale or "").strip())
        case "plan":
            return bool((row.guidance or "").strip())
        case "decomposition":
            return bool(_sub_questions(row, decomposition))


def _sub_questions(row: Row, decomposition: Any) -> list[str]:
    if isinstance(decomposition, str):
        decomposition = decomposition.splitlines()
    if isinstance(decomposition, Sequence):
        return [text.strip() for text in decomposition if isinstance(text, str) and text.strip()]
    text = next((text for text in (row.rationale, row.guidance) if text and "?" in text), "")
    asked = [_ANSWERED.sub("", line).strip() for line in text.splitlines()]
    return [line for line in asked if line.endswith("?")]


def _found_in_turn(questions: list[str], known: str) -> str:
    """A step for each sub-question, or for several; what one refers to is what the step of that one found."""
    groups = _groups(questions)
    step_of = {place + 1: step for step, group in enumerate(groups, 1) for place in group}

    def asked(place: int) -> str:
        def found(reference: re.Match[str]) -> str:
            step = step_of.get(int(reference[1]))
            return "(what that found)" if step == step_of[place + 1] else f"(what step {step} found)"

        whole = _STEP_REFERENCE.split(questions[place])  # text and step numbers in turn
        text = "".join(part if at % 2 else without_unknown(part, known) for at, part in enumerate(_marked(whole)))
        return _SPACED_END.sub("", _STEP_REFERENCE.sub(found, text))

    return _numbered("Find: " + " Then: ".join(asked(place) for place in group) for group in groups)


def _marked(split: list[str]) -> list[str]:
    """What `_STEP_REFERENCE` split, with the marks of the references back on."""
    return [f"#{part}" if at % 2 else part for at, part in enumerate(split)]


def _groups(steps: Sequence[str]) -> list[list[int]]:
    """The places of the steps, at most six groups of neighbours."""
    groups = [[place] for place in range(len(steps))]
    while len(groups) > MOST_STEPS:
        lengths = [sum(len(steps[place]) for place in group) for group in groups]
        first = min(range(len(groups) - 1), key=lambda at: lengths[at] + lengths[at + 1])
        groups[first : first + 2] = [groups[first] + groups[first + 1]]
    return groups


def _numbered(steps: Iterable[str]) -> str:
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
