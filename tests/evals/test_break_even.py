"""Break-even: what is repaid after how many questions, and what must be known to tell."""

import math
from dataclasses import replace

import pytest
from recorded_run import HOSTED, LOCAL, PLAN, answered, call, failed

from sg_agent.errors import ConfigError
from sg_agent.evals.break_even import BreakEven, break_even, break_evens
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.pricing import GivenPrices

GUIDED = [answered("q", "guided", True, guidance=PLAN)]  # a local second for the guide, $0.001 for the solver
COT = [answered("q", "cot", True, ledger=[call("solver", HOSTED, cost_usd=0.002, output_tokens=200)])]


def of(prices: GivenPrices, guided: list[ArmResult] = GUIDED, cot: list[ArmResult] = COT) -> BreakEven:
    return break_even("guided", guided, "cot", cot, replace(prices, solver=frozenset([HOSTED, LOCAL])))


def test_training_is_repaid_by_what_each_question_saves() -> None:
    found = of(GivenPrices(training_usd=9, local_usd_per_hour=0.36))
    assert found["running"]["guided"]["usd"] == pytest.approx(0.001 + 1 * 0.36 / 3600)
    assert found["running"]["cot"]["usd"] == pytest.approx(0.002)
    assert found["saved_usd"] == pytest.approx(0.0009)
    assert (found["questions"], found["missing"]) == (10_000, [])


def test_unknown_prices_are_named_and_no_number_is_made_up() -> None:
    unpriced = [answered("q", "cot", True, ledger=[call("solver", "openai:new", cost_usd=None)])]
    found = of(GivenPrices(), cot=unpriced)
    assert found["missing"] == [
        "the price of openai:new",
        "what an hour of the local machine costs",
        "the training cost",
    ]
    assert (found["questions"], found["saved_usd"], found["running"]["cot"]["usd"]) == (None, None, None)


def test_a_guide_that_costs_more_than_it_saves_is_never_repaid() -> None:
    found = of(GivenPrices(training_usd=9, local_usd_per_hour=36))
    assert (found["questions"], found["missing"]) == (None, [])
    assert found["saved_usd"] == pytest.approx(-0.009)


def test_free_training_that_saves_is_repaid_at_once() -> None:
    assert of(GivenPrices(training_usd=0, local_usd_per_hour=0))["questions"] == 0


def test_given_prices_replace_the_ledger_of_the_solver() -> None:
    prices = GivenPrices(training_usd=1, local_usd_per_hour=0, input_usd_per_million=1, output_usd_per_million=10)
    running = of(prices)["running"]
    assert running["guided"]["hosted_usd"] == pytest.approx((100 * 1 + 10 * 10) / 1e6)
    assert running["cot"]["hosted_usd"] == pytest.approx((100 * 1 + 200 * 10) / 1e6)


def test_a_solver_of_this_process_costs_time_unless_it_is_given_a_price() -> None:
    here = [answered("q", "cot", True, ledger=[call("solver", LOCAL)])]
    assert of(GivenPrices(), cot=here)["running"]["cot"]["solver_seconds"] == 1
    priced = of(GivenPrices(input_usd_per_million=1, output_usd_per_million=1), cot=here)["running"]["cot"]
    assert priced["solver_seconds"] == 0
    assert priced["hosted_usd"] == pytest.approx(110 / 1e6)


def test_busy_seconds_replace_those_spent_waiting_in_a_batch() -> None:
    assert of(GivenPrices(guide_seconds=0.25))["running"]["guided"]["guide_seconds"] == 0.25
    assert of(GivenPrices(guide_seconds=0.25))["running"]["cot"]["guide_seconds"] == 0


def test_questions_that_ended_in_an_error_are_not_measured() -> None:
    broken = {**failed("r", "cot"), "ledger": [call("solver", HOSTED, cost_usd=None, error="outage")]}
    running = of(GivenPrices(), cot=[*COT, broken])["running"]["cot"]  # type: ignore[list-item] # a TypedDict spread
    assert running["questions"] == 1
    assert running["usd"] == pytest.approx(0.002)


def test_an_arm_without_answers_is_missing_them() -> None:
    assert "an answered question" in of(GivenPrices(), cot=[failed("q", "cot")])["missing"]


def test_only_arms_with_a_trained_guide_are_priced() -> None:
    results = {
        arm: [answered("q", arm, True, guidance=PLAN)] for arm in ("guided", "guided@5", "untrained", "placebo", "leak")
    }
    results |= {"mine": [answered("q", "mine", True)], "cot": COT}
    pairs = {f"{arm}-vs-cot": (arm, "cot") for arm in results if arm != "cot"}
    assert set(break_evens(results, pairs, GivenPrices())) == {"guided-vs-cot", "guided@5-vs-cot"}


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        (GivenPrices(training_usd=-1), "training_usd must be a finite number of at least 0, not -1"),
        (GivenPrices(local_usd_per_hour=math.nan), "local_usd_per_hour .* not nan"),
        (GivenPrices(guide_seconds=math.inf), "guide_seconds .* not inf"),
        (GivenPrices(input_usd_per_million=1), "give both or neither"),
    ],
)
def test_a_price_that_is_none_is_refused(prices: GivenPrices, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        break_evens({}, {}, prices)
