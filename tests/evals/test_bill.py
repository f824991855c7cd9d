"""The bill: cost per question and per right answer, savings beside accuracy, cached tokens, and what is not known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recorded_run import HOSTED, LOCAL, PLAN, answered, call, failed, questions, record

from sg_agent.evals.bill import Bill, Saving, bill
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.pricing import GivenPrices
from sg_agent.evals.report import report_run
from sg_agent.evals.report.content import Report
from sg_agent.evals.report.tables import bill_table, saving_table, saving_verdict
from sg_agent.evals.report.words import bill_notes, has_bill
from sg_agent.evals.store import ResultStore
from sg_agent.ledger import CallRecord

BIG = "openai:gpt-4.1"
ROWS = questions(20)


def answers(arm: str, right: int, usd: float | None, *, guided: bool = False, model: str = HOSTED) -> list[ArmResult]:
    """An answer per row, the first `right` of them right; each cost `usd` and, when guided, a local second."""
    guide = [call("guide", LOCAL)] if guided else []
    ledger = [*guide, call("solver", model, cost_usd=usd)]
    guidance = PLAN if guided else None
    return [answered(row.id, arm, i < right, guidance=guidance, ledger=ledger) for i, row in enumerate(ROWS)]


def of(*calls: CallRecord, right: bool = True, arm: str = "cot", prices: GivenPrices | None = None) -> Bill:
    prices = replace(prices or GivenPrices(), solver=frozenset([HOSTED]))
    return bill([answered("q", arm, right, ledger=list(calls))], prices)


def reported(path: Path, *results: list[ArmResult], prices: GivenPrices | None = None) -> Report:
    record(path, ROWS, [result for arm in results for result in arm])
    return report_run(path, prices)


def test_cost_is_per_question_and_per_right_answer() -> None:
    found = bill(answers("cot", 5, 0.002), GivenPrices())
    assert (found["questions"], found["right"], found["missing"]) == (20, 5, [])
    assert found["usd"] == found["known_usd"] == pytest.approx(0.04)
    assert found["usd_per_question"] == pytest.approx(0.002)
    assert found["usd_per_right"] == pytest.approx(0.008)


def test_where_nothing_is_right_a_right_answer_has_no_cost() -> None:
    found = of(call("solver", HOSTED), right=False)
    assert (found["usd_per_right"], found["usd_per_question"]) == (None, 0.001)


def test_errors_and_replaced_answers_are_paid_for_and_answer_nothing() -> None:
    broken: Any = {**failed("r", "cot"), "ledger": [call("solver", HOSTED, cost_usd=0.004)]}
    again = [call("solver", HOSTED, cost_usd=0.005)]
    found = bill([answered("q", "cot", True), broken], GivenPrices(), superseded=[again])
    assert (found["questions"], found["right"]) == (2, 1)
    assert found["usd"] == found["usd_per_right"] == pytest.approx(0.001 + 0.004 + 0.005)
    assert found["usd_per_question"] == pytest.approx(0.005)


def test_what_has_no_price_stays_unknown_and_is_named_with_what_is_known() -> None:
    failure = call("solver", HOSTED, cost_usd=None, input_tokens=0, output_tokens=0, error="outage")
    silent = call("solver", BIG, cost_usd=None, input_tokens=0, output_tokens=0)
    found = of(call("guide", "openai:new", cost_usd=None), failure, failure, silent, call("solver", HOSTED))
    assert (found["usd"], found["usd_per_question"], found["usd_per_right"]) == (None, None, None)
    assert found["known_usd"] == 0.001
    assert found["missing"] == [
        "the price of openai:new",
        "what failed calls of openai:gpt-4.1-mini cost (2)",
        "the tokens of calls of openai:gpt-4.1 (1)",
    ]


def test_cached_tokens_are_shares_of_what_a_host_billed() -> None:
    found = of(
        call("guide", LOCAL, cached_tokens=50),
        call("solver", HOSTED, cached_tokens=80),
        call("solver", HOSTED),
        call("solver", HOSTED, cached_tokens=100, cached=True, cost_usd=0.0),
    )
    assert found["cached_input"] == {
        "guide": {"input": 0, "cached": 0, "share": None},
        "solver": {"input": 200, "cached": 80, "share": 0.4},
    }


def test_given_prices_count_cached_tokens_at_theirs_and_a_replayed_reply_as_free() -> None:
    prices = GivenPrices(input_usd_per_million=1, output_usd_per_million=10, cached_input_usd_per_million=0.1)
    read = call("solver", HOSTED, cached_tokens=60)
    assert of(read, prices=prices)["usd"] == pytest.approx((40 * 1 + 60 * 0.1 + 10 * 10) / 1e6)
    assert of({**read, "cached": True}, prices=prices)["usd"] == 0
    full = GivenPrices(input_usd_per_million=1, output_usd_per_million=10)
    assert of(read, prices=full)["usd"] == pytest.approx((100 + 100) / 1e6)


def test_given_prices_are_the_solvers_alone_whoever_has_its_role() -> None:
    prices = GivenPrices(input_usd_per_million=0, output_usd_per_million=0)
    decided: Any = {"route": "escalate", "scores": {}, "threshold": None, "reason": "no answer"}
    escalated = call("solver", BIG, cost_usd=0.008, decision=decided)
    assert of(call("solver", HOSTED), escalated, arm="auto", prices=prices)["usd"] == 0.008
    for arm in ("stronger", "stronger@3", "guide_alone", "mine"):
        assert of(call("solver", BIG, cost_usd=0.008), arm=arm, prices=prices)["usd"] == 0.008
    assert of(call("solver", HOSTED), arm="mine", prices=prices)["usd"] == 0
    assert of(call("guide", HOSTED), call("solver", HOSTED), arm="self_plan", prices=prices)["usd"] == 0


def test_the_solver_is_known_by_the_names_of_its_replies(tmp_path: Path) -> None:
    dated, fallen = f"{HOSTED}-2025-04-14", {"index": 0, "text": "7", "finish": "stop", "fallback": BIG, "error": None}
    cot = answers("cot", 12, 0.002, model=dated)
    cot[0] = answered("q0", "cot", True, attempts=[fallen], ledger=[call("solver", BIG, attempt=0, cost_usd=0.05)])
    mine = [answered(row.id, "mine", True, ledger=[call("solver", BIG, cost_usd=0.05)]) for row in ROWS]
    mine[1] = answered("q1", "mine", True, ledger=[call("solver", dated, cost_usd=0.05)])
    prices = GivenPrices(input_usd_per_million=0, output_usd_per_million=0)
    alone = answers("guide_alone", 12, 0.03, model="openai:guide")
    found = reported(tmp_path, cot, mine, alone, prices=prices)["bill"]
    usd = {arm: one["usd"] for arm, one in found.items()}
    assert usd == pytest.approx({"cot": 0.05, "mine": 19 * 0.05, "guide_alone": 20 * 0.03})


def test_given_prices_guess_nothing_for_a_call_whose_tokens_are_not_known() -> None:
    prices = GivenPrices(input_usd_per_million=1, output_usd_per_million=1)
    failure = call("solver", HOSTED, cost_usd=None, input_tokens=0, output_tokens=0, error="outage")
    assert of(failure, prices=prices)["missing"] == ["what failed calls of openai:gpt-4.1-mini cost (1)"]


def test_a_call_with_failed_tries_before_its_answer_has_no_known_cost() -> None:
    lost = call("solver", HOSTED, cost_usd=None, lost=["ConnectionError: cut", "NodeTimeoutError: late"])
    for prices in (GivenPrices(), GivenPrices(input_usd_per_million=1, output_usd_per_million=1)):
        found = of(lost, prices=prices)
        assert (found["usd"], found["known_usd"]) == (None, 0)
        assert found["missing"] == ["what failed tries of calls of openai:gpt-4.1-mini cost (2)"]
        assert of({**lost, "cached": True, "cost_usd": 0.0}, prices=prices)["usd"] == 0


def test_local_seconds_are_shown_and_in_the_cost_once_an_hour_has_a_price() -> None:
    found = bill(answers("guided", 20, 0.001, guided=True), GivenPrices())
    assert (found["local_seconds"], found["local_priced"]) == (1.0, False)
    assert found["usd_per_question"] == pytest.approx(0.001)
    priced = bill(answers("guided", 20, 0.001, guided=True), GivenPrices(local_usd_per_hour=3.6, guide_seconds=0.5))
    assert (priced["local_seconds"], priced["local_priced"]) == (0.5, True)
    assert priced["usd_per_question"] == pytest.approx(0.001 + 0.5 * 0.001)
    assert priced["usd"] == priced["known_usd"] == pytest.approx(20 * 0.0015)


def test_the_guides_given_seconds_are_of_the_questions_it_is_asked() -> None:
    gated = [*answers("auto", 20, 0.001, guided=True)[:5], *answers("auto", 20, 0.001)[5:]]
    assert bill(gated, GivenPrices(guide_seconds=0.4))["local_seconds"] == pytest.approx(0.1)


def test_the_guides_given_seconds_are_of_a_replaced_answer_once_however_many_drafts_it_took() -> None:
    replaced = [call("guide", LOCAL), call("guide", LOCAL), call("solver", HOSTED)]
    found = bill(answers("guided", 20, 0.001, guided=True), GivenPrices(guide_seconds=0.4), superseded=[replaced])
    assert found["local_seconds"] == pytest.approx(21 * 0.4 / 20)


def test_an_arm_saves_against_cot_and_against_the_strong_solver_alone(tmp_path: Path) -> None:
    found = reported(
        tmp_path,
        answers("standard", 8, 0.0001),
        answers("cot", 12, 0.002),
        answers("guided", 15, 0.0005, guided=True),
        answers("stronger", 19, 0.01, model=BIG),
        answers("auto", 18, 0.0025, guided=True),
    )
    saved = {pair: one["saved_usd_per_1000"] for pair, one in found["savings"].items()}
    assert saved == pytest.approx(
        {"guided-vs-cot": 1.5, "guided-vs-stronger": 9.5, "auto-vs-cot": -0.5, "auto-vs-stronger": 7.5}
    )
    one = found["savings"]["auto-vs-stronger"]
    assert one["saved_share"] == pytest.approx(0.75)
    assert one["delta"] == pytest.approx(-0.05)
    assert one["p"] == found["pairs"]["auto-vs-stronger"]["p_holm"]
    lines = {tuple(line[:2]): line[2:5] for line in saving_table(found["savings"])[1:]}
    assert lines["auto", "stronger"] == ["$7.50", "75.0%", "-5.0"]
    assert lines["auto", "cot"] == ["-$0.5", "-25.0%", "+30.0"]
    assert bill_notes(found) == [
        "The local seconds are in no cost: sg-agent report DIR --local-cost-per-hour USD prices them."
    ]
    assert "guided-vs-stronger" in found["break_even"]


def saving(saved: float | None, delta: float | None, p: float | None = 1.0, *missing: str) -> Saving:
    return {
        "arm": "auto", "baseline": "cot", "saved_usd_per_1000": saved, "saved_share": None, "delta": delta,
        "ci95": None, "p": p, "missing": list(missing),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (saving(1, -0.2, 0.001), "cheaper, bought with wrong answers"),
        (saving(1, -0.2, 0.05), "cheaper, with fewer right, which may be chance"),
        (saving(1, 0.2, 0.001), "cheaper, with more right"),
        (saving(1, 0.0), "cheaper, with as many right"),
        (saving(0, 0.2), "as dear, with more right, which may be chance"),
        (saving(-1, 0.2, 0.001), "dearer, with more right"),
        (saving(-1, -0.2, 0.001), "dearer, with fewer right"),
        (saving(1, None, None), "cheaper; no question was answered by both"),
        (saving(None, -0.2, 0.001, "the price of openai:new"), "unknown: the price of openai:new"),
    ],
)
def test_no_saving_is_told_without_the_accuracy(one: Saving, said: str) -> None:
    assert saving_verdict(one) == said


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    found = reported(tmp_path, answers("standard", 8, 0.0001), answers("guided", 15, None, guided=True))
    assert found["savings"] == {}
    assert bill_notes(found) == [
        "guided: not known: the price of openai:gpt-4.1-mini.",
        "The local seconds are in no cost: sg-agent report DIR --local-cost-per-hour USD prices them.",
        "The saving against the solver's own chain of thought was not measured: the arm cot did not run.",
        "The saving against a stronger solver alone was not measured: the arm stronger (--stronger SPEC) did not run.",
    ]
    for name in ("report.html", "report.md"):
        text = (tmp_path / name).read_text().replace("&#39;", "'").replace("\\", "")
        assert all(note in text for note in bill_notes(found))


def test_an_unknown_price_leaves_the_saving_unknown_with_its_reason(tmp_path: Path) -> None:
    one = reported(tmp_path, answers("cot", 8, None), answers("guided", 9, 0.001, guided=True))["savings"]
    assert (one["guided-vs-cot"]["saved_usd_per_1000"], one["guided-vs-cot"]["saved_share"]) == (None, None)
    assert one["guided-vs-cot"]["missing"] == ["the price of openai:gpt-4.1-mini"]
    assert saving_table(one)[1][2:4] == ["unknown", "-"]


def test_the_part_of_a_cost_that_is_known_is_said(tmp_path: Path) -> None:
    failure = call("solver", HOSTED, cost_usd=None, input_tokens=0, output_tokens=0, error="outage")
    broken: Any = {**failed("q0", "cot"), "ledger": [failure]}
    found = reported(tmp_path, [broken, *answers("cot", 10, 0.002)[1:]])
    assert bill_notes(found)[0] == (
        "cot: at least $0.038 in all; not known: what failed calls of openai:gpt-4.1-mini cost (1)."
    )


def test_the_table_leaves_out_columns_without_numbers(tmp_path: Path) -> None:
    found = reported(tmp_path / "a", answers("cot", 10, 0.002))
    assert bill_table(found) == [
        ["arm", "accuracy", "hosted tokens each", "cost each", "cost per right", "solver input cached"],
        ["cot", "50.0%", "110", "$0.002", "$0.004", "0.0%"],
    ]
    none = reported(tmp_path / "b", answers("cot", 0, 0.002))
    assert bill_table(none)[1][3:5] == ["$0.002", "none right"]


def test_a_run_within_this_process_has_no_bill(tmp_path: Path) -> None:
    assert not has_bill(reported(tmp_path / "a", answers("cot", 10, 0.0, model=LOCAL)))
    assert has_bill(reported(tmp_path / "b", answers("cot", 10, None)))
    hour = GivenPrices(local_usd_per_hour=1)
    assert has_bill(reported(tmp_path / "c", answers("cot", 10, 0.0, model=LOCAL), prices=hour))


def test_calls_of_replaced_answers_are_on_the_bill_of_the_directory(tmp_path: Path) -> None:
    run_dir = record(tmp_path, ROWS, answers("cot", 20, 0.002))
    with ResultStore(run_dir.results) as store:
        store.append(answered("q0", "cot", True, ledger=[call("solver", HOSTED, cost_usd=0.02)]))
    report = report_run(tmp_path)
    found = report["bill"]["cot"]
    assert found["questions"] == 20
    assert found["usd"] == pytest.approx(0.06)
    assert report["hosted_tokens"]["cot"] == 21 * 110 / 20
    assert found["cached_input"]["solver"]["input"] == 21 * 100


def test_the_sheet_has_the_bill(tmp_path: Path) -> None:
    reported(tmp_path, answers("cot", 10, 0.002), answers("guided", 10, 0.001, guided=True))
    head, *_, guided = (tmp_path / "report.csv").read_text().splitlines()
    line = dict(zip(head.replace('"', "").split(","), guided.split(","), strict=True))
    assert float(line["usd_per_right"]) == pytest.approx(0.002)
    assert float(line["vs_cot_saved_usd_per_1000"]) == pytest.approx(1.0)
    assert (line["solver_cached_input_tokens"], line["local_s_each"]) == ("0", "1.0")
