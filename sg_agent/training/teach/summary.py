"""What a teach run has made so far: what `sg-agent teach --json` prints. Keys are only ever added."""

from typing import TypedDict

from sg_agent.evals.config import shown_model
from sg_agent.evals.usage import Tokens
from sg_agent.ledger import CallRecord, total_cost
from sg_agent.rows import Kind
from sg_agent.training.teach.config import TeachConfig
from sg_agent.training.teach.filters import FILTERS
from sg_agent.training.teach.source import Source
from sg_agent.training.teach.store import TeachStore


class RoleUse(TypedDict):
    """What the calls of one role used, of all runs of the file. `cost_usd` None is unknown."""

    calls: int
    tokens: Tokens
    cost_usd: float | None


class TeachSummary(TypedDict):
    """Of `n` rows `kept` passed, `rejected` (by filter, every filter in use) did not, `missing` have no reply yet.

    `errors` are the calls of this run that failed: the same command asks them again. `eval_rows` is with how many
    questions of evals the rows were compared. `cost_usd` is of all that the file has cost; `unrecorded_usd` is part of
    it, for calls whose replies never came.
    """

    suite: str
    n: int
    kind: Kind | None
    teacher: str
    verify_with: str | None
    out: str
    kept: int
    rejected: dict[str, int]
    errors: int
    missing: int
    eval_rows: int
    use: dict[str, RoleUse]
    cost_usd: float | None
    unrecorded_usd: float


def summarise(
    config: TeachConfig, source: Source, store: TeachStore, *, errors: int, unrecorded_usd: float
) -> TeachSummary:
    """The summary of what the files hold by now."""
    counts = store.rejections
    cost = total_cost(store.calls)
    return {
        "suite": source.name,
        "n": len(source.rows),
        "kind": config.kind,
        "teacher": teacher_name(config),
        "verify_with": verifier_name(config),
        "out": str(config.out),
        "kept": len(store.kept),
        "rejected": {name: counts.get(name, 0) for name in FILTERS if name in config.filters},
        "errors": errors,
        "missing": sum(row.id not in store.judged for row in source.rows),
        "eval_rows": len(source.eval_rows),
        "use": {role: _use([call for call in store.calls if call["role"] == role]) for role in ("teacher", "solver")},
        "cost_usd": None if cost is None else cost + unrecorded_usd,
        "unrecorded_usd": unrecorded_usd,
    }


def teacher_name(config: TeachConfig) -> str:
    """The teacher as it is named in provenance; `rows:rationale` and the like where rows were their own teachers."""
    return f"rows:{config.from_}" if config.teacher is None else shown_model(config.teacher)


def verifier_name(config: TeachConfig) -> str | None:
    return None if config.verify_with is None else shown_model(config.verify_with)


def _use(calls: list[CallRecord]) -> RoleUse:
    return {
        "calls": len(calls),
        "tokens": {
            "input": sum(call["input_tokens"] for call in calls),
            "output": sum(call["output_tokens"] for call in calls),
        },
        "cost_usd": total_cost(calls),
    }
