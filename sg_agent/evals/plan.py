"""What an eval would ask and cost, told without loading a model, asking one or writing anything.

The arms' own graphs are run on some of the missing questions, with stand-ins for the models: what they are asked is
what the models would be asked, but for the guidance, which is a stand-in's.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, TypedDict

from sg_agent.evals.arms import Arm
from sg_agent.evals.config import EvalConfig, shown_model
from sg_agent.evals.graph import eval_graph
from sg_agent.evals.prepare import prepare
from sg_agent.evals.spending import spent
from sg_agent.evals.stand_in import CHARACTERS_A_TOKEN, StandIn, stand_ins
from sg_agent.evals.store import ResultStore
from sg_agent.graphs.state import Settings
from sg_agent.ledger import CallRecord, Source, price, usage_of
from sg_agent.prices import Prices
from sg_agent.rows import Row

REHEARSED = 50
ASSUMED_OUTPUT = 256

OutputFrom = Literal["measured", "max_tokens", "assumed"]


class ArmPlan(TypedDict):
    """Questions that are answered already, that ended in an error and are asked again, and that are missing (both)."""

    done: int
    errors: int
    missing: int


class CallPlan(TypedDict):
    """The calls of one role by one model in one arm. Tokens and cost are of all of them; None is unknown.

    `output_from` says where the output tokens come from: the mean of finished answers, --max-tokens, or 256 a call
    (of a guide at most --guide-max-tokens).
    """

    arm: str
    role: str
    model: str
    calls: int | None
    input_tokens: int | None
    output_tokens: int | None
    output_from: OutputFrom | None
    cost_usd: float | None


class EvalPlan(TypedDict):
    """`spent_usd` is what the run directory has cost so far; `cost_usd` what is still to come, None when unknown."""

    suite: str
    n: int
    seed: int
    guide: str
    solver: str
    run_dir: str
    arms: dict[str, ArmPlan]
    calls: list[CallPlan]
    total_calls: int | None
    cost_usd: float | None
    spent_usd: float
    max_cost_usd: float | None
    assumptions: list[str]


def plan_eval(config: EvalConfig) -> EvalPlan:
    """The plan of what `run_eval(config)` would do now. Raises what that would before its first question."""
    run = prepare(config)
    suite, arms, run_dir = run.suite, run.arms, run.run_dir
    settings = replace(config.settings(suite.examples), stop_early=False)  # stand-ins would agree at once
    store = ResultStore(run_dir.results).peek()
    missing, prices = {arm.name: _missing(arm, suite.rows, store) for arm in arms}, config.own_prices
    calls = [call for arm in arms for call in _calls(arm, missing[arm.name], settings, store, prices)]
    return {
        "suite": suite.name,
        "n": len(suite.rows),
        "seed": config.seed,
        "guide": shown_model(config.guide),
        "solver": shown_model(config.solver),
        "run_dir": str(run_dir.path),
        "arms": {arm.name: _arm_plan(arm, suite.rows, store) for arm in arms},
        "calls": calls,
        "total_calls": _sum([call["calls"] for call in calls]),
        "cost_usd": _sum([call["cost_usd"] for call in calls]),
        "spent_usd": spent(run_dir, store),
        "max_cost_usd": config.max_cost,
        "assumptions": _assumptions(calls),
    }


def _arm_plan(arm: Arm, rows: Sequence[Row], store: ResultStore) -> ArmPlan:
    missing = _missing(arm, rows, store)
    errors = sum((row.id, arm.name) in store.latest for row in missing)
    return {"done": len(rows) - len(missing), "errors": errors, "missing": len(missing)}


def _missing(arm: Arm, rows: Sequence[Row], store: ResultStore) -> list[Row]:
    return [row for row in rows if store.missing(row.id, [arm.name])]


def _calls(
    arm: Arm, missing: list[Row], settings: Settings, store: ResultStore, prices: Prices | None
) -> list[CallPlan]:
    """A line for each role and model that the arm would call."""
    models = {_name(stand_in): stand_in for stand_in in stand_ins(arm)}
    if not missing:
        return []
    if not models:
        return [_unknown(arm)]
    rehearsed = missing[:: -(-len(missing) // REHEARSED)]
    by_line: dict[tuple[str, str], list[CallRecord]] = defaultdict(list)
    for call in asyncio.run(_rehearse(arm, rehearsed, settings)):
        by_line[call["role"], call["model"]].append(call)
    scale = len(missing) / len(rehearsed)
    return [_line(arm, models[name], calls, scale, settings, store, prices) for (_, name), calls in by_line.items()]


async def _rehearse(arm: Arm, rows: list[Row], settings: Settings) -> list[CallRecord]:
    """The ledger of the arm on `rows`, its models stood in for."""
    graph = eval_graph([arm], StandIn.of).compile()
    ledger: list[CallRecord] = []
    for row in rows:
        asked: Any = {"row": row.model_dump(), "arms": [arm.name]}
        (result,) = (await graph.ainvoke(asked, context=settings))["results"]
        ledger += result["ledger"]
    return ledger


def _line(
    arm: Arm,
    stand_in: StandIn,
    calls: list[CallRecord],
    scale: float,
    settings: Settings,
    store: ResultStore,
    prices: Prices | None,
) -> CallPlan:
    role, n = calls[0]["role"], round(len(calls) * scale)
    read = sum(call["input_tokens"] for call in calls) / len(calls)
    written, known_from = _output_of_one(arm, role, settings, store)
    each = price(stand_in, usage_of(round(read), round(written)), prices=prices)
    return {
        "arm": arm.name,
        "role": role,
        "model": shown_model(stand_in.stands_for),
        "calls": n,
        "input_tokens": round(n * read),
        "output_tokens": round(n * written),
        "output_from": known_from,
        "cost_usd": None if each is None else n * each,
    }


def _output_of_one(arm: Arm, role: str, settings: Settings, store: ResultStore) -> tuple[float, OutputFrom]:
    """The output tokens of one call, and how they are known."""
    answers = [result for (_, name), result in store.latest.items() if name == arm.name]
    calls = [call for answer in answers for call in answer["ledger"] if call["role"] == role and not call["error"]]
    if calls:
        return sum(call["output_tokens"] for call in calls) / len(calls), "measured"
    if role == "solver" and settings.max_tokens is not None:
        return settings.max_tokens, "max_tokens"
    return min(ASSUMED_OUTPUT, settings.guide_max_tokens) if role == "guide" else ASSUMED_OUTPUT, "assumed"


def _name(stand_in: StandIn) -> str:
    """The model as a ledger names it."""
    return Source.of(stand_in).spec


def _unknown(arm: Arm) -> CallPlan:
    """A graph that brings its own models says nothing beforehand."""
    return {
        "arm": arm.name,
        "role": "unknown",
        "model": "unknown",
        "calls": None,
        "input_tokens": None,
        "output_tokens": None,
        "output_from": None,
        "cost_usd": None,
    }


def _sum(values: list[Any]) -> Any:
    return None if None in values else sum(values)


def _assumptions(calls: list[CallPlan]) -> list[str]:
    """What the estimate rests on, in words."""
    said = {
        "measured": "output tokens: the mean of this directory's finished answers",
        "max_tokens": "output tokens: --max-tokens for every call of the solver",
        "assumed": f"output tokens: {ASSUMED_OUTPUT} a call (guidance: at most its limit), for want of finished "
        "answers or --max-tokens",
    }
    used = [said[source] for source in said if any(call["output_from"] == source for call in calls)]
    read = (
        f"input tokens: characters / {CHARACTERS_A_TOKEN} of the prompts of up to {REHEARSED} missing questions an arm"
    )
    return [
        read,
        *used,
        "guidance that fails the check is written again once, failed calls are repeated, doubtful answers of the arm "
        "auto may be escalated: not counted",
    ]
