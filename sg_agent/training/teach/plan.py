"""What a teach run would ask and cost, told without loading a model, asking one or writing anything."""

import math
from pathlib import Path
from typing import Literal, TypedDict

from langchain_core.messages import BaseMessage

from sg_agent.evals.config import shown_model
from sg_agent.evals.plan import ASSUMED_OUTPUT, OutputFrom
from sg_agent.evals.stand_in import CHARACTERS_A_TOKEN, REPLY, StandIn
from sg_agent.ledger import price, usage_of
from sg_agent.models import Model
from sg_agent.prices import Prices
from sg_agent.prompts import load_prompt
from sg_agent.rows import Row
from sg_agent.training.teach.batch_lines import HALF
from sg_agent.training.teach.config import TeachConfig
from sg_agent.training.teach.files import TeachFiles, check_out
from sg_agent.training.teach.source import Source
from sg_agent.training.teach.store import TeachStore
from sg_agent.training.teach.teacher import asked


class CallPlan(TypedDict):
    """The calls of one role. Tokens and cost are of all of them; cost None is unknown.

    `output_from`: the mean of the replies that are there, or 256 a call.
    """

    role: Literal["teacher", "solver"]
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    output_from: OutputFrom
    cost_usd: float | None


class TeachPlan(TypedDict):
    """`calls` are those still to be made if every row passes the filters, `spent_usd` what the file has cost so far."""

    suite: str
    n: int
    out: str
    done: int
    calls: list[CallPlan]
    total_calls: int
    cost_usd: float | None
    spent_usd: float
    max_cost_usd: float | None


def plan_teach(config: TeachConfig, source: Source) -> TeachPlan:
    """The plan of what `run_teach(config)` would do now with the rows of `source`. Raises what that would."""
    files = TeachFiles(Path(config.out))
    record = check_out(files, config.identity(source))
    store = TeachStore(files).peek()
    rows = [row for row in source.rows if row.id not in store.judged]
    calls = []
    if config.teacher is not None and (undrafted := [row for row in rows if row.id not in store.drafts]):
        prompts = [asked(config, row)[1] for row in undrafted]
        calls.append(_line("teacher", config.teacher, prompts, store, config.own_prices, HALF if config.batch else 1.0))
    if config.verify_with is not None and (unverified := [row for row in rows if row.id not in store.verified]):
        prompts = [_solver_prompt(row) for row in unverified]
        calls.append(_line("solver", config.verify_with, prompts, store, config.own_prices, 1.0))
    costs = [call["cost_usd"] for call in calls]
    return {
        "suite": source.name,
        "n": len(source.rows),
        "out": str(config.out),
        "done": len(store.judged),
        "calls": calls,
        "total_calls": sum(call["calls"] for call in calls),
        "cost_usd": None if None in costs else sum(cost for cost in costs if cost is not None),
        "spent_usd": store.spent_usd + (record.unrecorded_usd if record else 0.0),
        "max_cost_usd": config.max_cost,
    }


def _solver_prompt(row: Row) -> list[BaseMessage]:
    return load_prompt("solver", row.task).render(row, guidance=REPLY)


def _line(
    role: Literal["teacher", "solver"],
    model: Model,
    prompts: list[list[BaseMessage]],
    store: TeachStore,
    prices: Prices | None,
    share: float,
) -> CallPlan:
    stand_in = StandIn.of(model)
    characters = sum(len(message.text) for messages in prompts for message in messages)
    n, read = len(prompts), math.ceil(characters / CHARACTERS_A_TOKEN)
    known = [call["output_tokens"] for call in store.calls if call["role"] == role]
    written = sum(known) / len(known) if known else ASSUMED_OUTPUT
    each = price(stand_in, usage_of(round(read / n), round(written)), prices=prices)
    return {
        "role": role,
        "model": shown_model(model),
        "calls": n,
        "input_tokens": read,
        "output_tokens": round(n * written),
        "output_from": "measured" if known else "assumed",
        "cost_usd": None if each is None else n * each * share,
    }
