"""Files that are whole or not there: what is written survives a kill, a full disk leaves the old file.

Also whether a file could be written at all, asked before anything expensive is done for it.
"""

import os
from contextlib import suppress
from pathlib import Path

from sg_agent.errors import ConfigError


def write_whole(path: Path, content: str | bytes) -> None:
    """Write all of `content` (text as UTF-8 with the line ends it has) to `path`, or nothing.

    Raises OSError, the file being as it was before. A kill may leave `partial_of(path)` behind.
    """
    partial = partial_of(path)
    try:
        partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def partial_of(path: Path) -> Path:
    """Where the content of `path` stands until it is whole."""
    return path.with_suffix(".partial")


def check_writable(path: Path, what: str) -> None:
    """Raise ConfigError unless `path` can be written or, with the folders on the way to it, made. Makes nothing.

    `what` says where the path came from.
    """
    said = f"{what} {str(path)!r} cannot be written"
    try:
        nearest = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    except OSError as error:
        raise ConfigError(f"{said}: {error.strerror}") from error
    if nearest != path.absolute() and not nearest.is_dir():
        raise ConfigError(f"{said}: {str(nearest)!r} is no folder")
    if not os.access(nearest, os.W_OK):
        raise ConfigError(f"{said}: {str(nearest)!r} is read-only")
