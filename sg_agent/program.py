"""How a program ends: a user's mistake is one line on stderr and exit code 2, a failed run 1, Ctrl-C 130."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from sg_agent.errors import Interrupted, SgAgentError, UserError


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turns the package's exceptions, and what the system refuses such as a full disk (1), into exit codes."""
    try:
        yield
    except SgAgentError as error:
        typer.echo(f"sg-agent: {' '.join(str(error).split())}", err=True)
        code = 2 if isinstance(error, UserError) else 130 if isinstance(error, Interrupted) else 1
        raise typer.Exit(code) from error
    except BrokenPipeError:  # whoever read the output has gone: nobody is left to tell
        raise
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        typer.echo(f"sg-agent: {' '.join(f'{error.strerror or error}{where}'.split())}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        typer.echo("sg-agent: interrupted", err=True)
        raise typer.Exit(130) from None


class Program(TyperGroup):
    """A group of commands that ends so."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        with exit_codes():
            return super().invoke(ctx)


class _OneCommand(TyperCommand):
    def invoke(self, ctx: Any) -> Any:
        with exit_codes():
            return super().invoke(ctx)


def run_program(main: Callable[..., None]) -> None:
    """Run the one command of a module, `python -m ...`, so that it ends so."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(cls=_OneCommand)(main)
    app()
