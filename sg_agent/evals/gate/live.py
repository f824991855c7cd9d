"""What a server kept of live questions (`sg-agent serve --shadow`), as results of an eval: scored by its feedback.

Where feedback gives the right answer, both routes are scored by it. Where it only says whether the answer that was
shown is correct, that one is; the other is right or wrong with it when it says the same, and wrong when it says
something else than a correct one, in tasks with one right answer. What is left is not known and left out.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sg_agent.answer_forms import answer_problem
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.outcomes import outcome
from sg_agent.evals.run_dir import RunRecord
from sg_agent.evals.scoring import Score, score
from sg_agent.gate import GateRoute
from sg_agent.gate.live import ARMS, Feedback, Live, LiveAnswer, LiveFolder, Shadowed
from sg_agent.rows import Row, parse_row

ONE_RIGHT = ("math", "multiple_choice", "boolean")
SUITE = "live"


class LiveRun(NamedTuple):
    """As of a run directory: what it is a run of, its questions, and the results by id and arm; what was left out."""

    record: RunRecord
    rows: tuple[Row, ...]
    answers: Mapping[tuple[str, str], ArmResult]
    note: str | None


def read_live(path: Path) -> LiveRun:
    """The questions in a folder of one solver that have feedback. Raises ConfigError and DataError."""
    folder = LiveFolder(path)
    shadowed, feedback = folder.lines()
    rows: list[Row] = []
    answers: dict[tuple[str, str], ArmResult] = {}
    left = Counter[str]()
    for line in shadowed.values():
        said = feedback.get(line["id"])
        row = _row(line, said)
        if said is None or row is None:
            left["no feedback" if said is None else "an answer in the feedback that cannot be scored"] += 1
            continue
        scores = _scores(line, row, said)
        if len(scores) < len(ARMS):
            left["feedback that does not say what the right answer is"] += 1
            continue
        rows.append(row)
        answers |= {
            (row.id, ARMS[route]): _result(row, route, line["answers"][route], found) for route, found in scores.items()
        }
    record = RunRecord(config=_config(folder.read()), arms=list(ARMS.values()), revisions=[])
    return LiveRun(record, tuple(rows), answers, _note(path, left, len(shadowed)))


def _config(live: Live) -> dict[str, str | None]:
    return {
        "suite": SUITE,
        "guide": live.guide.name,
        "solver": live.solver.name,
        "guide_sha256": live.guide.sha256,
        "solver_sha256": live.solver.sha256,
    }


def _row(line: Shadowed, said: Feedback | None) -> Row | None:
    """The question with its right answer, as far as it is known; None with one that cannot be scored."""
    gold = said.get("answer") if said else None
    shown = line["answers"][line["shown"]]["answer"]
    right = gold or (shown if said and said.get("correct") else None)
    row = parse_row({**line["row"], "answer": right or "unknown"}, f"question {line['id']}")
    return None if gold and answer_problem(gold, row.task, row.choices) else row


def _scores(line: Shadowed, row: Row, said: Feedback) -> dict[GateRoute, Score]:
    """The routes whose answer is known to be right or wrong."""
    given = {route: line["answers"][route]["answer"] for route in ARMS}
    if "answer" in said:
        return {route: score(answer, row) for route, answer in given.items()}
    shown, correct = line["answers"][line["shown"]]["answer"], said.get("correct")
    if shown is None or correct is None:
        return {}
    same = row.model_copy(update={"answer": shown})
    found: dict[GateRoute, Score] = {}
    for route, answer in given.items():
        if route == line["shown"] or score(answer, same).correct:
            found[route] = Score(correct, None)
        elif correct and row.task in ONE_RIGHT:
            found[route] = Score(False, None)
    return found


def _result(row: Row, route: GateRoute, answer: LiveAnswer, scored: Score) -> ArmResult:
    attempts: list[object] = list(answer["attempts"])
    result: dict[str, object] = {
        **answer,
        "id": row.id,
        "arm": ARMS[route],
        "correct": scored.correct,
        "f1": scored.f1,
        "outcome": outcome(answer["answer"], scored, attempts),  # type: ignore[arg-type] # plain data of Attempts
        "error": None,
        "route": "direct" if answer["guidance"] is None else "guided",
        "reason": None,
        "latency_s": 0.0,
    }
    return result  # type: ignore[return-value] # its keys are the TypedDict's


def _note(path: Path, left: Counter[str], n: int) -> str | None:
    if not left:
        return None
    said = ", ".join(f"{count} with {why}" for why, count in left.most_common())
    return f"{str(path)!r}: {left.total()} of {n} live questions are left out: {said}"
