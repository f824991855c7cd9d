"""The canonical row: one question with its answer, as JSONL or CSV, for teaching, training and evals."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from sg_agent.answer_forms import answer_problem
from sg_agent.errors import DataError
from sg_agent.row_files import read_records

Task = Literal["math", "multiple_choice", "boolean", "multihop_qa", "open"]
Kind = Literal["plan", "rationale"]

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _from_cell(value: Any) -> Any:
    """CSV cells hold lists as JSON; an empty cell is an absent value."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else None
    except (ValueError, RecursionError):
        raise ValueError('a cell of several values must hold a JSON list, such as ["one", "two"]') from None


def _as_text(value: Any) -> Any:
    """A JSON number or boolean is accepted where text is meant: an answer of 12, an id of 3."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int | float) else value


class Passage(BaseModel):
    """One passage of context."""

    model_config = ConfigDict(frozen=True)

    title: str
    text: str


class Row(BaseModel):
    """One question. Columns it does not name are ignored."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[Text, BeforeValidator(_as_text)]
    question: Text
    answer: Annotated[Text, BeforeValidator(_as_text)]
    answer_aliases: Annotated[list[str], BeforeValidator(lambda v: _from_cell(v) or [])] = Field(default_factory=list)
    choices: Annotated[list[str] | None, BeforeValidator(_from_cell)] = None
    context: Annotated[list[Passage] | None, BeforeValidator(_from_cell)] = None
    task: Task = "open"
    guidance: str | None = None
    rationale: str | None = None
    group: Annotated[str | None, BeforeValidator(_as_text)] = None

    @property
    def kind(self) -> Kind:
        """The kind of guidance this task takes: a rationale over passages, else a plan."""
        return "rationale" if self.task == "multihop_qa" else "plan"

    @property
    def gold(self) -> str | None:
        """The row's own guidance, of the kind its task takes."""
        return self.rationale or self.guidance if self.kind == "rationale" else self.guidance

    @property
    def shown_text(self) -> str:
        """What guidance may repeat: the question and its passages, but not the choices: to name one is to answer."""
        return "\n".join([self.question, *(passage.text for passage in self.context or [])])


def load_rows(path: str | Path, *, task: Task | None = None) -> list[Row]:
    """All rows of a JSONL or CSV file, whose tasks may differ; with `task`, rows that name none have that one.

    Raises DataError naming file, line, field and the accepted form for the first bad row, an answer that cannot be
    scored, a task other than `task`, a duplicate id, an empty file or an encoding that is not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no such file: {str(path)!r}")
    rows: list[Row] = []
    lines: dict[str, int] = {}
    for line, record in read_records(path):
        row = checked_row(record, f"{path}:{line}", task=task)
        if row.id in lines:
            raise DataError(f"{path}:{line}: id {row.id!r} is already on line {lines[row.id]}")
        lines[row.id] = line
        rows.append(row)
    if not rows:
        raise DataError(f"{path} has no rows")
    return rows


def checked_row(record: Any, where: str, *, task: Task | None = None) -> Row:
    """A row whose answer can be scored, for `task` if one is given. Raises DataError as `parse_row`."""
    if task is not None and isinstance(record, dict):
        record = {**record, "task": record.get("task") or task}
    row = parse_row(record, where)
    if task is not None and row.task != task:
        raise DataError(f"{where}: field 'task': {row.task!r} is not the task asked for, which is {task!r}")
    if problem := answer_problem(row.answer, row.task, row.choices):
        raise DataError(f"{where}: {problem}")
    return row


def parse_row(record: Any, where: str) -> Row:
    """One row from its decoded form. Raises DataError naming `where`, the field and the accepted form."""
    if not isinstance(record, dict):
        raise DataError(f"{where}: a row must be an object with id, question and answer, not {type(record).__name__}")
    if "task" not in record or not record["task"]:
        record = {**record, "task": default_task(record)}
    try:
        return Row.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        absent = first["type"] == "missing"
        note = "; a row needs id, question and answer" if absent else f", not {first['input']!r:.80}"
        raise DataError(f"{where}: field {field!r}: {first['msg']}{note}") from error


def default_task(record: Mapping[str, Any]) -> Task:
    """What is asked by one that names no task."""
    if record.get("choices"):
        return "multiple_choice"
    return "multihop_qa" if record.get("context") else "open"
