"""How useful a guide's guidance is: the score of a solver that is shown it, on questions it has not been trained on.

Guidance that the gate refuses, or that gives the answer away, is of no use: 0, though a served question would then go
direct. A question that an outage, or a spent budget, kept from an answer is left out and counted.
"""

from dataclasses import dataclass
from statistics import fmean

from sg_agent.local import LocalChatModel
from sg_agent.prompts import load_prompt
from sg_agent.rows import Row
from sg_agent.training.grader import Grade, Grader


@dataclass(frozen=True)
class Usefulness:
    """`accuracy` is the mean score (0..1) of the `n` questions that were graded; None unless most were.

    `unfit` and `leaks` count guidance that the solver was not shown.
    """

    accuracy: float | None
    n: int
    errors: int
    unfit: int
    leaks: int
    first_error: str | None = None


def measure_usefulness(guide: LocalChatModel, rows: list[Row], grader: Grader) -> Usefulness:
    """Have `guide` write greedily for all of `rows`, in one batch, and grade it. Raises a UserError of the solver."""
    with guide.together():
        written = [guide.submit(load_prompt("guide", row.task).render(row, kind=row.kind))[1] for row in rows]
    replies = [future.result() for future in written]
    begun = [grader.begin(row, reply.text, reply.finish == "length") for row, reply in zip(rows, replies, strict=True)]
    return usefulness([future.result() for future in begun])


def usefulness(grades: list[Grade]) -> Usefulness:
    """What the grades of one guide's guidance come to."""
    scores = [grade.score for grade in grades if grade.score is not None]
    return Usefulness(
        accuracy=fmean(scores) if 2 * len(scores) > len(grades) else None,
        n=len(scores),
        errors=len(grades) - len(scores),
        unfit=sum(grade.problem is not None and not grade.leak for grade in grades),
        leaks=sum(grade.leak for grade in grades),
        first_error=next((grade.error for grade in grades if grade.error), None),
    )
