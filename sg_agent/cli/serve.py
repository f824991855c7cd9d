"""`sg-agent serve`: an OpenAI-compatible server around the arms."""

from pathlib import Path
from typing import Annotated

import typer

from sg_agent.cli import options

HELP = """Serve the arms as an OpenAI-compatible API.

A model is named ARM/SOLVER: guided/NAME, cot/NAME, standard/NAME, guided@5/NAME for a vote of 5, and with --policy or
--gate auto/NAME, where these decide per question; NAME alone means --arm. SIGTERM and Ctrl-C finish what is in flight.
The log is JSON lines on stderr, without prompts."""


def run(
    guide: options.Guide = options.EMBEDDED_GUIDE,
    solver: Annotated[
        list[str] | None, typer.Option("--solver", help="[NAME=]SPEC of a model that answers; may be repeated.")
    ] = None,
    fallback: options.Fallback = None,
    policy: options.Policy = None,
    gate: options.Gate = None,
    stronger: options.Stronger = None,
    arm: Annotated[str, typer.Option("--arm", help="The arm of a solver's bare name.")] = "guided",
    host: Annotated[str, typer.Option("--host", help="Any other than the loopback needs --keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any that is free.")] = 8080,
    keys: Annotated[
        Path | None, typer.Option("--keys", help="YAML file of keys and their limits, see `sg-agent key`.")
    ] = None,
    usage: Annotated[
        Path | None, typer.Option("--usage", help="Where keys' use is counted; default: KEYS.usage.sqlite.")
    ] = None,
    prices: options.Prices = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that share the port.")] = 1,
    shadow: Annotated[
        float | None, typer.Option("--shadow", help="Share of questions to ask the other route too, for `gate fit`.")
    ] = None,
    shadow_max_usd: Annotated[
        float | None, typer.Option("--shadow-max-usd", min=0, help="Most dollars of that, in all.")
    ] = None,
    shadow_out: Annotated[
        Path | None, typer.Option("--shadow-out", help="Folder where these questions and answers are stored.")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Most seconds of a request.")] = 300.0,
    call_timeout: Annotated[
        float | None,
        typer.Option(
            "--call-timeout", min=0.1, help="Most seconds of a call to a hosted solver; default: as the request."
        ),
    ] = None,
    guide_timeout: Annotated[
        float | None,
        typer.Option(
            "--guide-timeout",
            min=0.1,
            help="Most seconds of a draft; then the solver is asked without guidance. Default: a quarter of --timeout.",
        ),
    ] = None,
    patience: Annotated[
        float, typer.Option("--patience", min=0, help="Seconds to wait for a model that refuses all calls (429, 503).")
    ] = 30.0,
    grace: Annotated[float, typer.Option("--grace", min=0, help="Most seconds to finish what is in flight.")] = 30.0,
    max_concurrency: Annotated[
        int, typer.Option("--max-concurrency", min=1, help="Requests under way in one worker.")
    ] = 256,
    max_body_mb: Annotated[float, typer.Option("--max-body-mb", min=0.001, help="Largest request.")] = 4.0,
    max_attempts: Annotated[int, typer.Option("--max-attempts", min=1, help="Most attempts of a request.")] = 16,
    guidance_cache: Annotated[
        int, typer.Option("--guidance-cache", min=0, help="Guidance that is remembered, 0 for none.")
    ] = 1024,
    log_content: Annotated[bool, typer.Option("--log-content", help="Log what is asked and answered.")] = False,
    trust_remote_code: options.TrustRemoteCode = False,
    trace: options.Trace = False,
    config: options.Config = None,  # noqa: ARG001 - its callback reads it
) -> None:
    """Check everything that can be checked, then serve."""
    from importlib.util import find_spec

    from sg_agent.errors import ConfigError, MissingExtra

    if any(find_spec(package) is None for package in ("aiohttp", "fastapi", "prometheus_client", "uvicorn")):
        raise MissingExtra("sg-agent serve", "serve")
    from sg_agent.cli.trace import spans
    from sg_agent.gate.routing import Routing
    from sg_agent.models import check_spec
    from sg_agent.serve.arms import check_arm
    from sg_agent.serve.config import ServeConfig, check_host, name_solvers
    from sg_agent.serve.journals import prepare
    from sg_agent.serve.keys import load_keys
    from sg_agent.serve.routing import auto_offer
    from sg_agent.serve.server import serve
    from sg_agent.serve.shadow_check import check_budget, shadow_config

    check_host(host, keys)
    if trace and workers > 1:
        raise ConfigError("--trace is of one process: leave --workers out, and run several servers behind a proxy")
    if keys:
        load_keys(keys)
    solvers = name_solvers(solver or [options.EMBEDDED_SOLVER])
    for spec in (guide, *solvers.values(), *filter(None, [fallback, stronger])):
        check_spec(spec)
    settings = ServeConfig(
        guide=guide,
        solvers=solvers,
        arm=check_arm(arm),
        host=host,
        port=port,
        keys=keys,
        usage=usage,
        prices=prices,
        fallback=fallback,
        routing=Routing(policy, gate, stronger),
        shadow=shadow_config(shadow, shadow_out, shadow_max_usd),
        workers=workers,
        timeout_s=timeout,
        call_timeout_s=call_timeout,
        guide_timeout_s=guide_timeout,
        patience_s=patience,
        grace_s=grace,
        max_concurrency=max_concurrency,
        max_body_bytes=round(max_body_mb * 2**20),
        max_attempts=max_attempts,
        guidance_cache=guidance_cache,
        log_content=log_content,
        trust_remote_code=trust_remote_code,
    )
    check_budget(settings)
    if settings.shadow:
        list(prepare(settings))
    if offer := auto_offer(settings):
        for name, why in offer.refused.items():
            typer.echo(f"note: auto/{name} is not served: {why}", err=True)
        if gate and not offer.watched:
            typer.echo("note: drift is not watched: that takes the policy learned and a calibrated gate", err=True)
    with spans(trace):
        serve(settings, on_listening=lambda address: typer.echo(f"serving on {address}", err=True))
