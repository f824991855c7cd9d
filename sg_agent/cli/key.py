"""`sg-agent key`: make a key for a client of `sg-agent serve`."""

from typing import Annotated

import typer

from sg_agent.cli import options

HELP = """Make a key for a client of `sg-agent serve`: sg-agent key NAME >> keys.yaml

The entry, which holds only the key's hash, goes to stdout; the key itself to stderr, this once."""


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is, as logs name it.")],
    requests_per_minute: Annotated[
        int | None, typer.Option("--requests-per-minute", min=1, help="Default: no limit.")
    ] = None,
    max_usd_per_day: Annotated[
        float | None, typer.Option("--max-usd-per-day", min=0, help="Default: no limit. Days are UTC's.")
    ] = None,
    max_usd: Annotated[float | None, typer.Option("--max-usd", min=0, help="In all; default: no limit.")] = None,
    config: options.Config = None,  # noqa: ARG001 - its callback reads it
) -> None:
    """Print the entry and the key."""
    import json

    from pydantic import ValidationError

    from sg_agent.errors import ConfigError
    from sg_agent.serve.keys import Key, new_key

    secret, sha256 = new_key()
    try:
        entry = Key(
            name=name,
            sha256=sha256,
            requests_per_minute=requests_per_minute,
            max_usd_per_day=max_usd_per_day,
            max_usd=max_usd,
        )
    except ValidationError as error:
        raise ConfigError(f"NAME {name!r}: letters, digits and . _ @ - only, 64 at most") from error
    typer.echo(f"- {json.dumps(entry.model_dump(exclude_none=True))}")
    typer.echo(f"key of {name}, shown this once: {secret}", err=True)
