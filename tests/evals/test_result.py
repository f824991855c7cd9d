"""The result: what is counted into an arm's numbers, and which arms are compared."""

from typing import Any

import pytest

from sg_agent.evals.graph import ArmResult
from sg_agent.evals.result import compare_arms, summarise_arm
from sg_agent.ledger import CallRecord


def call(cost: float | None = 0.25, output_tokens: int = 10) -> CallRecord:
    return {
        "role": "solver", "model": "m", "attempt": 0, "input_tokens": 100, "output_tokens": output_tokens,
        "cached_tokens": 0, "cost_usd": cost, "latency_s": 0.1, "cached": False, "error": None,
    }  # fmt: skip


def answer(number: int, mark: str, arm: str = "cot") -> ArmResult:
    """A stored answer: "1" right, "0" wrong, "-" an error."""
    made: dict[str, Any] = {
        "id": str(number), "arm": arm, "answer": None if mark == "-" else "x", "correct": None if mark == "-" else
        mark == "1", "f1": None, "outcome": {"1": "correct", "0": "wrong", "-": "error"}[mark], "error": None,
        "route": None, "reason": None, "guidance": None, "attempts": [], "ledger": [call()], "latency_s": 0.5,
        "prompts": {},
    }  # fmt: skip
    return made  # type: ignore[return-value] # its keys are those of ArmResult


def answers(marks: str, arm: str = "cot") -> list[ArmResult]:
    return [answer(i, mark, arm) for i, mark in enumerate(marks)]


def test_accuracy_range_counts_every_error_as_wrong_and_as_right() -> None:
    found = summarise_arm(answers("1110000--" + "-"), multihop=False)
    assert found["accuracy"] == pytest.approx(3 / 7)
    assert found["accuracy_range"] == [0.3, 0.6]
    assert (found["n"], found["errors"]) == (10, 3)


def test_without_errors_the_accuracy_range_is_the_accuracy() -> None:
    found = summarise_arm(answers("1100"), multihop=False)
    assert found["accuracy_range"] == [0.5, 0.5]


def test_only_errors_leave_the_whole_range() -> None:
    found = summarise_arm(answers("--"), multihop=False)
    assert (found["accuracy"], found["ci95"], found["accuracy_range"]) == (None, None, [0.0, 1.0])


def test_calls_of_superseded_answers_are_paid_for_too() -> None:
    found = summarise_arm(answers("10"), multihop=False, superseded=[[call(output_tokens=7)], [call(output_tokens=0)]])
    assert found["cost_usd"] == pytest.approx(1.0)
    assert found["tokens"]["solver"] == {"input": 400, "output": 27}


def test_an_unknown_cost_of_a_superseded_answer_makes_the_cost_unknown() -> None:
    assert summarise_arm(answers("10"), multihop=False, superseded=[[call(cost=None)]])["cost_usd"] is None


def test_many_groups_are_clusters_of_the_arm_and_of_the_pair() -> None:
    marks = "1101" * 40
    groups = {str(i): str(i // 4) for i in range(160)}
    assert summarise_arm(answers(marks), multihop=False, groups=groups)["clusters"] == 40
    assert summarise_arm(answers(marks), multihop=False)["clusters"] is None
    pairs = compare_arms({"cot": answers(marks), "guided": answers("1" * 160, "guided")}, seed=0, groups=groups)
    assert pairs["guided-vs-cot"]["clusters"] == 40


def test_each_arm_meets_each_baseline_that_ran_however_often_it_was_asked() -> None:
    arms = ("standard", "guided@5", "cot@5", "cot", "mine", "guided")
    pairs = compare_arms({arm: answers("10", arm) for arm in arms}, seed=0)
    assert list(pairs) == [
        f"{arm}-vs-{baseline}" for arm in ("guided@5", "mine", "guided") for baseline in ("cot@5", "cot", "standard")
    ]


def test_baselines_alone_make_no_pair() -> None:
    assert compare_arms({arm: answers("10", arm) for arm in ("standard", "cot", "cot@5")}, seed=0) == {}


def test_p_is_adjusted_over_all_pairs_of_the_run() -> None:
    runs = {"cot": "0" * 20, "standard": "0" * 10 + "1" * 10, "guided": "1" * 20, "placebo": "0" * 20}
    pairs = compare_arms({arm: answers(marks, arm) for arm, marks in runs.items()}, seed=0)
    best = pairs["guided-vs-cot"]
    assert best["p"] is not None
    assert best["p_holm"] == pytest.approx(4 * best["p"])
    assert pairs["placebo-vs-cot"]["p_holm"] == 1.0
