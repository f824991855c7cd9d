"""Eval runs for tests of the gate: long questions are hard without guidance, guidance sometimes spoils short ones."""

import random
from pathlib import Path

from recorded_run import HOSTED, LOCAL, PLAN, answered, call, record

from sg_agent.evals.graph import ArmResult
from sg_agent.evals.run_dir import RunDir
from sg_agent.rows import Row

DAYS = ("Monday", "Tuesday", "Thursday", "Friday")


def rows(n: int, *, seed: int = 0) -> list[Row]:
    """Questions of one to twelve events."""
    dice = random.Random(seed)
    made = []
    for i in range(n):
        events = " ".join(f"On {dice.choice(DAYS)} {dice.randint(2, 99)} came in." for _ in range(dice.randint(1, 12)))
        made.append(
            Row(
                id=f"q{i}",
                question=f"The depot has {dice.randint(1, 999)}. {events} How many?",
                answer="7",
                task="math",
            )
        )
    return made


def is_hard(row: Row) -> bool:
    return row.question.count(" came in") > 6


def weak_run(path: Path, asked: list[Row], *, seed: int = 0, noise: float = 0.1, **identity: object) -> RunDir:
    """`cot` is right on the easy, `guided` on the hard and most of the easy; a wrong `cot` shows it in its sums."""
    dice = random.Random(seed)
    results: list[ArmResult] = []
    for row in asked:
        cot = is_hard(row) == (dice.random() < noise)
        guided = dice.random() < (0.95 if is_hard(row) else 0.8)
        text = f"3 + 4 = {7 if cot else 9}. The answer is {7 if cot else 9}."
        attempt = {"index": 0, "text": text, "answer": "7" if cot else "9", "finish": "stop", "error": None}
        results.append(answered(row.id, "cot", cot, attempts=[attempt], answer=attempt["answer"]))
        said = {**attempt, "text": f"guided on {row.id}.", "answer": "7" if guided else "8"}
        results.append(answered(row.id, "guided", guided, guidance=PLAN, attempts=[said]))
    return record(path, asked, results, **identity)


def telling_run(path: Path, asked: list[Row], *, seed: int = 0, logprobs: bool = True) -> RunDir:
    """`cot` is right on half, whatever the question. Whether `guided` is, the guide knows: bad plans begin with a
    guess, and are unlikely. A tenth of the plans did not pass the check.
    """
    dice = random.Random(seed)
    results: list[ArmResult] = []
    for row in asked:
        cot, good, passed = dice.random() < 0.5, dice.random() < 0.7, dice.random() < 0.9
        results.append(answered(row.id, "cot", cot))
        likely = (
            {"mean_logprob": -0.01, "least_logprob": -0.1} if good else {"mean_logprob": -0.5, "least_logprob": -3.0}
        )
        guide = call("guide", LOCAL, cost_usd=0.002, **(likely if logprobs else {}))
        text = PLAN if good else f"1. Guess the cans.\n{PLAN}"
        guided = dice.random() < (0.95 if good else 0.15) if passed else cot
        ledger = [*([] if passed else [guide]), guide, call("solver", HOSTED)]
        results.append(answered(row.id, "guided", guided, guidance=text if passed else None, ledger=ledger))
    return record(path, asked, results)


def strong_run(
    path: Path, asked: list[Row], *, seed: int = 1, solver: str = "openai:big", **identity: object
) -> RunDir:
    """`cot` of a solver that is nearly always right."""
    dice = random.Random(seed)
    results = [answered(row.id, "cot", dice.random() < 0.93) for row in asked]
    return record(path, asked, results, solver=solver, **identity)
