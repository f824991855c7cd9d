"""What commands show of an eval: the tables on stdout, progress on stderr."""

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from sg_agent.cli.progress import Bar
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.report import tables, words
from sg_agent.evals.report.content import Report
from sg_agent.evals.result import EvalResult
from sg_agent.ledger import total_cost

NARROWEST = 100
VERDICT = tables.SAVING_HEADER[-1]


def print_result(result: EvalResult) -> None:
    """The table of arms, then of pairs, on stdout."""
    title = f"{result['suite']}, {result['n']} questions: guide {result['guide']}, solver {result['solver']}"
    _print(title, tables.arm_table(result))
    _print(None, tables.pair_table(result))


def print_bill(report: Report) -> None:
    """What each arm costs and saves, what is not known of it, and when the guide is repaid, on stdout."""
    _print("the bill", tables.bill_table(report))
    _print(None, tables.saving_table(report["savings"]))
    for said in [*words.bill_notes(report), *map(words.break_even_sentence, report["break_even"].values())]:
        typer.echo(said)


def _print(title: str | None, lines: tables.Table) -> None:
    if not lines:
        return
    console = Console()
    console.width = max(console.width, NARROWEST)
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=0, pad_edge=False)
    for number, header in enumerate(lines[0]):
        words_alone = not number or header == VERDICT
        wrapped = "each" in header or header == VERDICT
        table.add_column(header, justify="left" if words_alone else "right", no_wrap=not wrapped)
    for line in lines[1:]:
        table.add_row(*line)
    console.print(table)


class ProgressBar(Bar):
    """`sg_agent.evals.run.Progress`."""

    def advance(self, result: ArmResult) -> None:
        """One answer came in."""
        self.step(total_cost(result["ledger"]), failed=result["outcome"] == "error")
