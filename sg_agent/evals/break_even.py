"""Break-even: after how many questions the guide's training and running cost is repaid by what it saves on the solver.

From the tokens, costs and seconds of the ledgers and what the user says of prices. Whatever is unknown stays None and
is named. Only money is compared: an arm may be worth more than it saves, or break questions that the other gets right.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypedDict

from sg_agent.errors import ConfigError
from sg_agent.evals.arms import is_control
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.usage import ran_here
from sg_agent.ledger import CallRecord


@dataclass(frozen=True)
class Prices:
    """What no run can measure, each None while unknown.

    Dollars for the guide's training and for an hour of the machine that models of this process run on; dollars per
    million tokens of the solver, in place of what its ledger says; seconds that the guide keeps the machine busy per
    question, in place of the measured ones, which include waiting in a batch.
    """

    training_usd: float | None = None
    local_usd_per_hour: float | None = None
    input_usd_per_million: float | None = None
    output_usd_per_million: float | None = None
    guide_seconds: float | None = None

    def check(self) -> None:
        """Raise ConfigError for a value that is no amount, or one token price without the other."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{field.name} must be a finite number of at least 0, not {value!r}")
        if (self.input_usd_per_million is None) != (self.output_usd_per_million is None):
            raise ConfigError("the solver's input and output price go together; give both or neither")


class Running(TypedDict):
    """What one arm takes per answered question. `hosted_usd` is what is billed by tokens, None when a price is unknown.

    `usd` adds the local seconds at their price. Tokens are the solver's.
    """

    questions: int
    solver_input_tokens: float
    solver_output_tokens: float
    hosted_usd: float | None
    guide_seconds: float
    solver_seconds: float
    usd: float | None


class BreakEven(TypedDict):
    """One guided arm against one baseline. `saved_usd` is per question and may be negative.

    `questions` is None while something is `missing`, and when nothing is saved and the guide is never repaid.
    """

    arm: str
    baseline: str
    training_usd: float | None
    local_usd_per_hour: float | None
    running: dict[str, Running]
    saved_usd: float | None
    questions: int | None
    missing: list[str]


def break_evens(
    results: Mapping[str, Sequence[ArmResult]], pairs: Mapping[str, tuple[str, str]], prices: Prices
) -> dict[str, BreakEven]:
    """Pair -> its break-even, for arms in which a trained guide is called. Raises ConfigError for a bad price."""
    prices.check()
    return {
        pair: break_even(arm, results[arm], baseline, results[baseline], prices)
        for pair, (arm, baseline) in pairs.items()
        if not is_control(arm) and _has_guide(results[arm])
    }


def break_even(
    arm: str, answers: Sequence[ArmResult], baseline: str, others: Sequence[ArmResult], prices: Prices
) -> BreakEven:
    """After how many questions `arm` with its training has cost no more than `baseline`."""
    running = {arm: _running(answers, prices), baseline: _running(others, prices)}
    missing = sorted({*_missing(answers, prices), *_missing(others, prices)})
    missing += ["the training cost"] if prices.training_usd is None else []
    with_guide, without = running[arm]["usd"], running[baseline]["usd"]
    saved = without - with_guide if without is not None and with_guide is not None else None
    questions = None
    if saved is not None and prices.training_usd is not None and (saved > 0 or prices.training_usd == saved == 0):
        questions = math.ceil(round(prices.training_usd / saved, 6)) if saved else 0
    return {
        "arm": arm,
        "baseline": baseline,
        "training_usd": prices.training_usd,
        "local_usd_per_hour": prices.local_usd_per_hour,
        "running": running,
        "saved_usd": saved,
        "questions": questions,
        "missing": missing,
    }


def _has_guide(answers: Sequence[ArmResult]) -> bool:
    return any(call["role"] == "guide" for answer in answers for call in answer["ledger"])


def _answered(answers: Sequence[ArmResult]) -> tuple[int, list[CallRecord]]:
    """How many questions did not end in an error, whose use is not known, and the calls of those."""
    good = [answer for answer in answers if answer["outcome"] != "error"]
    return len(good), [call for answer in good for call in answer["ledger"]]


def _running(answers: Sequence[ArmResult], prices: Prices) -> Running:
    questions, calls = _answered(answers)
    each = 1 / max(questions, 1)
    solver = [call for call in calls if call["role"] == "solver"]
    billed = [_billed(call, prices) for call in calls]
    known = [usd for usd in billed if usd is not None]
    hosted = sum(known) * each if questions and len(known) == len(billed) else None
    guide_seconds = each * sum(_seconds(call, prices) for call in calls if call["role"] == "guide")
    if prices.guide_seconds is not None and any(call["role"] == "guide" and ran_here(call) for call in calls):
        guide_seconds = prices.guide_seconds
    solver_seconds = each * sum(_seconds(call, prices) for call in solver)
    busy = guide_seconds + solver_seconds
    rate = prices.local_usd_per_hour if busy else 0.0
    return {
        "questions": questions,
        "solver_input_tokens": each * sum(call["input_tokens"] for call in solver),
        "solver_output_tokens": each * sum(call["output_tokens"] for call in solver),
        "hosted_usd": hosted,
        "guide_seconds": guide_seconds,
        "solver_seconds": solver_seconds,
        "usd": None if hosted is None or rate is None else hosted + busy * rate / 3600,
    }


def _billed(call: CallRecord, prices: Prices) -> float | None:
    """Dollars for the call's tokens: by the user's price, else by the ledger; 0 for a model of this process."""
    if _priced(call, prices):
        assert prices.input_usd_per_million is not None
        assert prices.output_usd_per_million is not None
        paid = (
            call["input_tokens"] * prices.input_usd_per_million + call["output_tokens"] * prices.output_usd_per_million
        )
        return paid / 1e6
    return 0.0 if ran_here(call) else call["cost_usd"]


def _seconds(call: CallRecord, prices: Prices) -> float:
    """How long the call kept this machine, at most: its time on the clock."""
    return call["latency_s"] if ran_here(call) and not _priced(call, prices) else 0.0


def _priced(call: CallRecord, prices: Prices) -> bool:
    return call["role"] == "solver" and prices.input_usd_per_million is not None


def _missing(answers: Sequence[ArmResult], prices: Prices) -> list[str]:
    """What must be known to price these answers and is not, in words."""
    questions, calls = _answered(answers)
    unknown = [f"the price of {call['model']}" for call in calls if _billed(call, prices) is None]
    local = prices.local_usd_per_hour is None and any(_seconds(call, prices) for call in calls)
    hour = ["what an hour of the local machine costs"] if local else []
    return [*unknown, *hour, *([] if questions else ["an answered question"])]
