"""The user's own code, by name: `package.module:name`, found from the working directory too, as langgraph.json does."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from sg_agent.errors import ConfigError


def load_named(path: str, kind: str, *, use: Callable[[Any], Any] = lambda found: found) -> Any:
    """What `use` makes of what `path` names. Raises ConfigError naming `kind` and path, whatever the code raises."""
    module, _, attribute = path.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return use(getattr(import_module(module), attribute))
    except Exception as error:  # a module of the user's may raise anything
        raise ConfigError(f"{kind} {path!r} cannot be loaded: {type(error).__name__}: {error}") from error
