"""`sg-agent eval`: run arms on a suite and print what they make of it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sg_agent.cli import options
from sg_agent.errors import RunError

if TYPE_CHECKING:
    from sg_agent.evals.config import EvalConfig
    from sg_agent.evals.regression import Regression

HELP = """Run arms side by side on a suite and compare them.

SUITE is depot or archive (generated, offline), a public suite (gsm8k, svamp, strategyqa, arc_challenge, commonsenseqa,
hotpotqa, 2wikimultihopqa, musique: from the Hugging Face hub at a pinned commit, or from --data FILE), or a .jsonl or
.csv file of rows. The same command continues a run that was interrupted and asks again only what is missing or ended
in an error.

With --baseline RESULT.json the exit code is 1 when an arm is significantly worse than in that earlier run."""


def run(
    suite: Annotated[str, typer.Argument(metavar="SUITE|FILE", help="A suite's name, or a .jsonl or .csv file.")],
    arms: Annotated[
        str,
        typer.Option(
            "--arms",
            help="standard, cot, guided, auto, stronger; the controls untrained, self_plan, guide_alone, leak, oracle, "
            "placebo; ARM@K for K attempts and a vote; NAME=package.module:graph for a graph of your own.",
        ),
    ] = "standard,cot,guided",
    guide: options.Guide = options.EMBEDDED_GUIDE,
    solver: options.Solver = options.EMBEDDED_SOLVER,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Most questions; 300 of a generated suite.")
    ] = None,
    seed: options.Seed = 0,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Ask in an order drawn from --seed.")] = False,
    data: Annotated[Path | None, typer.Option("--data", help="Rows to ask in place of the named suite's own.")] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="Commit of a public suite's data set.")] = None,
    shots: Annotated[int, typer.Option("--shots", min=0, help="Worked examples before every question.")] = 0,
    shots_from: Annotated[
        Path | None, typer.Option("--shots-from", help="Rows to take the examples from; default the training rows.")
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", min=1, help="Most answers, and calls to a hosted model, in flight."),
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", help="Most US dollars that the run directory may ever cost.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show calls, tokens and cost of what is missing, and stop.")
    ] = False,
    temperature: options.Temperature = None,
    max_tokens: options.MaxTokens = None,
    guide_max_tokens: options.GuideMaxTokens = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run directory; default runs/SUITE-HASH.")] = None,
    prices: options.Prices = None,
    trust_remote_code: options.TrustRemoteCode = False,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="result.json of an earlier run: exit 1 when an arm is now worse.")
    ] = None,
    max_drop: Annotated[
        float | None, typer.Option("--max-drop", help="Points an arm may lose against --baseline; default 0.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="File for the comparison with --baseline, as JUnit XML.")
    ] = None,
    policy: options.Policy = None,
    gate: options.Gate = None,
    stronger: options.Stronger = None,
    stop_early: options.StopEarly = False,
    trace: options.Trace = False,
    json_output: options.Json = False,
    config: options.Config = None,  # noqa: ARG001 - its callback reads it
) -> None:
    """Run the eval and show it."""
    from sg_agent.cli.tables import ProgressBar, print_bill, print_result
    from sg_agent.cli.trace import spans
    from sg_agent.evals.config import EvalConfig
    from sg_agent.evals.report.words import has_bill

    wanted = EvalConfig(
        suite=suite,
        arms=tuple(name.strip() for name in arms.split(",") if name.strip()),
        guide=guide,
        solver=solver,
        limit=limit,
        seed=seed,
        temperature=temperature,
        max_tokens=max_tokens,
        guide_max_tokens=guide_max_tokens,
        concurrency=concurrency,
        max_cost=max_cost,
        out=out,
        prices=prices,
        trust_remote_code=trust_remote_code,
        data=data,
        revision=revision,
        shuffle=shuffle,
        shots=shots,
        shots_from=shots_from,
        baseline=baseline,
        max_drop=max_drop,
        junit=junit,
        policy=policy,
        gate=gate,
        stronger=stronger,
        stop_early=stop_early,
    )
    if dry_run:
        show_plan(wanted, json_output=json_output)
        return
    from sg_agent.evals.run import run_eval

    with spans(trace), ProgressBar() as progress:
        result = run_eval(wanted, progress=progress)
    if json_output:
        typer.echo(json.dumps(result))
    else:
        print_result(result)
        if has_bill(result):
            print_bill(result)
        typer.echo(f"report: {result['run_dir']}/report.html")
    if errors := sum(arm["errors"] for arm in result["arms"].values()):
        typer.echo(f"{errors} answers ended in an error and are not scored; the same command asks them again", err=True)
    if regression := result.get("regression"):
        _fail_if_worse(regression)


def _fail_if_worse(regression: "Regression") -> None:
    """Say on stderr how each arm compares with the earlier run.

    Raises RunError when an arm regressed or could not be compared.
    """
    from sg_agent.evals.regression import describe

    for arm, found in regression["arms"].items():
        typer.echo(describe(arm, found), err=True)
    worse = [arm for arm, found in regression["arms"].items() if found["regressed"] or not found["n"]]
    if worse:
        raise RunError(
            f"{', '.join(worse)}: worse than {regression['baseline']}, or not compared (allowed drop "
            f"{regression['max_drop']:g} points)"
        )


def show_plan(wanted: "EvalConfig", *, json_output: bool) -> None:
    """Print what `wanted` would ask and cost."""
    from sg_agent.cli.plan_table import print_plan
    from sg_agent.evals.plan import plan_eval

    plan = plan_eval(wanted)
    if json_output:
        typer.echo(json.dumps(plan))
    else:
        print_plan(plan)
