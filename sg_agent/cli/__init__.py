"""The program `sg-agent`. Commands import what they need when they run, so that `--help` is quick.

Exit codes: 0 done, 1 the run failed or an arm got worse, 2 the user's input was wrong.
"""

from typing import Annotated

import typer

from sg_agent.cli import ask, demo, distill, doctor, evaluate, export, gate, key, report, rl, serve, teach
from sg_agent.program import Program

app = typer.Typer(
    name="sg-agent",
    cls=Program,
    help="A small guide writes guidance, a frozen solver answers with it; measure what that brings.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo", help=demo.HELP)(demo.run)
app.command("ask", help=ask.HELP)(ask.run)
app.command("eval", help=evaluate.HELP)(evaluate.run)
app.command("report", help=report.HELP)(report.run)
app.command("teach", help=teach.HELP)(teach.run)
app.command("distill", help=distill.HELP)(distill.run)
app.command("rl", help=rl.HELP)(rl.run)
app.command("export", help=export.HELP)(export.run)
app.add_typer(gate.app, name="gate")
app.command("serve", help=serve.HELP)(serve.run)
app.command("key", help=key.HELP)(key.run)
app.command("doctor", help=doctor.HELP)(doctor.run)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(f"sg-agent {metadata.version('sg-agent')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


def main() -> None:
    """The console script."""
    app()
