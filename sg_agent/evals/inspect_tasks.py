"""The suites as Inspect tasks: `inspect eval sg_agent/gsm8k -T arms=standard,cot,guided -T solver=openai:gpt-4.1-mini`.

Inspect finds them by the entry point `inspect_ai` of this package. Every suite is a task by its name, `sg_agent/file`
asks `-T data=FILE`; the parameters are those of EvalConfig. Models are named as everywhere in this package, so no
`--model` is needed. Each arm has its accuracy and standard error, each pair of arms its comparison, as metrics.
What these tasks leave out is the run directory that continues: Inspect keeps the log, and `inspect eval-retry` it.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from inspect import Signature, signature
from typing import Any

import click

from sg_agent.errors import ConfigError, MissingExtra, UserError
from sg_agent.evals.arms import make_arms
from sg_agent.evals.config import EvalConfig
from sg_agent.evals.graph import ArmResult, EvalInput, eval_graph
from sg_agent.evals.loading import loader
from sg_agent.evals.result import compare_arms
from sg_agent.evals.statistics import Comparison
from sg_agent.evals.suites.public import PUBLIC
from sg_agent.rows import Row
from sg_agent.worlds import WORLDS

try:
    from inspect_ai import Task, task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ChatMessageAssistant, GenerateConfig
    from inspect_ai.scorer import (
        Metric,
        SampleScore,
        Score,
        Scorer,
        Target,
        Value,
        accuracy,
        metric,
        scorer,
        stderr,
    )
    from inspect_ai.solver import Generate, Solver, TaskState, solver

    from sg_agent.evals.task import CompiledEvalGraph, transcript
except ModuleNotFoundError as error:
    raise MissingExtra("sg_agent.evals.inspect_tasks", "evals") from error

RESULTS, FILE = "sg_agent_results", "file"
PARAMETERS = (
    "arms", "guide", "solver", "limit", "seed", "temperature", "max_tokens", "guide_max_tokens", "data",
    "revision", "shuffle", "shots", "shots_from", "prices",
)  # fmt: skip


@metric
def pairs(seed: int = 0) -> Metric:
    """Every arm that shows guidance against every baseline, as in result.json: "guided-vs-cot delta" and so on."""

    def compute(scores: list[SampleScore]) -> Value:
        by_arm: dict[str, list[ArmResult]] = {}
        for sample in scores:
            for arm, result in (sample.score.metadata or {}).items():
                by_arm.setdefault(arm, []).append(result)
        compared = compare_arms(by_arm, seed=seed)
        return {f"{pair} {name}": number for pair, one in compared.items() for name, number in _numbers(one)}

    return compute


def _numbers(comparison: Comparison) -> Iterator[tuple[str, float]]:
    for name, value in comparison.items():
        if isinstance(value, list) and len(value) == 2:
            yield from ((f"{name} low", value[0]), (f"{name} high", value[1]))
        elif isinstance(value, int | float):
            yield name, value


@scorer(metrics=[{"*": [accuracy(), stderr()]}, pairs()])
def arms_scored() -> Scorer:
    """1 or 0 for each arm; NaN, which Inspect counts as unscored, for an arm that ended in an error."""

    async def score(state: TaskState, target: Target) -> Score:  # noqa: ARG001 - Inspect's signature
        results: list[ArmResult] = state.store.get(RESULTS)
        return Score(
            value={
                result["arm"]: math.nan if result["correct"] is None else float(result["correct"]) for result in results
            },
            answer=", ".join(f"{result['arm']}: {result['answer']}" for result in results),
            metadata={result["arm"]: dict(result) for result in results},
        )

    return score


def arms_task(config: EvalConfig) -> Task:
    """The Inspect task of a config. Its rows are read now, its models are loaded when the first question is asked.

    Raises a UserError for what a run would refuse too.
    """
    config.check()
    suite = config.load_suite()
    arms = make_arms(config.arms, config.setup(suite.rows))
    settings = config.settings(suite.examples)

    @cache
    def graph() -> CompiledEvalGraph:
        return eval_graph(arms, loader(config)).compile()

    @solver
    def arms_asked() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001 - Inspect's signature
            asked: EvalInput = {"row": state.metadata["row"], "arms": [arm.name for arm in arms]}
            output = await graph().ainvoke(asked, context=settings)
            state.store.set(RESULTS, output["results"])
            state.messages += [ChatMessageAssistant(content=transcript(result)) for result in output["results"]]
            state.completed = True
            return state

        return solve

    return Task(
        dataset=MemoryDataset([_sample(row) for row in suite.rows], name=suite.name),
        solver=arms_asked(),
        scorer=arms_scored(),
        config=GenerateConfig(max_connections=config.answers_in_flight),
        metadata=config.identity(suite),
    )


def _sample(row: Row) -> Sample:
    metadata = {"row": row.model_dump(exclude_none=True)}
    return Sample(id=row.id, input=row.question, choices=row.choices, target=row.answer, metadata=metadata)


def _suite_task(name: str) -> Callable[..., Task]:
    """The function that Inspect calls with the -T parameters of task `name`; words with commas come as a list."""

    def suite(**given: Any) -> Task:
        arms = given.pop("arms", EvalConfig.arms)
        words = arms.split(",") if isinstance(arms, str) else arms
        asked = given.pop("data", None) if name == FILE else name
        with _one_line():
            if asked is None:
                raise ConfigError(f"task {FILE!r} needs -T data=FILE, a .jsonl or .csv file of rows")
            return arms_task(EvalConfig(str(asked), tuple(word.strip() for word in words if word.strip()), **given))

    suite.__name__ = name
    known = signature(EvalConfig).parameters
    setattr(suite, "__signature__", Signature([known[parameter] for parameter in PARAMETERS]))  # noqa: B010 - no attribute of functions for type checkers
    return suite


@contextmanager
def _one_line() -> Iterator[None]:
    """On Inspect's command line a user's mistake is one line and exit code 2; in Python it stays the exception."""
    try:
        yield
    except UserError as error:
        if click.get_current_context(silent=True) is None:
            raise
        raise click.UsageError(str(error)) from error


TASKS = {name: task(name=name)(_suite_task(name)) for name in (*WORLDS, *PUBLIC, FILE)}
