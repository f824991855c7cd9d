"""Every exception the package raises on purpose.

SgAgentError
|-- UserError            the user's input is wrong: the CLI prints it in one line and exits with 2
|   |-- ConfigError      a setting, flag or template (also a ValueError)
|   |-- DataError        a row of a file (also a ValueError)
|   |-- ModelError       a model spec, weights or adapter that cannot be used (also a ValueError)
|   `-- MissingExtra     an optional dependency is not installed (also an ImportError)
`-- RunError             a run failed: exit code 1 (also a RuntimeError)
    |-- SolverError      every attempt of the solver failed; holds the ledger of what was called till then
    |-- WriteError       a file could not be written, as on a full disk; what was written before is kept
    |-- BudgetSpent      the budget is spent; what is finished is kept
    `-- Interrupted      stopped from the keyboard; what is finished is kept: exit code 130
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sg_agent.ledger import CallRecord

__all__ = [
    "BudgetSpent",
    "ConfigError",
    "DataError",
    "Interrupted",
    "MissingExtra",
    "ModelError",
    "RunError",
    "SgAgentError",
    "SolverError",
    "UserError",
    "WriteError",
]


class SgAgentError(Exception):
    """Base of all errors of this package."""


class UserError(SgAgentError):
    """The user's input is wrong; the message names the value, where it came from and what is accepted."""


class ConfigError(UserError, ValueError):
    """A setting, flag or template."""


class DataError(UserError, ValueError):
    """A row or a file of rows."""


class ModelError(UserError, ValueError):
    """A model spec, weights or an adapter that cannot be used."""


class MissingExtra(UserError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, need: str, extra: str) -> None:
        super().__init__(f'{need} needs an optional dependency: pip install "sg-agent[{extra}]"')


class RunError(SgAgentError, RuntimeError):
    """A run failed after its input was accepted."""


class Interrupted(RunError):
    """A run was stopped from the keyboard. The message says how to continue it."""


class WriteError(RunError):
    """A file could not be written, as on a full disk. What was written before is kept."""


class BudgetSpent(RunError):
    """A budget does not allow another call. The message says what is left, or how to continue with a higher one."""


class SolverError(RunError):
    """Every attempt of the solver failed. `ledger` has the calls made till then: a failed question is paid for too."""

    def __init__(self, message: str, ledger: "list[CallRecord]") -> None:
        super().__init__(message)
        self.ledger = ledger
