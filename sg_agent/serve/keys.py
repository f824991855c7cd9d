"""Keys of clients: a YAML or JSON file of names, hashes and limits. `sg-agent key NAME` makes a key and its entry.

    - {name: alice, sha256: 5e88..., requests_per_minute: 60, max_usd_per_day: 2.5, max_usd: 100}

A key is 256 random bits, so its plain SHA-256 is enough: salt and slow hashes are for secrets that could be guessed.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from sg_agent.errors import ConfigError
from sg_agent.serve.errors import ApiError

PREFIX = "sg-"


class Key(BaseModel):
    """What a client may do. Without a limit there is none; days are UTC's."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Annotated[str, StringConstraints(pattern=r"^[\w.@-]{1,64}$")]
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    requests_per_minute: int | None = Field(default=None, ge=1)
    max_usd_per_day: float | None = Field(default=None, ge=0)
    max_usd: float | None = Field(default=None, ge=0)

    @property
    def spends_within(self) -> bool:
        """Whether there is a limit to what it may spend."""
        return self.max_usd is not None or self.max_usd_per_day is not None


def new_key() -> tuple[str, str]:
    """A key and its hash."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, digest(key)


def digest(key: str) -> str:
    """The SHA-256 of a key, as files have it."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def load_keys(path: Path) -> list[Key]:
    """The keys of a file. Raises ConfigError naming the file and the entry."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        keys = TypeAdapter(list[Key]).validate_python(entries)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"--keys {str(path)!r} cannot be read: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigError(
            f"--keys {str(path)!r}: {where}: {first['msg']}; `sg-agent key NAME` prints an entry"
        ) from None
    if not keys:
        raise ConfigError(f"--keys {str(path)!r} holds no key; `sg-agent key NAME >> FILE` adds one")
    for what in ("name", "sha256"):
        if len({getattr(key, what) for key in keys}) < len(keys):
            raise ConfigError(f"--keys {str(path)!r}: two keys have the same {what}")
    return keys


def find_key(keys: Sequence[Key], authorization: str | None) -> Key:
    """The key of an Authorization header. Raises ApiError. Every key is compared, so that time tells nothing."""
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise _unauthorized("no key was given; send the header Authorization: Bearer KEY")
    hashed = digest(given.strip())
    matching = [key for key in keys if hmac.compare_digest(key.sha256, hashed)]
    if not matching:
        raise _unauthorized("the key is not known; ask the operator of this server for one")
    return matching[0]


def _unauthorized(message: str) -> ApiError:
    error = ApiError(401, message, "invalid_api_key", kind="authentication_error")
    error.headers["www-authenticate"] = "Bearer"
    return error
