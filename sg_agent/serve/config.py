"""What a server is started with."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sg_agent.errors import ConfigError
from sg_agent.gate.routing import Routing
from sg_agent.models import Model, parse_spec

NAMED = re.compile(r"(?P<name>[\w.\-/]+)=(?P<spec>.+)")
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True)
class ShadowConfig:
    """Of a `share` of the questions the other route is asked too, for `max_usd` in all, and both are kept in `out`."""

    share: float
    out: Path
    max_usd: float | None = None


@dataclass(frozen=True)
class ServeConfig:
    """Models, limits and what may be logged. `max_concurrency` is of one worker; times are in seconds.

    `routing` is what the arm `auto` decides by, which is served only where something is given.
    `guide_timeout_s` None is a quarter of `timeout_s`: two drafts that hang leave the solver half of the time. There is
    no such default for a call of the solver's, since a long reply cannot be told from one that never comes.
    """

    guide: Model
    solvers: Mapping[str, Model]
    arm: str = "guided"
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    keys: Path | None = None
    usage: Path | None = None
    prices: Path | None = None
    fallback: Model | None = None
    routing: Routing = field(default_factory=Routing)
    shadow: ShadowConfig | None = None
    timeout_s: float = 300.0
    call_timeout_s: float | None = None
    guide_timeout_s: float | None = None
    patience_s: float = 30.0
    grace_s: float = 30.0
    max_concurrency: int = 256
    max_body_bytes: int = 4 * 2**20
    max_attempts: int = 16
    guidance_cache: int = 1024
    log_content: bool = False
    trust_remote_code: bool = False

    @property
    def guidance_within_s(self) -> float:
        """The seconds that one draft of the guide may take."""
        return self.timeout_s / 4 if self.guide_timeout_s is None else self.guide_timeout_s


def name_solvers(given: Sequence[str]) -> dict[str, str]:
    """Solvers by name, of `[NAME=]SPEC`; without a name the model's own. Raises ConfigError for one that is taken."""
    solvers: dict[str, str] = {}
    for text in given:
        named = NAMED.fullmatch(text)
        name, spec = (named["name"], named["spec"]) if named else (_own_name(text), text)
        if name in solvers:
            raise ConfigError(f"two solvers are named {name!r}; name them: --solver NAME={spec}")
        solvers[name] = spec
    return solvers


def _own_name(spec: str) -> str:
    parts = parse_spec(spec)
    if spec.startswith("embedded:"):
        return "embedded"
    return Path(parts.model).name if parts.kind == "local" else parts.model


def check_host(host: str, keys: Path | None) -> None:
    """Raise ConfigError for an address that others can reach, without keys."""
    if host not in LOOPBACK and keys is None:
        raise ConfigError(f"--host {host!r} can be reached by others: give --keys FILE, or serve on 127.0.0.1")
