"""What calls cost by what the user says of prices, and by their ledger for all else. What nobody knows is None."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from sg_agent.errors import ConfigError
from sg_agent.evals.usage import ran_here
from sg_agent.ledger import CallRecord


@dataclass(frozen=True)
class GivenPrices:
    """What no run can measure, each None while unknown.

    Dollars for the guide's training and for an hour of the machine that models of this process run on; dollars per
    million tokens of the solver, in place of what its ledger says (tokens that a provider had in its cache cost what
    others do unless they have a price); seconds that the guide keeps the machine busy per question that it is asked, in
    place of the measured ones, which include waiting in a batch. `solver` is what ledgers call the solver.
    """

    training_usd: float | None = None
    local_usd_per_hour: float | None = None
    input_usd_per_million: float | None = None
    output_usd_per_million: float | None = None
    cached_input_usd_per_million: float | None = None
    guide_seconds: float | None = None
    solver: frozenset[str] = frozenset()

    def check(self) -> None:
        """Raise ConfigError for a value that is no amount, or one token price without the other."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float | int) and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{field.name} must be a finite number of at least 0, not {value!r}")
        if (self.input_usd_per_million is None) != (self.output_usd_per_million is None):
            raise ConfigError("the solver's input and output price go together; give both or neither")
        if self.cached_input_usd_per_million is not None and self.input_usd_per_million is None:
            raise ConfigError("the price of the solver's cached input goes with its input and output price")


def billed(calls: Iterable[CallRecord], prices: GivenPrices) -> float | None:
    """Dollars for the calls' tokens, None when what one of them cost is not known."""
    costs = [billed_call(call, prices) for call in calls]
    known = [usd for usd in costs if usd is not None]
    return sum(known) if len(known) == len(costs) else None


def billed_call(call: CallRecord, prices: GivenPrices) -> float | None:
    """Dollars for the call's tokens: by the user's price, else by the ledger; 0 for a model of this process.

    The user's price says nothing of a call whose tokens are not known, as of one that failed, once or for good.
    """
    if not _priced(call, prices):
        return 0.0 if ran_here(call) else call["cost_usd"]
    if call["cached"]:
        return 0.0
    if call["error"] or call.get("lost"):
        return call["cost_usd"]
    if not call["input_tokens"]:
        return None
    assert prices.input_usd_per_million is not None
    assert prices.output_usd_per_million is not None
    cached_usd = prices.cached_input_usd_per_million
    cached_usd = prices.input_usd_per_million if cached_usd is None else cached_usd
    read = call["input_tokens"] - call["cached_tokens"]
    paid = read * prices.input_usd_per_million + call["cached_tokens"] * cached_usd
    return (paid + call["output_tokens"] * prices.output_usd_per_million) / 1e6


def busy_seconds(ledgers: Sequence[Sequence[CallRecord]], prices: GivenPrices, questions: int) -> dict[str, float]:
    """Role -> how long it kept this machine per question, at most: its calls' time on the clock.

    The user's seconds of the guide are taken for each of the ledgers, one an answer, in which it was asked.
    """
    each, calls = 1 / max(questions, 1), [call for ledger in ledgers for call in ledger]
    busy = {
        role: each * sum(local_seconds(call, prices) for call in calls if call["role"] == role)
        for role in ("guide", "solver")
    }
    if prices.guide_seconds is not None:
        asked = sum(any(call["role"] == "guide" and ran_here(call) for call in ledger) for ledger in ledgers)
        busy["guide"] = each * asked * prices.guide_seconds
    return busy


def priced_seconds(seconds: float, prices: GivenPrices) -> float | None:
    """Dollars for seconds of this machine, None when what an hour costs is not known."""
    if not seconds:
        return 0.0
    return None if prices.local_usd_per_hour is None else seconds * prices.local_usd_per_hour / 3600


def unpriced(calls: Iterable[CallRecord], prices: GivenPrices) -> list[str]:
    """What must be known to price the calls' tokens and is not, in words."""
    unknown = [call for call in calls if billed_call(call, prices) is None]
    failures = Counter(call["model"] for call in unknown if call["error"])
    answered = [call for call in unknown if not call["error"]]
    lost = Counter(call["model"] for call in answered for _ in call.get("lost", []))
    whole = [call for call in answered if not call.get("lost")]
    uncounted = Counter(call["model"] for call in whole if not call["input_tokens"])
    models = {call["model"] for call in whole if call["input_tokens"]}
    return [
        *(f"the price of {model}" for model in sorted(models)),
        *(f"what failed calls of {model} cost ({n})" for model, n in sorted(failures.items())),
        *(f"what failed tries of calls of {model} cost ({n})" for model, n in sorted(lost.items())),
        *(f"the tokens of calls of {model} ({n})" for model, n in sorted(uncounted.items())),
    ]


def local_seconds(call: CallRecord, prices: GivenPrices) -> float:
    """How long the call kept this machine, at most: its time on the clock."""
    return call["latency_s"] if ran_here(call) and not _priced(call, prices) else 0.0


def _priced(call: CallRecord, prices: GivenPrices) -> bool:
    """Whether the user's price of the solver is that of the call.

    Who answers in the solver's place keeps the price of its ledger, and so does a guide of this process that is the
    solver's own base.
    """
    asked = call["model"] in prices.solver and (call["role"] == "solver" or not ran_here(call))
    return asked and prices.input_usd_per_million is not None
