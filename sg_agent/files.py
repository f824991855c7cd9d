"""Files that are whole or not there: what is written survives a kill, a full disk leaves the old file."""

from contextlib import suppress
from pathlib import Path


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
