"""Break-even: after how many questions the guide's training and running cost is repaid by what it saves on the solver.

From the tokens, costs and seconds of the ledgers and what the user says of prices. Whatever is unknown stays None and
is named. Only money is compared: an arm may be worth more than it saves, or break questions that the other gets right.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TypedDict

from sg_agent.evals.arms import is_control
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.pricing import GivenPrices, billed, busy_seconds, local_seconds, priced_seconds, unpriced
from sg_agent.ledger import CallRecord


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
    results: Mapping[str, Sequence[ArmResult]], pairs: Mapping[str, tuple[str, str]], prices: GivenPrices
) -> dict[str, BreakEven]:
    """Pair -> its break-even, for arms in which a trained guide is called. Raises ConfigError for a bad price."""
    prices.check()
    return {
        pair: break_even(arm, results[arm], baseline, results[baseline], prices)
        for pair, (arm, baseline) in pairs.items()
        if not is_control(arm) and _has_guide(results[arm])
    }


def break_even(
    arm: str, answers: Sequence[ArmResult], baseline: str, others: Sequence[ArmResult], prices: GivenPrices
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


def _answered(answers: Sequence[ArmResult]) -> tuple[list[list[CallRecord]], list[CallRecord]]:
    """The ledgers of questions that did not end in an error, of which it is not known what they used; their calls."""
    ledgers = [answer["ledger"] for answer in answers if answer["outcome"] != "error"]
    return ledgers, [call for ledger in ledgers for call in ledger]


def _running(answers: Sequence[ArmResult], prices: GivenPrices) -> Running:
    ledgers, calls = _answered(answers)
    questions = len(ledgers)
    each = 1 / max(questions, 1)
    solver = [call for call in calls if call["role"] == "solver"]
    cost = billed(calls, prices)
    busy = busy_seconds(ledgers, prices, questions)
    hosted = cost * each if questions and cost is not None else None
    local = priced_seconds(sum(busy.values()), prices)
    return {
        "questions": questions,
        "solver_input_tokens": each * sum(call["input_tokens"] for call in solver),
        "solver_output_tokens": each * sum(call["output_tokens"] for call in solver),
        "hosted_usd": hosted,
        "guide_seconds": busy["guide"],
        "solver_seconds": busy["solver"],
        "usd": None if hosted is None or local is None else hosted + local,
    }


def _missing(answers: Sequence[ArmResult], prices: GivenPrices) -> list[str]:
    """What must be known to price these answers and is not, in words."""
    ledgers, calls = _answered(answers)
    local = prices.local_usd_per_hour is None and any(local_seconds(call, prices) for call in calls)
    hour = ["what an hour of the local machine costs"] if local else []
    return [*unpriced(calls, prices), *hour, *([] if ledgers else ["an answered question"])]
