"""What commands show of an eval: the tables on stdout, progress on stderr."""

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from sg_agent.cli.progress import Bar
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.report.tables import arm_table, pair_table
from sg_agent.evals.result import EvalResult
from sg_agent.ledger import total_cost

NARROWEST = 100


def print_result(result: EvalResult) -> None:
    """The table of arms, then of pairs, on stdout."""
    console = Console()
    console.width = max(console.width, NARROWEST)
    title = f"{result['suite']}, {result['n']} questions: guide {result['guide']}, solver {result['solver']}"
    for caption, lines in ((title, arm_table(result)), (None, pair_table(result))):
        if lines:
            table = Table(title=caption, title_justify="left", box=SIMPLE, padding=0, pad_edge=False)
            for number, header in enumerate(lines[0]):
                table.add_column(header, justify="right" if number else "left", no_wrap="each" not in header)
            for line in lines[1:]:
                table.add_row(*line)
            console.print(table)


class ProgressBar(Bar):
    """`sg_agent.evals.run.Progress`."""

    def advance(self, result: ArmResult) -> None:
        """One answer came in."""
        self.step(total_cost(result["ledger"]), failed=result["outcome"] == "error")
