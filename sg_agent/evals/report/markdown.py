"""report.md: the report for a terminal, a pull request or a diff. The first ten flips each way, replies clipped."""

from collections.abc import Iterable

from sg_agent.evals.evidence import Evidence
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.report import tables, words
from sg_agent.evals.report.content import Report
from sg_agent.evals.report.flips import flips
from sg_agent.evals.report.tables import Table
from sg_agent.evals.report.text import fenced
from sg_agent.evals.report.text import markdown as safe
from sg_agent.rows import Row

SHOWN_FLIPS = 10
LONGEST_SENTENCE = 3000


def markdown_report(report: Report, evidence: Evidence) -> str:
    """The whole file."""
    parts = [
        f"# {safe(report['suite'])}: {report['n']} questions, seed {report['seed']}",
        f"Guide {safe(report['guide'])}, solver {safe(report['solver'])}, revision {safe(report['revision'])}.",
        _bullets(words.notes(report)),
        _bullets(words.verdicts(report, evidence.pairs())),
        *_numbers(report),
        *(_flips(pair, arms, evidence, set(report["leaks"])) for pair, arms in evidence.pairs().items()),
        *_reproduction(report, evidence),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _numbers(report: Report) -> Iterable[str]:
    arms = list(report["arms"])
    yield _table(tables.arm_table(report))
    yield _table(tables.pair_table(report))
    yield words.LEGEND
    yield from _section("The bill", _table(tables.bill_table(report)), _table(tables.saving_table(report["savings"])))
    yield from (_bullets(words.bill_notes(report)), words.BILL)
    for breakdown in (report["steps"], report["groups"]):
        title = f"Accuracy by {safe(breakdown['by'])}"
        yield from _section(title, _table(tables.breakdown_table(breakdown, arms)), words.unshown(breakdown))
    control = words.leak_control(report)
    yield from _section("Leaks", _table(tables.leak_table(report["leaks"])), control, words.LEAKS)
    if report["break_even"]:
        yield from ("## Break-even", words.BREAK_EVEN)
    for one in report["break_even"].values():
        yield safe(words.break_even_sentence(one), longest=LONGEST_SENTENCE)
        yield _table(tables.break_even_table(one))


def _section(title: str, table: str, *paragraphs: str | None) -> Iterable[str]:
    """A heading with what is under it; nothing at all without the table."""
    if table:
        yield from (f"## {title}", table, *(text for text in paragraphs if text))


def _reproduction(report: Report, evidence: Evidence) -> Iterable[str]:
    yield "## Reproduce"
    yield fenced("\n".join(report["commands"])) if report["commands"] else "The command was not recorded."
    yield _table(tables.prompt_table(report["prompts"]))
    yield _table([["setting", "value"], *([name, str(value)] for name, value in evidence.record.config.items())])
    yield _table([["package", "version"], *([name, version] for name, version in report["versions"].items())])


def _table(table: Table) -> str:
    if not table:
        return ""
    lines = ["| " + " | ".join(map(safe, line)) + " |" for line in table]
    return "\n".join([lines[0], "|" + "---|" * len(table[0]), *lines[1:]])


def _bullets(sentences: list[str]) -> str:
    return "\n".join(f"- {safe(sentence, longest=LONGEST_SENTENCE)}" for sentence in sentences)


def _flips(pair: str, arms: tuple[str, str], evidence: Evidence, guiding: set[str]) -> str:
    """The repairs and breaks of one pair; where one of the `guiding` arms showed no guidance, it says why."""
    arm, baseline = arms
    flipped = flips(evidence.results[arm], evidence.results[baseline])
    sections = [
        f"### {word}: {len(ids)}\n\n" + "\n".join(_flip(question, evidence, guiding) for question in ids[:SHOWN_FLIPS])
        for word, ids in (("Repairs", flipped.repairs), ("Breaks", flipped.breaks))
        if ids
    ]
    return "\n\n".join([f"## {safe(pair)}", *sections]) if sections else ""


def _flip(question: str, evidence: Evidence, guiding: set[str]) -> str:
    """A question with what every arm made of it."""
    row = next(row for row in evidence.rows if row.id == question)
    answers = evidence.answers[question].values()
    return "\n".join([_asked(row), *(f"  - {_answer(result, guiding)}" for result in answers)])


def _asked(row: Row) -> str:
    return f"- **{safe(row.id)}** {safe(row.question)} Right: {safe(row.answer)}"


def _answer(result: ArmResult, guiding: set[str]) -> str:
    said = f"{safe(result['arm'])}, {result['outcome']}: {safe(result['answer'])}."
    if result["guidance"]:
        said += f" Guidance: {safe(result['guidance'])}"
    elif result["arm"] in guiding and result["reason"]:
        said += f" Not guided: {safe(result['reason'])}"
    reply = next((attempt["text"] for attempt in result["attempts"] if attempt["text"]), result["error"] or "")
    return f"{said} Reply: {safe(reply)}" if reply else said
