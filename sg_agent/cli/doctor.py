"""`sg-agent doctor`: what is installed, what is missing and the command that installs it, and what works."""

import json
import os
import time
from importlib import metadata
from typing import TypedDict

import typer

from sg_agent.cli import options

HELP = """Check the installation: packages, extras, the embedded models, API keys (names only).

Exit code 1 when the embedded models do not work."""
CORE = ("sg-agent", "langgraph", "langchain", "langchain-core", "langchain-openai", "pydantic", "typer")
API_KEYS = (
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "MISTRAL_API_KEY", "GROQ_API_KEY", "OPENROUTER_API_KEY",
    "HF_TOKEN",
)  # fmt: skip
NO_FEATURE = {"all", "dev", "scale"}  # the last is declared and not used yet


class Extra(TypedDict):
    """`missing` packages and the command that installs the extra."""

    missing: list[str]
    install: str


class Embedded(TypedDict):
    works: bool
    detail: str


def run(
    json_output: options.Json = False,
    config: options.Config = None,  # noqa: ARG001 - its callback reads it
) -> None:
    """Print what was found."""
    packages = {name: installed_version(name) for name in CORE}
    extras = find_extras()
    keys = [name for name in API_KEYS if os.environ.get(name)]
    embedded = try_embedded()
    if json_output:
        typer.echo(json.dumps({"packages": packages, "extras": extras, "api_keys": keys, "embedded": embedded}))
    else:
        for name, version in packages.items():
            typer.echo(f"{name:<16} {version or 'not installed'}")
        for name, extra in extras.items():
            state = f"missing {', '.join(extra['missing'])}: {extra['install']}" if extra["missing"] else "installed"
            typer.echo(f"extra {name:<10} {state}")
        typer.echo(f"API keys         {', '.join(keys) or 'none'}")
        typer.echo(f"embedded models  {embedded['detail']}")
    if not embedded["works"]:
        raise typer.Exit(1)


def installed_version(package: str) -> str | None:
    """The version of an installed package, None when it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def find_extras() -> dict[str, Extra]:
    """Every extra that adds a feature by now, as the package's own metadata declares them."""
    from packaging.requirements import Requirement

    try:
        declared = metadata.metadata("sg-agent").get_all("Provides-Extra") or []
        requirements = [Requirement(text) for text in metadata.requires("sg-agent") or []]
    except metadata.PackageNotFoundError:
        return {}
    extras: dict[str, Extra] = {}
    for extra in sorted(set(declared) - NO_FEATURE):
        needed = [r.name for r in requirements if r.marker and r.marker.evaluate({"extra": extra})]
        missing = [name for name in needed if installed_version(name) is None]
        extras[extra] = {"missing": missing, "install": f'pip install "sg-agent[{extra}]"'}
    return extras


def try_embedded() -> Embedded:
    """Have the embedded pair answer a question of each world."""
    from sg_agent.cli.request import Request, answer
    from sg_agent.errors import SgAgentError
    from sg_agent.evals.suites import load_suite

    start = time.perf_counter()
    try:
        replies = [answer(Request.about(load_suite(world, limit=1).rows[0])) for world in ("depot", "archive")]
    except (SgAgentError, ImportError, OSError) as error:
        return {"works": False, "detail": f"do not work: {type(error).__name__}: {' '.join(str(error).split())}"}
    if any(reply["answer"] is None for reply in replies):
        return {"works": False, "detail": "load, but no answer can be read from their reply"}
    return {"works": True, "detail": f"load and answer, two questions in {time.perf_counter() - start:.1f} s"}
