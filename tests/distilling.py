"""Rows and a recipe for distilling tiny models."""

import json
from pathlib import Path

from sg_agent.training.recipe import DistillRecipe, make_recipe

ROWS = [
    {"id": str(i), "question": f"{i} boats?", "answer": str(i), "task": "math", "guidance": "1. Look.\n2. Count."}
    for i in range(12)
]


def rows_file(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    return path


def recipe_for(path: Path, data: Path, **changes: object) -> DistillRecipe:
    """A recipe for the model in `path`, or for the base among `changes`."""
    given = {"base": f"local:{path}", "data": [str(data)], "learning_rate": 0.02, "batch_size": 4, "lora_rank": 4}
    return make_recipe({**given, "epochs": 1, "max_guidance": 8, **changes}, DistillRecipe, where="test")
