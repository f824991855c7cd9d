"""The journals of one process in `--shadow-out`: one for each solver, opened when it is first written to."""

from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import quote

from sg_agent.errors import ConfigError, WriteError
from sg_agent.gate.gate import known_as
from sg_agent.gate.live import Feedback, Live, LiveFolder, Shadowed
from sg_agent.journal import Journal
from sg_agent.serve.config import ServeConfig


class Journals:
    """Raises ConfigError for folders of other models, and where nothing can be written."""

    def __init__(self, config: ServeConfig) -> None:
        self._folders = dict(prepare(config))
        self._open = dict[str, Journal]()
        self._closing = ExitStack()

    def append(self, solver: str, line: Shadowed | Feedback) -> None:
        """Write a line of the solver. Raises WriteError."""
        if solver not in self._open:
            try:
                path = self._folders[solver].new_journal()
            except OSError as error:
                raise WriteError(f"--shadow-out cannot be written: {error.strerror}") from error
            self._open[solver] = self._closing.enter_context(Journal(path))
        self._open[solver].append(line)

    def close(self) -> None:
        """No more lines."""
        self._closing.close()


def prepare(config: ServeConfig) -> Iterator[tuple[str, LiveFolder]]:
    """Every solver's folder, made if need be. Raises ConfigError."""
    assert config.shadow
    try:
        config.shadow.out.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"--shadow-out {str(config.shadow.out)!r} cannot be made: {error.strerror}") from error
    for name, solver in config.solvers.items():
        folder = LiveFolder(config.shadow.out / f"solver-{quote(name, safe='')}")
        folder.prepare(Live(guide=known_as(config.guide), solver=known_as(solver)))
        yield name, folder
