"""`sg-agent ask`: answer one question by one arm, showing the guidance and what it cost."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from sg_agent.cli import options

HELP = """Answer one question.

The embedded models know only their two worlds: stock problems of a depot, and questions about archive records (with
the cards as --context). For any other question name a --solver, and a --guide for the guided arm."""


def run(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question, in quotes.")],
    arm: Annotated[str, typer.Option("--arm", help="standard, cot, guided or auto.")] = "guided",
    guide: options.Guide = options.EMBEDDED_GUIDE,
    solver: options.Solver = options.EMBEDDED_SOLVER,
    fallback: options.Fallback = None,
    task: Annotated[
        str | None, typer.Option("--task", help="math, multiple_choice, boolean, multihop_qa or open.")
    ] = None,
    context: Annotated[
        Path | None, typer.Option("--context", help="Passages: JSON, JSONL or plain text (Title: text).")
    ] = None,
    policy: options.Policy = None,
    gate: options.Gate = None,
    stronger: options.Stronger = None,
    samples: options.Samples = 1,
    stop_early: options.StopEarly = False,
    temperature: options.Temperature = None,
    max_tokens: options.MaxTokens = None,
    guide_max_tokens: options.GuideMaxTokens = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of what is sampled, for models that take one; attempt i has seed + i.")
    ] = 0,
    stream: Annotated[
        bool | None, typer.Option("--stream/--no-stream", help="Show text as it comes; the default on a terminal.")
    ] = None,
    prices: options.Prices = None,
    trust_remote_code: options.TrustRemoteCode = False,
    trace: options.Trace = False,
    json_output: options.Json = False,
    config: options.Config = None,  # noqa: ARG001 - its callback reads it
) -> None:
    """Answer the question and show how."""
    from sg_agent.cli.request import Request, answer, report, watch
    from sg_agent.cli.trace import spans
    from sg_agent.errors import ConfigError, RunError

    if json_output and stream:
        raise ConfigError("--json prints one object at the end; leave out --stream")
    request = Request.of(
        question,
        arm=arm,
        guide=guide,
        solver=solver,
        fallback=fallback,
        task=task,
        context_file=context,
        policy=policy,
        gate=gate,
        stronger=stronger,
        samples=samples,
        stop_early=stop_early,
        temperature=temperature,
        max_tokens=max_tokens,
        guide_max_tokens=guide_max_tokens,
        seed=seed,
        prices=prices,
        trust_remote_code=trust_remote_code,
    )
    live = sys.stdout.isatty() if stream is None else stream
    with spans(trace):
        reply = watch(request) if live and not json_output else answer(request)
        if json_output:
            typer.echo(json.dumps(reply))
        else:
            report(reply, streamed=live)
    if reply["answer"] is None:
        raise RunError("no answer could be read from the reply")
