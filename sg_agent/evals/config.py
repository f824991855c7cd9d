"""What an eval runs on, what of it must not change within a run directory, and where that directory is."""

import hashlib
import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from langchain_core.language_models import BaseChatModel

from sg_agent.errors import ConfigError
from sg_agent.evals.arms import Setup, make_arms
from sg_agent.evals.few_shot import check_shots, load_examples
from sg_agent.evals.stand_in import StandIn
from sg_agent.evals.suites import Suite, check_suite, load_suite
from sg_agent.files import check_writable
from sg_agent.gate.policy import Policy
from sg_agent.gate.routing import Routing
from sg_agent.graphs.state import Settings
from sg_agent.ledger import in_process
from sg_agent.models import Model, check_spec, fingerprint, model_name
from sg_agent.prices import Prices
from sg_agent.prompts import Phase, load_prompt
from sg_agent.rows import Row

LOCAL_CONCURRENCY, HOSTED_CONCURRENCY = 192, 48


@dataclass(frozen=True)
class EvalConfig:
    """One eval. A file of rows or a suite's name, two models, and how to ask.

    An arm is one of `sg_agent.evals.arms.ARMS`, `ARM@K` (K attempts, majority vote) or `NAME=package.module:graph`.
    `limit` None is the suite's own (300 of a generated one, all of a file). `temperature` is the solver's; None is 0 of
    one attempt and 0.7 of several. `max_tokens` bounds a reply of the solver, `guide_max_tokens` the guidance (None is
    512). `concurrency` is the most answers in flight (a question on one arm) and the most calls in flight to one hosted
    model; None is 192 where all models run in this process, which batches them, else 48. `max_cost` is in US dollars
    and covers all that the run directory has cost, earlier runs included. `prices` is a file of the user's own prices
    (`sg_agent.prices`); those of finished answers stay as they were. `out` None is `runs/<suite>-<hash>`, so that
    the same config continues by itself. `data`, `revision` and `shuffle` are as in `load_suite`; `shots` examples
    before every question come from the suite's training rows, or from the file `shots_from`. `baseline` is the
    result.json of an earlier run on the same questions: the result then says of each arm whether it got worse, by more
    than `max_drop` points (None is 0), and `junit` is a file to say so in. The arm `auto` decides by `policy` (an
    object, or a name as `sg_agent.gate.named` reads it), a fitted `gate` and a `stronger` solver, which the arm
    `stronger` asks alone. `stop_early` lets ARM@K ask no more attempts once the vote cannot change.
    """

    suite: str
    arms: tuple[str, ...] = ("standard", "cot", "guided")
    guide: Model = "embedded:guide"
    solver: Model = "embedded:solver"
    limit: int | None = None
    seed: int = 0
    temperature: float | None = None
    max_tokens: int | None = None
    guide_max_tokens: int | None = None
    concurrency: int | None = None
    max_cost: float | None = None
    out: str | Path | None = None
    trust_remote_code: bool = False
    prices: str | Path | None = None
    data: str | Path | None = None
    revision: str | None = None
    shuffle: bool = False
    shots: int = 0
    shots_from: str | Path | None = None
    baseline: str | Path | None = None
    max_drop: float | None = None
    junit: str | Path | None = None
    policy: str | Policy | None = None
    gate: str | Path | None = None
    stronger: Model | None = None
    stop_early: bool = False

    def check(self) -> None:
        """Raise ConfigError or ModelError for what can be told wrong without reading rows or loading models."""
        check_suite(self.suite, limit=self.limit, data=self.data, revision=self.revision)
        check_shots(self.suite, self.shots, shots_from=self.shots_from, data=self.data)
        least = {"seed": 0, "concurrency": 1, "max_tokens": 1, "guide_max_tokens": 1, "temperature": 0}
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise ConfigError(f"{name} must be at least {lowest}, not {value!r}")
        if self.max_cost is not None and not 0 < self.max_cost < math.inf:
            raise ConfigError(f"max_cost must be above 0, not {self.max_cost!r}")
        self._check_regression()
        self.routing.check(self.arms)
        _ = self.own_prices
        if self.out is not None:
            check_writable(Path(self.out), "out")
        for arm in make_arms(self.arms, self.setup()):
            arm.settings(self.settings())
            for model in arm.models:
                check_spec(model)

    @cached_property
    def own_prices(self) -> Prices | None:
        """What `prices` holds. Raises ConfigError."""
        return None if self.prices is None else Prices.load(self.prices)

    def setup(self, rows: tuple[Row, ...] = ()) -> Setup:
        """What the arms are made from."""
        return Setup(rows, self.guide, self.solver, self.own_prices, self.routing)

    @property
    def routing(self) -> Routing:
        """What the arms `auto` and `stronger` are made with."""
        return Routing(self.policy, self.gate, self.stronger)

    def load_suite(self) -> Suite:
        """The questions, and the examples shown before each. Raises a UserError for files or rows that will not do."""
        suite = load_suite(
            self.suite,
            limit=self.limit,
            seed=self.seed,
            data=self.data,
            revision=self.revision,
            shuffle=self.shuffle,
        )
        if not self.shots:
            return suite
        arms = make_arms(self.arms, self.setup())
        examples = load_examples(
            suite, arms, shots=self.shots, seed=self.seed, shots_from=self.shots_from, revision=self.revision
        )
        return replace(suite, examples=examples)

    def settings(self, examples: Sequence[Row] = ()) -> Settings:
        """The settings of all arms; each adds its attempts."""
        return Settings(
            temperature=self.temperature,
            seed=self.seed,
            max_tokens=self.max_tokens,
            guide_max_tokens=self.guide_max_tokens or Settings.guide_max_tokens,
            stop_early=self.stop_early,
            examples=[row.model_dump(exclude_none=True) for row in examples],
        )

    def _check_regression(self) -> None:
        for name, value in (("max_drop", self.max_drop), ("junit", self.junit)):
            if value is not None and self.baseline is None:
                raise ConfigError(f"{name} {str(value)!r} needs a baseline: the result.json of the run to compare with")
        if self.max_drop is not None and not 0 <= self.max_drop <= 100:
            raise ConfigError(f"max_drop must be 0 to 100 points, not {self.max_drop!r}")
        if self.junit is not None:
            check_writable(Path(self.junit), "junit")
            if Path(self.junit).is_dir():
                raise ConfigError(f"junit must be a file to write, and {str(self.junit)!r} is a folder")

    @cached_property
    def answers_in_flight(self) -> int:
        """`concurrency`, or its default. A graph of the user's own may call anything and counts as hosted."""
        if self.concurrency is not None:
            return self.concurrency
        arms = make_arms(self.arms, self.setup())
        here = all(arm.models and all(in_process(StandIn.of(model)) for model in arm.models) for arm in arms)
        return LOCAL_CONCURRENCY if here else HOSTED_CONCURRENCY

    def identity(self, suite: Suite) -> dict[str, Any]:
        """All that decides the results. Arms and concurrency may differ between runs of one directory."""
        return {
            "suite": suite.name,
            "n": len(suite.rows),
            "origin": suite.origin,
            "rows_sha256": rows_hash(suite.rows),
            "examples_sha256": rows_hash(suite.examples) if suite.examples else None,
            "seed": self.seed,
            "guide": shown_model(self.guide),
            "solver": shown_model(self.solver),
            "guide_sha256": fingerprint(self.guide),
            "solver_sha256": fingerprint(self.solver),
            "prompts": _prompts_hash(suite),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "guide_max_tokens": self.guide_max_tokens,
            **self.routing.identity(),
            **({"stop_early": True} if self.stop_early else {}),
        }

    def run_dir(self, suite: Suite) -> Path:
        if self.out is not None:
            return Path(self.out)
        text = json.dumps(self.identity(suite), sort_keys=True)
        return Path("runs") / f"{suite.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def command(self) -> str:
        """The command line that asks for the same eval."""
        words = ["sg-agent", "eval", self.suite, "--arms", ",".join(self.arms), "--seed", str(self.seed)]
        words += ["--guide", shown_model(self.guide), "--solver", shown_model(self.solver)]
        for flag, value in (
            ("--limit", self.limit),
            ("--temperature", self.temperature),
            ("--max-tokens", self.max_tokens),
            ("--guide-max-tokens", self.guide_max_tokens),
            ("--data", self.data),
            ("--revision", self.revision),
            ("--shots", self.shots or None),
            ("--shots-from", self.shots_from),
            ("--max-cost", self.max_cost),
            ("--prices", self.prices),
            ("--out", self.out),
            ("--baseline", self.baseline),
            ("--max-drop", self.max_drop),
            ("--junit", self.junit),
            ("--policy", self.policy),
            ("--gate", self.gate),
            ("--stronger", None if self.stronger is None else shown_model(self.stronger)),
        ):
            words += [] if value is None else [flag, str(value)]
        words += ["--stop-early"] if self.stop_early else []
        words += ["--shuffle"] if self.shuffle else []
        words += ["--trust-remote-code"] if self.trust_remote_code else []
        return shlex.join(words)


def _prompts_hash(suite: Suite) -> str:
    """One hash of the prompts of every phase that an arm may ask with, for the suite's tasks."""
    tasks = sorted({row.task for row in suite.rows})
    asked = [phase for phase in get_args(Phase) if phase not in ("teach", "judge")]
    stamps = [load_prompt(phase, task).stamp for phase in asked for task in tasks]
    return hashlib.sha256("\n".join(stamps).encode()).hexdigest()[:12]


def shown_model(model: Model) -> str:
    """The spec as given, or the name of a model object."""
    if isinstance(model, BaseChatModel):
        return model_name(model)
    return model


def rows_hash(rows: tuple[Row, ...]) -> str:
    """One hash of all rows in their order: two evals with the same ask the same questions."""
    text = "\n".join(row.model_dump_json() for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
