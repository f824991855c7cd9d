"""Few-shot examples of an eval: the first rows of what the suite keeps for training, the same for every question.

A generated suite gives its train stream, a public one its train split; rows of one's own are named as a file. An
example that is itself asked would give its answer away and is passed over.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from sg_agent.errors import ConfigError
from sg_agent.evals.arms import Arm
from sg_agent.evals.suites import Suite, load_suite
from sg_agent.evals.suites.public import PUBLIC
from sg_agent.prompts.few_shot import lacks
from sg_agent.rows import Row, load_rows
from sg_agent.worlds import WORLDS, worked_examples

SPARE = 20  # train rows looked at beyond those wanted, in case some are asked


def check_shots(
    suite: str, shots: int, *, shots_from: str | Path | None = None, data: str | Path | None = None
) -> None:
    """Raise ConfigError for what can be told wrong of the flags --shots and --shots-from without reading rows."""
    if shots < 0:
        raise ConfigError(f"shots must be at least 0, not {shots!r}")
    if shots_from is not None and not shots:
        raise ConfigError("--shots-from needs --shots K, the number of examples")
    if shots and shots_from is None and (data is not None or suite not in (*WORLDS, *PUBLIC)):
        raise ConfigError("--shots with a file of rows needs --shots-from FILE, rows to take the examples from")


def load_examples(
    suite: Suite,
    arms: Sequence[Arm],
    *,
    shots: int,
    seed: int = 0,
    shots_from: str | Path | None = None,
    revision: str | None = None,
) -> tuple[Row, ...]:
    """`shots` examples for the questions of `suite`, complete for all of `arms`.

    Raises ConfigError for a suite of several tasks, too few rows, or an example without what an arm shows of it;
    DataError for a bad file and examples of another task.
    """
    tasks = sorted({row.task for row in suite.rows})
    if len(tasks) > 1:
        raise ConfigError(f"--shots needs questions of one task, and {suite.name!r} has {', '.join(tasks)}")
    asked = {row.question for row in suite.rows}
    if shots_from is not None:
        rows: Iterable[Row] = load_rows(shots_from, task=tasks[0])
    elif suite.name in PUBLIC:
        rows = load_suite(suite.name, split="train", limit=shots + SPARE, revision=revision).rows
    else:
        rows = worked_examples(suite.name, seed=seed)
    found = tuple(islice((row for row in rows if row.question not in asked), shots))
    if len(found) < shots:
        source = str(shots_from) if shots_from else f"the train split of {suite.name}"
        raise ConfigError(f"{source!r} has {len(found)} rows that are not asked themselves, --shots wants {shots}")
    _check_complete(found, arms)
    return found


def _check_complete(examples: Sequence[Row], arms: Sequence[Arm]) -> None:
    for arm in arms:
        for phase in arm.phases:
            for example in examples:
                if missing := lacks(phase, example):
                    raise ConfigError(
                        f"arm {arm.name!r} shows {missing} with every example, and example {example.id!r} has none; "
                        "use --shots-from FILE with it, or leave the arm out"
                    )
