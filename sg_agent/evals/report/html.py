"""report.html: one file that asks nothing of the network. Text of models is escaped, or set as text by script.

Its Content-Security-Policy admits the page's own style and script, by their hashes, and nothing else.
"""

from collections.abc import Iterator
from typing import NamedTuple

from sg_agent.evals.breakdown import Breakdown
from sg_agent.evals.evidence import Evidence
from sg_agent.evals.report import charts, tables, words
from sg_agent.evals.report.content import Report
from sg_agent.evals.report.page_data import page_data
from sg_agent.evals.report.self_contained import asset, environment
from sg_agent.evals.report.tables import Table
from sg_agent.page_policy import policy


class Section(NamedTuple):
    """A heading with a sentence (`lead`), charts, a table and paragraphs under it, each where there is any.

    `short` is its name among the links at the top, empty for none; `folded` hides the table.
    """

    id: str
    short: str
    title: str
    charts: list[str]
    table: Table
    paragraphs: list[str]
    folded: bool = False
    lead: str | None = None


def html_report(report: Report, evidence: Evidence) -> str:
    """The whole page."""
    style, script = asset("report.css"), asset("report.js")
    return environment().get_template("report.html.jinja").render(
        report=report,
        notes=words.notes(report),
        verdicts=words.verdicts(report, evidence.pairs()),
        arms=tables.arm_table(report),
        legend=words.LEGEND,
        sections=[section for section in _sections(report) if section.charts or section.table],
        pairs=list(evidence.pairs()),
        settings=[["setting", "value"], *([name, str(value)] for name, value in evidence.record.config.items())],
        versions=[["package", "version"], *([name, version] for name, version in report["versions"].items())],
        prompts=tables.prompt_table(report["prompts"]),
        policy=policy(style, script),
        style=style,
        script=script,
        data=page_data(evidence),
    )  # fmt: skip


def _sections(report: Report) -> Iterator[Section]:
    arms = list(report["arms"])
    yield Section("pairs", "Pairs", "Pairs", _drawn(charts.flip_bars(report)), tables.pair_table(report), [])
    yield _bill(report)
    yield Section("savings", "", "Savings", [], tables.saving_table(report["savings"]), [])
    yield from (_parts("Steps", report["steps"], arms), _parts("Groups", report["groups"], arms))
    yield Section("latency", "Latency", "Latency", _drawn(charts.latency_rows(report)), [], [])
    table, control = tables.leak_table(report["leaks"]), words.leak_control(report)
    yield Section("leaks", "Leaks", "Leaks", [], table, [words.LEAKS], lead=control)
    for number, (pair, one) in enumerate(report["break_even"].items()):
        drawn = _drawn(charts.break_even_lines(one, arms))
        short, said = ("", []) if number else ("Break-even", [words.BREAK_EVEN])
        table, lead = tables.break_even_table(one), words.break_even_sentence(one)
        yield Section(f"break-even-{number}", short, f"Break-even: {pair}", drawn, table, said, lead=lead)


def _parts(short: str, breakdown: Breakdown, arms: list[str]) -> Section:
    drawn, more = _drawn(charts.accuracy_rows(breakdown, arms)), words.unshown(breakdown)
    table, title = tables.breakdown_table(breakdown, arms), f"Accuracy by {breakdown['by']}"
    return Section(short.lower(), short, title, drawn, table, [more] if more else [], folded=True)


def _bill(report: Report) -> Section:
    hosted = any(report["hosted_tokens"].values())
    tokens = report["hosted_tokens"] if hosted else tables.solver_tokens_each(report)
    drawn = _drawn(
        charts.accuracy_against(
            report, tokens, f"{'hosted' if hosted else 'solver'} tokens per question", "{:,.0f}".format
        ),
        charts.accuracy_against(report, tables.costs_each(report), "cost per question", tables.dollars),
    )
    said = [*words.undrawn(report), *words.bill_notes(report), words.BILL]
    return Section("bill", "Bill", "The bill", drawn, tables.bill_table(report), said)


def _drawn(*drawings: str | None) -> list[str]:
    return [drawing for drawing in drawings if drawing]
