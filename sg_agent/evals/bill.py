"""The bill: what each arm costs per question and per right answer, and what an arm saves against another.

Every call that the run directory knows of was paid for, and counts: those of errors, and of answers that were asked
again, too. What has no known price stays None and is named.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from sg_agent.evals.graph import ArmResult
from sg_agent.evals.pricing import GivenPrices, billed, billed_call, busy_seconds, priced_seconds, unpriced
from sg_agent.evals.statistics import Comparison
from sg_agent.evals.usage import ran_here
from sg_agent.ledger import CallRecord

MANY = 1000
MEASURED_FROM = ("cot", "stronger")


class Cached(TypedDict):
    """Input tokens that a host billed, and how many of them came from its prompt cache; `share` None without any."""

    input: int
    cached: int
    share: float | None


class Bill(TypedDict):
    """One arm's. `usd_per_right` is None too while nothing is right; `known_usd` is of the calls whose price is known.

    Local seconds, per question, are in the dollars where the price of an hour is known: `local_priced`.
    """

    questions: int
    right: int
    usd: float | None
    usd_per_question: float | None
    usd_per_right: float | None
    known_usd: float
    local_seconds: float
    local_priced: bool
    cached_input: dict[str, Cached]
    missing: list[str]


class Saving(TypedDict):
    """What `arm` saves against `baseline`, negative when it costs more; None while something is `missing`.

    `saved_share` is of what the baseline costs, None when that is nothing. `delta`, `ci95` and `p` are those of the
    pair's accuracy, p adjusted where it is.
    """

    arm: str
    baseline: str
    saved_usd_per_1000: float | None
    saved_share: float | None
    delta: float | None
    ci95: list[float] | None
    p: float | None
    missing: list[str]


def bill(answers: Sequence[ArmResult], prices: GivenPrices, *, superseded: Sequence[Sequence[CallRecord]] = ()) -> Bill:
    """The bill of one arm's answers, at least one, and of the ledgers of others since replaced."""
    ledgers = [*(answer["ledger"] for answer in answers), *superseded]
    calls = [call for ledger in ledgers for call in ledger]
    seconds = sum(busy_seconds(ledgers, prices, len(answers)).values())
    hosted, local = billed(calls, prices), len(answers) * (priced_seconds(seconds, prices) or 0.0)
    usd = None if hosted is None else hosted + local
    right = sum(answer["outcome"] != "error" and bool(answer["correct"]) for answer in answers)
    return {
        "questions": len(answers),
        "right": right,
        "usd": usd,
        "usd_per_question": None if usd is None else usd / len(answers),
        "usd_per_right": None if usd is None or not right else usd / right,
        "known_usd": sum(billed_call(call, prices) or 0.0 for call in calls) + local,
        "local_seconds": seconds,
        "local_priced": prices.local_usd_per_hour is not None,
        "cached_input": {role: _cached(calls, role) for role in ("guide", "solver")},
        "missing": unpriced(calls, prices),
    }


def savings(
    bills: Mapping[str, Bill], pairs: Mapping[str, tuple[str, str]], compared: Mapping[str, Comparison]
) -> dict[str, Saving]:
    """Pair -> what its arm saves, for the baselines that savings are measured from."""
    return {
        pair: _saving(arm, bills[arm], baseline, bills[baseline], compared[pair])
        for pair, (arm, baseline) in pairs.items()
        if baseline.partition("@")[0] in MEASURED_FROM
    }


def unmeasured(bills: Mapping[str, Bill]) -> list[str]:
    """The baselines that savings are measured from and that did not run."""
    ran = {arm.partition("@")[0] for arm in bills}
    return [baseline for baseline in MEASURED_FROM if baseline not in ran]


def _saving(arm: str, one: Bill, baseline: str, other: Bill, compared: Comparison) -> Saving:
    cost, instead = one["usd_per_question"], other["usd_per_question"]
    saved = None if cost is None or instead is None else instead - cost
    adjusted = compared.get("p_holm")
    return {
        "arm": arm,
        "baseline": baseline,
        "saved_usd_per_1000": None if saved is None else MANY * saved,
        "saved_share": saved / instead if saved is not None and instead else None,
        "delta": compared["delta"],
        "ci95": compared["ci95"],
        "p": compared["p"] if adjusted is None else adjusted,
        "missing": sorted({*one["missing"], *other["missing"]}),
    }


def _cached(calls: Sequence[CallRecord], role: str) -> Cached:
    hosted = [call for call in calls if call["role"] == role and not ran_here(call) and not call["cached"]]
    read, cached = (sum(call[key] for call in hosted) for key in ("input_tokens", "cached_tokens"))
    return {"input": read, "cached": cached, "share": cached / read if read else None}
