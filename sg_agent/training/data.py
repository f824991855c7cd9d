"""The rows that a run learns from, each refused when the graphs' own gate would refuse its guidance."""

from collections.abc import Sequence
from itertools import islice

from sg_agent.checks import check_guidance, clean_guidance, leaks
from sg_agent.errors import DataError
from sg_agent.prompts import Phase, few_shot, load_prompt
from sg_agent.rows import Row, load_rows
from sg_agent.training.recipe import BaseRecipe, DistillRecipe, Learn
from sg_agent.worlds import WORLDS, Split, questions, worked_examples

PHASES: dict[Learn, Phase] = {"guidance": "guide", "cot": "cot"}


def load_questions(recipe: BaseRecipe) -> list[Row]:
    """The rows of all of `recipe.data`, in that order. Raises DataError for a file that cannot be used."""
    return _rows(recipe.data, "train", recipe.seed, recipe.rows_per_world)


def load_validation(recipe: DistillRecipe) -> list[Row]:
    """`validation_rows` rows to measure a guide on, from all of `recipe.validation`. Raises DataError."""
    return spread(_rows(recipe.validation, "validation", recipe.seed, recipe.validation_rows), recipe.validation_rows)


def _rows(names: Sequence[str], split: Split, seed: int, per_world: int) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        rows += islice(questions(name, split, seed=seed), per_world) if name in WORLDS else load_rows(name)
    return rows


def load_worked(recipe: BaseRecipe) -> list[Row]:
    """As `load_questions`, with worked reasoning: a world's own, or a file's. Raises DataError for a row without."""
    rows: list[Row] = []
    for name in recipe.data:
        if name in WORLDS:
            rows += islice(worked_examples(name, seed=recipe.seed), recipe.rows_per_world)
        else:
            rows += load_rows(name)
    for row in rows:
        if missing := few_shot.lacks("cot", row):
            raise DataError(f"{', '.join(recipe.data)}: row {row.id!r} has no {missing} to learn from")
    return rows


def load_data(recipe: BaseRecipe) -> list[Row]:
    """`load_questions`, every row with guidance that may be shown to a solver.

    Raises DataError naming the first row that has none, or one that the gate refuses, and how many there are.
    """
    rows = load_questions(recipe)
    bad = [(row, problem) for row in rows if (problem := guidance_problem(row))]
    if bad:
        row, problem = bad[0]
        more = f" (and {len(bad) - 1} more of {len(rows)} rows)" if len(bad) > 1 else ""
        raise DataError(f"{', '.join(recipe.data)}: row {row.id!r} {problem}{more}")
    return rows


def guidance_problem(row: Row) -> str | None:
    """What is wrong with a row's own guidance as something to learn, in words; None when nothing is."""
    if not row.gold:
        return "has no guidance to learn from"
    text = clean_guidance(row.gold)
    shown = "\n".join([row.question, *(passage.text for passage in row.context or [])])
    if problem := check_guidance(text, row.kind, shown):
        return f"has guidance that the check refuses: {problem}"
    if leaks(text, row.answer, row.kind, shown):
        return f"has guidance that gives the answer away: {row.answer!r}"
    return None


def as_conversation(row: Row, learn: Learn = "guidance") -> dict[str, list[dict[str, str]]]:
    """TRL's conversational prompt-completion form, the prompt being the one that the graphs will send."""
    reply = few_shot.reply(PHASES[learn], row)
    return {"prompt": as_prompt(row, learn), "completion": [{"role": "assistant", "content": reply}]}


def as_prompt(row: Row, learn: Learn = "guidance") -> list[dict[str, str]]:
    """The messages for a row, as TRL takes them."""
    system, user = load_prompt(PHASES[learn], row.task).render(row, kind=row.kind)
    return [{"role": "system", "content": str(system.content)}, {"role": "user", "content": str(user.content)}]


def spread(rows: Sequence[Row], n: int) -> list[Row]:
    """`n` rows (or all) at even distances, so that every part of the data is among them."""
    step = max(1, len(rows) / n)
    return [rows[int(i * step)] for i in range(min(n, len(rows)))]
