"""`sg-agent teach`: guidance to train a guide on, from a teacher or out of worked solutions."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sg_agent.cli import options
from sg_agent.errors import ConfigError

if TYPE_CHECKING:
    from sg_agent.training.teach.config import TeachConfig

HELP = """Have guidance written for the training questions of a suite, to train a guide on.

SUITE is depot or archive (generated), a public suite (its train split, from the hub or --data FILE), or a .jsonl or
.csv file of rows. A --teacher writes the guidance, or it is made --from the worked solutions that the rows have.

What passes the filters is appended to --out FILE.jsonl, what does not to FILE.rejected.jsonl with the reason. The same
command continues a run that was interrupted: it pays for nothing twice and asks again only calls that failed."""


def run(
    suite: Annotated[str, typer.Argument(metavar="SUITE|FILE", help="A suite's name, or a .jsonl or .csv file.")],
    out: Annotated[Path, typer.Option("--out", help="File to append rows with guidance to (.jsonl).")],
    teacher: Annotated[
        str | None, typer.Option("--teacher", help="Model that writes guidance, e.g. openai:gpt-4.1.")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Without a teacher: rationale, plan or decomposition of the rows themselves."),
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="plan or rationale; default: what the task takes.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Most questions; 300 of a generated suite.")
    ] = None,
    seed: options.Seed = 0,
    data: Annotated[
        Path | None, typer.Option("--data", help="Rows to teach in place of the named suite's own.")
    ] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="Commit of a public suite's data set.")] = None,
    prompt: Annotated[Path | None, typer.Option("--prompt", help="A template of your own for the teacher.")] = None,
    show_answer: Annotated[
        bool, typer.Option("--show-answer", help="Let the teacher see the right answer, to aim without stating it.")
    ] = False,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0, help="The teacher's; default: the model's own.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Most tokens of one reply; default 1024.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, help="Most calls in flight; less while the server refuses.")
    ] = None,
    deadline: Annotated[
        float | None, typer.Option("--deadline", help="Seconds for one call; default 120 for hosted models.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", help="Most US dollars that the file may ever cost.")
    ] = None,
    filters: Annotated[
        str | None, typer.Option("--filters", help="Only these, with commas between; default all that can be used.")
    ] = None,
    no_filter: Annotated[
        list[str] | None, typer.Option("--no-filter", help="Leave a filter out; may be given again.")
    ] = None,
    verify_with: Annotated[
        str | None, typer.Option("--verify-with", help="Keep only guidance with which this solver answers right.")
    ] = None,
    eval_file: Annotated[
        Path | None, typer.Option("--eval-file", help="Rows that evals ask, and that must not be taught.")
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Through OpenAI's batch API: half the price, hours.")] = False,
    poll_seconds: Annotated[float, typer.Option("--poll-seconds", help="Seconds between two looks at a batch.")] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show calls, tokens and cost to come, and stop.")] = False,
    prices: options.Prices = None,
    trust_remote_code: options.TrustRemoteCode = False,
    json_output: options.Json = False,
    config: options.Config = None,  # noqa: ARG001 - its callback reads it
) -> None:
    """Teach and say what was kept."""
    from sg_agent.training.teach.config import LONGEST_GUIDANCE, TeachConfig

    wanted = TeachConfig(
        suite=suite,
        out=out,
        teacher=teacher,
        from_=cast("Any", from_),  # checked with the rest of the config
        kind=cast("Any", kind),
        limit=limit,
        seed=seed,
        data=data,
        revision=revision,
        prompt=prompt,
        show_answer=show_answer,
        temperature=temperature,
        max_tokens=max_tokens or LONGEST_GUIDANCE,
        concurrency=concurrency,
        deadline=deadline,
        max_cost=max_cost,
        filters=_chosen(filters, no_filter or []),
        verify_with=verify_with,
        eval_file=eval_file,
        batch=batch,
        poll_seconds=poll_seconds,
        prices=prices,
        trust_remote_code=trust_remote_code,
    )
    if dry_run:
        _plan(wanted, json_output=json_output)
    else:
        _teach(wanted, json_output=json_output)


def _chosen(filters: str | None, left_out: list[str]) -> tuple[str, ...]:
    """The filters to apply. Raises ConfigError for one that does not exist."""
    from sg_agent.training.teach.filters import FILTERS

    if filters is not None and left_out:
        raise ConfigError("give --filters or --no-filter, not both")
    named = [name.strip() for text in ([filters] if filters else left_out) for name in text.split(",") if name.strip()]
    if unknown := [name for name in named if name not in FILTERS]:
        raise ConfigError(f"unknown filter {unknown[0]!r}; accepted: {', '.join(FILTERS)}")
    return tuple(name for name in FILTERS if (name in named) == (filters is not None))


def _teach(wanted: "TeachConfig", *, json_output: bool) -> None:
    from sg_agent.cli.teach_text import TeachProgress, describe
    from sg_agent.training.teach.run import run_teach

    with TeachProgress() as progress:
        summary = run_teach(wanted, progress=progress)
    typer.echo(json.dumps(summary) if json_output else describe(summary))
    if summary["errors"]:
        typer.echo(f"{summary['errors']} calls failed; the same command makes them again", err=True)


def _plan(wanted: "TeachConfig", *, json_output: bool) -> None:
    from sg_agent.cli.teach_text import describe_plan
    from sg_agent.training.teach.plan import plan_teach
    from sg_agent.training.teach.run import prepare

    plan = plan_teach(wanted, prepare(wanted))
    typer.echo(json.dumps(plan) if json_output else describe_plan(plan))
