"""How the program ends: a user's mistake is one line on stderr and exit code 2, a failed run one line and 1."""

from typing import Any

import typer
from typer.core import TyperGroup

from sg_agent.errors import SgAgentError, UserError


class Program(TyperGroup):
    """The command group that turns the package's exceptions into exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except SgAgentError as error:
            typer.echo(f"sg-agent: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(2 if isinstance(error, UserError) else 1) from error
        except KeyboardInterrupt:
            typer.echo("sg-agent: interrupted", err=True)
            raise typer.Exit(130) from None
