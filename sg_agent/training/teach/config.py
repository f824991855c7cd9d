"""What a teach run is made from, what of it must not change while its file grows, and the command that continues it."""

import math
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from sg_agent.errors import ConfigError
from sg_agent.evals.config import HOSTED_CONCURRENCY, LOCAL_CONCURRENCY, rows_hash, shown_model
from sg_agent.evals.suites import check_suite
from sg_agent.models import Model, check_spec, fingerprint
from sg_agent.prices import Prices
from sg_agent.prompts import load_prompt
from sg_agent.rows import Kind, Row
from sg_agent.training.teach.filters import FILTERS
from sg_agent.training.teach.source import Source
from sg_agent.training.teach.worked import WORKED, Worked

HOSTED_DEADLINE_S = 120.0
LONGEST_GUIDANCE = 1024


@dataclass(frozen=True)
class TeachConfig:
    """Guidance for the train split of `suite` (or a file of rows), written to `out` (.jsonl).

    Either a `teacher` model writes it or it is made `from_` worked solutions. `kind` None is what each row's task
    takes. `limit`, `seed`, `data`, `revision`: as in `load_suite`. `show_answer` lets the teacher see the gold answer;
    `prompt` is a template of the user's own. `concurrency` is the most questions in work and calls in flight to one
    hosted model; None is 192 for a teacher in this process and 48 for a hosted one. `deadline` is in seconds a call;
    None is 120 for hosted models and none for those in this process. `max_cost` is in US dollars and covers all that
    `out` has ever cost; `prices` is a file of the user's own. Of `filters`, usefulness works only with `verify_with`, a
    solver that must answer right with the guidance. `eval_file` holds questions that must not be taught, beside the
    suite's own test split. `batch` asks through the provider's batch API, looking every `poll_seconds`.
    """

    suite: str
    out: str | Path
    teacher: Model | None = None
    from_: Worked | None = None
    kind: Kind | None = None
    limit: int | None = None
    seed: int = 0
    data: str | Path | None = None
    revision: str | None = None
    prompt: str | Path | None = None
    show_answer: bool = False
    temperature: float | None = None
    max_tokens: int = LONGEST_GUIDANCE
    concurrency: int | None = None
    deadline: float | None = None
    max_cost: float | None = None
    prices: str | Path | None = None
    filters: tuple[str, ...] = FILTERS
    verify_with: Model | None = None
    eval_file: str | Path | None = None
    batch: bool = False
    poll_seconds: float = 30.0
    trust_remote_code: bool = False

    def check(self) -> None:
        """Raise ConfigError or ModelError for what can be told wrong without reading rows or loading models."""
        check_suite(self.suite, limit=self.limit, data=self.data, revision=self.revision)
        if Path(self.out).suffix != ".jsonl":
            raise ConfigError(f"--out {str(self.out)!r} must be a file that ends in .jsonl")
        self._check_source()
        self._check_numbers()
        if self.kind is not None and self.kind not in get_args(Kind):
            raise ConfigError(f"kind {self.kind!r} is unknown; accepted: {', '.join(get_args(Kind))}")
        if unknown := [name for name in self.filters if name not in FILTERS]:
            raise ConfigError(f"unknown filter {unknown[0]!r}; accepted: {', '.join(FILTERS)}")
        if self.verify_with is not None and "usefulness" not in self.filters:
            raise ConfigError("--verify-with names the solver of the filter usefulness, which is left out")
        for model in (self.teacher, self.verify_with):
            if model is not None:
                check_spec(model)
        _ = self.own_prices

    @cached_property
    def own_prices(self) -> Prices | None:
        """What `prices` holds. Raises ConfigError."""
        return None if self.prices is None else Prices.load(self.prices)

    def _check_source(self) -> None:
        if (self.teacher is None) == (self.from_ is None):
            raise ConfigError(f"name either --teacher SPEC or --from SOURCE ({', '.join(WORKED)}), and not both")
        if self.from_ is None:
            return
        if self.from_ not in WORKED:
            raise ConfigError(f"--from {self.from_!r} is unknown; accepted: {', '.join(WORKED)}")
        given = {"--batch": self.batch, "--prompt": self.prompt, "--show-answer": self.show_answer}
        if needless := [flag for flag, value in given.items() if value]:
            raise ConfigError(f"{needless[0]} is for a teacher, and --from {self.from_} asks none")

    def _check_numbers(self) -> None:
        least_by_name = {"seed": 0, "concurrency": 1, "max_tokens": 1, "temperature": 0}
        for name, least in least_by_name.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} must be at least {least}, not {value!r}")
        for name in ("deadline", "max_cost", "poll_seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{name} must be above 0, not {value!r}")

    def kind_of(self, row: Row) -> Kind:
        """The kind of guidance to write for `row`."""
        return self.kind or row.kind

    @property
    def in_flight(self) -> int:
        """Questions in work at a time."""
        if self.concurrency is not None:
            return self.concurrency
        here = self.teacher is None or str(self.teacher).startswith(("embedded:", "local:"))
        return LOCAL_CONCURRENCY if here else HOSTED_CONCURRENCY

    def identity(self, source: Source) -> dict[str, Any]:
        """All that decides the rows. Concurrency, deadline and budget may differ between runs of one file."""
        return {
            "suite": source.name,
            "n": len(source.rows),
            "origin": source.origin,
            "rows_sha256": rows_hash(source.rows),
            "eval_rows_sha256": rows_hash(source.eval_rows) if source.eval_rows else None,
            "seed": self.seed,
            "kind": self.kind,
            "teacher": None if self.teacher is None else shown_model(self.teacher),
            "teacher_sha256": None if self.teacher is None else fingerprint(self.teacher),
            "from": self.from_,
            "prompts": self._prompts(source),
            "show_answer": self.show_answer,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "filters": sorted(self.filters),
            "verify_with": None if self.verify_with is None else shown_model(self.verify_with),
            "verify_with_sha256": None if self.verify_with is None else fingerprint(self.verify_with),
            "batch": self.batch,
        }

    def _prompts(self, source: Source) -> list[str]:
        """The stamps of the prompts that the rows' tasks are asked with."""
        tasks = sorted({row.task for row in source.rows})
        return [] if self.teacher is None else [load_prompt("teach", task, self.prompt).stamp for task in tasks]

    def command(self) -> str:
        """The command line that asks for the same."""
        words = ["sg-agent", "teach", self.suite, "--out", str(self.out), "--seed", str(self.seed)]
        for flag, value in (
            ("--teacher", None if self.teacher is None else shown_model(self.teacher)),
            ("--from", self.from_),
            ("--kind", self.kind),
            ("--limit", self.limit),
            ("--data", self.data),
            ("--revision", self.revision),
            ("--prompt", self.prompt),
            ("--temperature", self.temperature),
            ("--max-tokens", None if self.max_tokens == LONGEST_GUIDANCE else self.max_tokens),
            ("--filters", None if set(self.filters) == set(FILTERS) else ",".join(self.filters)),
            ("--verify-with", None if self.verify_with is None else shown_model(self.verify_with)),
            ("--eval-file", self.eval_file),
            ("--max-cost", self.max_cost),
            ("--prices", self.prices),
        ):
            words += [] if value is None else [flag, str(value)]
        words += ["--show-answer"] if self.show_answer else []
        words += ["--batch"] if self.batch else []
        words += ["--trust-remote-code"] if self.trust_remote_code else []
        return shlex.join(words)
