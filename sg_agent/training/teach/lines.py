"""The lines of a teach run's output: a canonical row, the guidance, and where that came from."""

from typing import Any, TypedDict

from sg_agent.ledger import total_cost
from sg_agent.rows import Kind, Row
from sg_agent.training.teach.config import TeachConfig
from sg_agent.training.teach.store import Draft
from sg_agent.training.teach.summary import teacher_name, verifier_name
from sg_agent.training.teach.teacher import now, teach_prompt


class Provenance(TypedDict):
    """Tokens, cost and latency are the teacher's for this row; `created` is when it replied (UTC, ISO 8601)."""

    teacher: str
    prompt: str | None
    prompt_sha256: str | None
    kind: Kind
    created: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    latency_s: float
    verified_with: str | None


def line(config: TeachConfig, row: Row, guidance: str | None, draft: Draft | None, *, verified: bool) -> dict[str, Any]:
    """A row of the output file; `guidance` None is that of a question that nobody was asked about.

    Where the task takes a rationale, the row's own would be taken for the guidance, and is left out.
    """
    fields = row.model_dump(exclude_none=True)
    if not row.answer_aliases:
        del fields["answer_aliases"]
    for replaced in ("guidance", *(["rationale"] if row.kind == "rationale" else [])):
        fields.pop(replaced, None)
    if guidance is not None:
        fields["guidance"] = guidance
    return {**fields, "provenance": _provenance(config, row, draft, verified)}


def _provenance(config: TeachConfig, row: Row, draft: Draft | None, verified: bool) -> Provenance:
    prompt = None if config.teacher is None else teach_prompt(config.prompt, row)
    calls = draft["calls"] if draft else []
    return {
        "teacher": teacher_name(config),
        "prompt": prompt.id if prompt else None,
        "prompt_sha256": prompt.sha256 if prompt else None,
        "kind": config.kind_of(row),
        "created": draft["created"] if draft else now(),
        "input_tokens": sum(call["input_tokens"] for call in calls),
        "output_tokens": sum(call["output_tokens"] for call in calls),
        "cost_usd": total_cost(calls),
        "latency_s": sum(call["latency_s"] for call in calls),
        "verified_with": verifier_name(config) if verified else None,
    }
