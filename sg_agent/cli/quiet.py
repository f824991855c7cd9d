"""Training beneath a command: what trainers print goes to stderr, what libraries grumble about each other nowhere."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


@contextmanager
def quiet() -> Iterator[None]:
    """Keep stdout for the command's result."""
    with redirect_stdout(sys.stderr), warnings.catch_warnings():
        # PEFT and TRL ask transformers for attributes under old names, and look for a config at "embedded:solver".
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", message="Could not find a config file", category=UserWarning)
        yield
