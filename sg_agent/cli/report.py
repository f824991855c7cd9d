"""`sg-agent report DIR`: write the report of a finished or interrupted run again, from its stored results.

DIR may also be a training run, whose page it then writes.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sg_agent.cli import options

if TYPE_CHECKING:
    from sg_agent.evals.pricing import GivenPrices

HELP = """Write the report of a run again, from what its directory holds. No model is called.

Writes report.html (opens in a browser, asks nothing of the network), report.md, result.json, report.csv and
questions.csv. The costs given here are used in the bill and the break-even: after how many questions the guide is
repaid.
Of a training run it writes report.html with its curves, health and guidance, and the curves as PNG in plots/."""

Dollars = float | None


def run(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A run directory of `sg-agent eval`, or of a training run.")
    ],
    training_cost: Annotated[
        Dollars, typer.Option("--training-cost", min=0, help="Dollars that the guide's training cost.")
    ] = None,
    local_cost_per_hour: Annotated[
        Dollars, typer.Option("--local-cost-per-hour", min=0, help="Dollars for an hour of the local machine.")
    ] = None,
    input_price: Annotated[
        Dollars, typer.Option("--input-price", min=0, help="Dollars per million tokens that the solver reads.")
    ] = None,
    output_price: Annotated[
        Dollars, typer.Option("--output-price", min=0, help="Dollars per million tokens that the solver writes.")
    ] = None,
    cached_input_price: Annotated[
        Dollars,
        typer.Option(
            "--cached-input-price", min=0, help="Dollars per million tokens read that came from its provider's cache."
        ),
    ] = None,
    guide_seconds: Annotated[
        float | None,
        typer.Option(
            "--guide-seconds", min=0, help="Seconds the guide keeps the machine busy per question it is asked."
        ),
    ] = None,
    json_output: options.Json = False,
    config: options.Config = None,  # noqa: ARG001 - its callback reads it
) -> None:
    """Write the report and show its tables."""
    from sg_agent.cli.tables import print_bill, print_result
    from sg_agent.evals.pricing import GivenPrices
    from sg_agent.evals.report import report_run

    prices = GivenPrices(
        training_usd=training_cost,
        local_usd_per_hour=local_cost_per_hour,
        input_usd_per_million=input_price,
        output_usd_per_million=output_price,
        cached_input_usd_per_million=cached_input_price,
        guide_seconds=guide_seconds,
    )
    if (directory / "run.json").is_file():
        _training_page(directory, prices, json_output)
        return
    report = report_run(directory, prices)
    if json_output:
        typer.echo(json.dumps(report))
        return
    print_result(report)
    print_bill(report)
    typer.echo(f"report: {directory}/report.html")


def _training_page(directory: Path, prices: "GivenPrices", json_output: bool) -> None:
    from sg_agent.errors import ConfigError
    from sg_agent.evals.pricing import GivenPrices
    from sg_agent.training.page import read_run, summary, write_page

    if prices != GivenPrices():
        raise ConfigError(f"{str(directory)!r} is a training run: prices are for runs of `sg-agent eval`")
    page = write_page(directory)
    run = summary(read_run(directory))
    if json_output:
        typer.echo(json.dumps(run))
        return
    typer.echo(f"step {run['step']} after {run['time_s'] / 60:.1f} minutes")
    for line in run["health"]:
        typer.echo(line)
    typer.echo(f"page: {page}")
