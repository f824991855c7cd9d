"""What a run learns from: worlds and files, and the rows that are refused."""

import json
from itertools import islice
from pathlib import Path

import pytest

from sg_agent.errors import DataError
from sg_agent.rows import Row
from sg_agent.training.data import as_conversation, guidance_problem, load_data, load_questions, spread
from sg_agent.training.recipe import BaseRecipe
from sg_agent.worlds import questions

GOOD = {"id": "a", "question": "2 boats of 4?", "answer": "8", "task": "math", "guidance": "1. Look.\n2. Multiply."}


def recipe_for(tmp_path: Path, *rows: dict[str, str]) -> BaseRecipe:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({**row, "id": str(i)}) for i, row in enumerate(rows)), encoding="utf-8")
    return BaseRecipe(base="embedded:solver", data=[str(path)], learning_rate=1, batch_size=1)


@pytest.mark.parametrize(
    ("guidance", "message"),
    [
        ("", "row '1' has no guidance to learn from"),
        ("1. Look.", "row '1' has guidance that the check refuses: guidance has 1 steps"),
        ("1. Look.\n2. That makes 8.", "row '1' has guidance that the check refuses: the plan holds a computed value"),
        ("1. Look.\n2. Nearly 8 boats then.", "row '1' has guidance that gives the answer away: '8'"),
    ],
)
def test_guidance_that_the_gate_would_refuse_is_refused(tmp_path: Path, guidance: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_data(recipe_for(tmp_path, GOOD, {**GOOD, "guidance": guidance}))


def test_how_many_rows_are_bad_is_said(tmp_path: Path) -> None:
    bad = {**GOOD, "guidance": "1. Look."}
    with pytest.raises(DataError, match=r"row '1' .* \(and 1 more of 3 rows\)"):
        load_data(recipe_for(tmp_path, GOOD, bad, bad))


def test_questions_may_come_without_guidance(tmp_path: Path) -> None:
    assert len(load_questions(recipe_for(tmp_path, {**GOOD, "guidance": ""}))) == 1


@pytest.mark.parametrize("world", ["depot", "archive"])
def test_the_gold_guidance_of_the_worlds_is_accepted(world: str) -> None:
    rows = list(islice(questions(world, "train", seed=3), 500))
    assert [row.id for row in rows if guidance_problem(row)] == []


def test_the_prompt_learned_is_the_prompt_the_graphs_send() -> None:
    conversation = as_conversation(Row.model_validate(GOOD))
    assert [message["role"] for message in conversation["prompt"]] == ["system", "user"]
    assert conversation["prompt"][0]["content"].startswith("Write a plan")
    assert conversation["completion"] == [{"role": "assistant", "content": "1. Look.\n2. Multiply."}]


def test_spread_takes_from_the_whole_length() -> None:
    rows = [Row.model_validate({**GOOD, "id": str(i)}) for i in range(10)]
    assert [row.id for row in spread(rows, 3)] == ["0", "3", "6"]
    assert len(spread(rows, 99)) == 10
