"""Options that commands share, and `--config FILE`: YAML with the same keys as the flags. Flags win."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sg_agent.errors import ConfigError

EMBEDDED_GUIDE, EMBEDDED_SOLVER = "embedded:guide", "embedded:solver"


def _read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Make the file's values the command's defaults; every value then passes the same checks as a flag's."""
    if path is not None:
        accepted = {_key(parameter): parameter.name for parameter in ctx.command.params if parameter.name}
        values = _load(path, accepted)
        repeated = [parameter.name for parameter in ctx.command.params if getattr(parameter, "multiple", False)]
        values |= {name: [values[name]] for name in repeated if name in values}
        ctx.default_map = {**(ctx.default_map or {}), **values}
    return path


def _key(parameter: Any) -> str:
    """What a parameter is called in a config file: its flag without dashes, or an argument's name."""
    return str(parameter.opts[0]).lstrip("-").replace("-", "_")


def _load(path: Path, accepted: dict[str, str]) -> dict[str, Any]:
    """The file's values by parameter name; `accepted` maps the keys of the file to those."""
    import yaml

    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"--config {str(path)!r} cannot be read: {error}") from error
    if not isinstance(given, dict):
        raise ConfigError(f"--config {str(path)!r} must hold keys and values, not {type(given).__name__}")
    values: dict[str, Any] = {}
    for key, value in given.items():
        flag = str(key).replace("-", "_")
        if flag not in accepted or flag in ("config", "help"):
            known = ", ".join(name for name in accepted if name not in ("config", "help"))
            raise ConfigError(f"--config {str(path)!r}: unknown key {key!r}; accepted: {known}")
        if value is not None:
            values[accepted[flag]] = _as_flag(value, f"--config {str(path)!r}: {key}")
    return values


def _as_flag(value: Any, where: str) -> str | bool:
    """A YAML value as it would stand on the command line; a list of words is joined by commas."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ",".join(map(str, value))
    if isinstance(value, str | int | float):
        return str(value)
    raise ConfigError(f"{where} must be a single value or a list of words, not {value!r}")


def names(text: str) -> list[str]:
    """What a flag lists, joined by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


Config = Annotated[
    Path | None,
    typer.Option("--config", callback=_read_config, is_eager=True, help="YAML file with the same keys as the flags."),
]
Guide = Annotated[str, typer.Option("--guide", help="Model that writes guidance, e.g. local:BASE@ADAPTER.")]
Solver = Annotated[str, typer.Option("--solver", help="Model that answers, e.g. openai:gpt-4.1-mini.")]
Fallback = Annotated[
    str | None, typer.Option("--fallback", help="Model that answers where the solver fails, after its retries.")
]
Samples = Annotated[int, typer.Option("--samples", min=1, help="Attempts per question; majority vote above 1.")]
StopEarly = Annotated[
    bool, typer.Option("--stop-early", help="Of several attempts, ask no more once the vote cannot change.")
]
Policy = Annotated[
    str | None,
    typer.Option(
        "--policy",
        help="Of the arm auto: always, never, by_task:TASK=ROUTE,..., learned, budget:USD_PER_1000 or "
        "callable:package.module:function; default learned with --gate, else always.",
    ),
]
Gate = Annotated[Path | None, typer.Option("--gate", help="What `sg-agent gate fit` has written, for the arm auto.")]
Stronger = Annotated[
    str | None,
    typer.Option(
        "--stronger",
        help="Solver that the arm auto escalates doubtful answers to, once; in eval, the arm stronger asks it alone.",
    ),
]
Temperature = Annotated[
    float | None, typer.Option("--temperature", min=0, help="Default: 0 for one sample, 0.7 for several.")
]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", min=1, help="Most tokens of one solver reply.")]
GuideMaxTokens = Annotated[
    int | None, typer.Option("--guide-max-tokens", min=1, help="Most tokens of one guidance; default 512.")
]
Prices = Annotated[
    Path | None,
    typer.Option("--prices", help="YAML or JSON file of your own prices, US dollars per million tokens by model."),
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Chooses the questions of generated suites, and what is sampled.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, all else on stderr.")]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Let a local model run the code that its repository ships.")
]
Trace = Annotated[bool, typer.Option("--trace", help="Send OpenTelemetry spans to OTEL_EXPORTER_OTLP_ENDPOINT.")]
