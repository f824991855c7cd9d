"""report.csv, a line per arm, and questions.csv, a line per question and arm, for a spreadsheet or a data frame.

Text that a spreadsheet would run as a formula begins with an apostrophe, see `csv_cell`.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sg_agent.checks import count_steps
from sg_agent.evals.bill import Bill, Saving
from sg_agent.evals.evidence import Evidence
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.report.content import Report
from sg_agent.evals.report.text import csv_cell
from sg_agent.evals.usage import tokens_by_role
from sg_agent.ledger import total_cost
from sg_agent.rows import Row

Line = dict[str, Any]


def arms_csv(report: Report, pairs: Mapping[str, tuple[str, str]]) -> str:
    """report.csv. What is not known is an empty cell."""
    return _csv([_arm(name, report, pairs) for name in report["arms"]])


def questions_csv(evidence: Evidence) -> str:
    """questions.csv, in the order asked."""
    return _csv([line for row in evidence.rows for line in _answers(row, evidence)])


def _csv(lines: Sequence[Line]) -> str:
    columns = list(dict.fromkeys(column for line in lines for column in line))
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, restval="", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow({column: csv_cell(column) for column in columns})
    for line in lines:
        writer.writerow({column: _cell(value) for column, value in line.items()})
    return file.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return csv_cell(value) if isinstance(value, str) else "" if value is None else value


def _arm(name: str, report: Report, pairs: Mapping[str, tuple[str, str]]) -> Line:
    arm = report["arms"][name]
    also: Mapping[str, Any] = arm
    low, high = arm["ci95"] or (None, None)
    least, most = also.get("accuracy_range") or (None, None)
    tokens = {f"{role}_input_tokens": used["input"] for role, used in arm["tokens"].items()}
    tokens |= {f"{role}_output_tokens": used["output"] for role, used in arm["tokens"].items()}
    line: Line = {
        "arm": name, "n": arm["n"], "accuracy": arm["accuracy"], "ci95_low": low, "ci95_high": high,
        "f1": arm.get("f1"), "errors": arm["errors"], "accuracy_if_errors_wrong": least,
        "accuracy_if_errors_right": most, "unparsed": arm["unparsed"], "refused": also.get("refused"),
        "truncated": also.get("truncated"), **tokens, "hosted_tokens_each": report["hosted_tokens"][name],
        "cost_usd": arm["cost_usd"], **_bill(report["bill"][name]),
        "latency_p50_s": arm["latency_s"]["p50"], "latency_p95_s": arm["latency_s"]["p95"],
        "guided": report["leaks"][name]["guided"] if name in report["leaks"] else None,
        "leaking": report["leaks"][name]["leaking"] if name in report["leaks"] else None,
    }  # fmt: skip
    for pair, (compared, baseline) in pairs.items():
        if compared == name:
            found = _comparison(report["pairs"][pair]) | _saved(report["savings"].get(pair))
            line |= {f"vs_{baseline}_{key}": value for key, value in found.items()}
    return line


def _bill(one: Bill) -> Line:
    """Costs as the report's prices have them; `cost_usd` beside them is the ledger's."""
    named = {key: one[key] for key in ("usd_per_question", "usd_per_right", "known_usd")}
    cached = {f"{role}_cached_input_tokens": used["cached"] for role, used in one["cached_input"].items()}
    return {**named, **cached, "local_s_each": one["local_seconds"]}


def _saved(one: Saving | None) -> Line:
    if one is None:
        return {}
    return {"saved_usd_per_1000": one["saved_usd_per_1000"], "saved_share": one["saved_share"]}


def _comparison(pair: Mapping[str, Any]) -> Line:
    low, high = pair["ci95"] or (None, None)
    named = {key: pair.get(key) for key in ("n", "delta", "p", "p_holm", "mde", "repairs", "breaks")}
    return {**named, "ci95_low": low, "ci95_high": high}


def _answers(row: Row, evidence: Evidence) -> Iterator[Line]:
    for arm, result in evidence.answers[row.id].items():
        leaks = (row.id, arm) in evidence.leaks if result["guidance"] else None
        yield {**_asked(row), "arm": arm, **_answer(result), "guidance_leaks": leaks}


def _asked(row: Row) -> Line:
    return {
        "id": row.id,
        "group": row.group,
        "task": row.task,
        "gold_steps": count_steps(row.gold) if row.gold else None,
        "question": row.question,
        "right_answer": row.answer,
    }


def _answer(result: ArmResult) -> Line:
    tokens = tokens_by_role(result["ledger"])
    guidance = result["guidance"]
    return {
        "outcome": result["outcome"],
        "correct": result["correct"],
        "f1": result["f1"],
        "answer": result["answer"],
        "route": result["route"],
        "reason": result["reason"],
        "guidance": guidance,
        "guidance_steps": count_steps(guidance) if guidance else None,
        "reply": "\n\n".join(attempt["text"] for attempt in result["attempts"]),
        "error": result["error"],
        "guide_tokens": tokens["guide"]["input"] + tokens["guide"]["output"],
        "solver_tokens": tokens["solver"]["input"] + tokens["solver"]["output"],
        "cost_usd": total_cost(result["ledger"]),
        "latency_s": result["latency_s"],
        "prompts": " ".join(result["prompts"].values()),
    }
