"""Prices of the user's own, from a YAML or JSON file; what is not there is looked up in genai-prices' shipped table.

    - {model: openai:gpt-4.1-mini, input: 0.2, output: 0.8, cached_input: 0.05}     # US dollars per million tokens
    - {model: "openai:qwen@http://127.0.0.1:8000/v1", input: 0.1, output: 0.4}

A model is named by its spec. Without @<base_url> the price holds wherever a model of that name is served.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sg_agent.errors import ConfigError, ModelError
from sg_agent.models import parse_spec

LIKE = "{model: openai:my-model, input: 0.1, output: 0.4}"


class Price(BaseModel):
    """US dollars per million tokens. Without `cached_input`, what the provider's cache holds costs what others do."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)

    def cost(self, *, input_tokens: int, cached_tokens: int, output_tokens: int) -> float:
        """US dollars of a call; `cached_tokens` are among the input tokens."""
        cached = self.input if self.cached_input is None else self.cached_input
        read = (input_tokens - cached_tokens) * self.input + cached_tokens * cached
        return (read + output_tokens * self.output) / 1e6


@dataclass(frozen=True)
class Prices:
    """Prices by model. None of them is process-wide: give them to the graph, or the command, that is to use them."""

    by_spec: Mapping[str, Price] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The prices in a file. Raises ConfigError naming the file and the entry."""
        try:
            entries = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"prices {str(path)!r} cannot be read: {' '.join(str(error).split())}") from error
        if not isinstance(entries, list):
            raise ConfigError(
                f"prices {str(path)!r} must hold a list of entries like {LIKE}, not {type(entries).__name__}"
            )
        return cls.of(entries, where=f"prices {str(path)!r}")

    @classmethod
    def of(cls, entries: Sequence[Any], *, where: str = "prices") -> Self:
        """The prices in entries as a file has them. Raises ConfigError naming `where` and the entry."""
        by_spec: dict[str, Price] = {}
        for number, entry in enumerate(entries, 1):
            price = _price(entry, f"{where}, entry {number}")
            key = _key(price.model, f"{where}, entry {number}")
            if key in by_spec:
                raise ConfigError(f"{where}, entry {number}: {price.model!r} has a price already")
            by_spec[key] = price
        return cls(by_spec)

    def find(self, provider: str, names: Sequence[str], base_url: str | None) -> Price | None:
        """The price of a model that goes by one of `names`, first its price on that server; None when unknown."""
        servers = [f"@{base_url.rstrip('/')}", ""] if base_url else [""]
        keys = (f"{provider}:{name}{server}" for server in servers for name in names)
        return next((self.by_spec[key] for key in keys if key in self.by_spec), None)


def _price(entry: Any, where: str) -> Price:
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}: must be like {LIKE}, not {entry!r:.80}")
    try:
        return Price.model_validate(entry)
    except ValidationError as error:
        raise ConfigError(f"{where} ({entry.get('model')!r}): {'; '.join(_problems(error))}") from error


def _problems(error: ValidationError) -> Iterator[str]:
    for found in error.errors():
        value = "" if found["type"] in ("missing", "extra_forbidden") else f", not {found['input']!r:.40}"
        known = f"; accepted: {', '.join(Price.model_fields)}" if found["type"] == "extra_forbidden" else ""
        yield f"{'.'.join(map(str, found['loc']))!r}: {found['msg']}{value}{known}"


def _key(spec: str, where: str) -> str:
    """A spec as models are looked up: both of OpenAI's APIs cost the same."""
    try:
        parts = parse_spec(spec)
    except ModelError as error:
        raise ConfigError(f"{where}: {error}") from error
    if parts.kind == "local":
        raise ConfigError(f"{where}: {spec!r} runs in this process, where a call costs nothing")
    at = f"@{parts.at.rstrip('/')}" if parts.at else ""
    return f"{parts.provider}:{parts.model}{at}"
