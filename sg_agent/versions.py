"""Which code a result comes from: the commit of this package and the versions of those it runs on."""

import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path


def revision() -> str:
    """The commit this package is run from (with "-dirty"), else its version."""
    here = Path(__file__).parent
    try:
        _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
        commit = _git(here, "rev-parse", "--short=12", "HEAD")
        return commit + ("-dirty" if _git(here, "status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return package_versions(["sg-agent"]).get("sg-agent", "unknown")


def package_versions(packages: Sequence[str]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    versions: dict[str, str] = {}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603 - fixed arguments
    return done.stdout.strip()
