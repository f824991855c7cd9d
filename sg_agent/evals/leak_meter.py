"""The leak meter: how much of the guidance that a solver was shown gives the answer away, and what is left without it.

A gain that comes from leaked answers is the guide's own answering, not guiding. Judged by `sg_agent.checks`, on the
answer and its aliases, with the question and its passages as what guidance may repeat.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from sg_agent.checks import computed_value, leaks
from sg_agent.evals.breakdown import Part, part
from sg_agent.evals.graph import ArmResult
from sg_agent.rows import Row

Leaks = frozenset[tuple[str, str]]  # (question id, arm)


class LeakMeter(TypedDict):
    """Of one arm. `leaking` of `guided` questions had guidance that gives the answer away (share None without any).

    `arithmetic` counts plans that hold worked arithmetic or another computed value; they are among the leaking.
    `rest` has the arm itself and the arms it is compared with, all on the questions that did not leak in this arm.
    """

    guided: int
    leaking: int
    share: float | None
    arithmetic: int
    rest: dict[str, Part]


def find_leaks(rows: Sequence[Row], results: Mapping[str, Sequence[ArmResult]]) -> Leaks:
    """Every (question id, arm) whose guidance gives the answer away."""
    by_id = {row.id: row for row in rows}
    return frozenset(
        (result["id"], arm)
        for arm, answers in results.items()
        for result in answers
        if result["guidance"] and _leaks(by_id[result["id"]], result["guidance"])
    )


def leak_meters(
    rows: Sequence[Row],
    results: Mapping[str, Sequence[ArmResult]],
    found: Leaks,
    baselines: Mapping[str, Sequence[str]],
) -> dict[str, LeakMeter]:
    """A meter for each arm that showed guidance; `baselines` names what each arm is compared with."""
    by_id = {row.id: row for row in rows}
    return {
        arm: _meter(by_id, arm, found, {name: results[name] for name in (arm, *baselines.get(arm, ()))})
        for arm, answers in results.items()
        if any(answer["guidance"] for answer in answers)
    }


def _leaks(row: Row, guidance: str) -> bool:
    shown = shown_text(row)
    return any(leaks(guidance, answer, row.kind, shown) for answer in (row.answer, *row.answer_aliases))


def shown_text(row: Row) -> str:
    """What guidance may repeat: the question and its passages, but not the choices, since to name one is to answer."""
    return "\n".join([row.question, *(passage.text for passage in row.context or [])])


def _meter(rows: Mapping[str, Row], arm: str, found: Leaks, compared: Mapping[str, Sequence[ArmResult]]) -> LeakMeter:
    guided = [(rows[answer["id"]], answer["guidance"]) for answer in compared[arm] if answer["guidance"]]
    leaked = {row.id for row, _ in guided if (row.id, arm) in found}
    kept = rows.keys() - leaked
    worked = [row for row, guidance in guided if row.kind == "plan" and computed_value(guidance, shown_text(row))]
    return {
        "guided": len(guided),
        "leaking": len(leaked),
        "share": len(leaked) / len(guided) if guided else None,
        "arithmetic": len(worked),
        "rest": {name: part(answers, kept) for name, answers in compared.items()},
    }
