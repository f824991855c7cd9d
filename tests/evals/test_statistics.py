"""Statistics: intervals and paired comparison, against known values."""

import pytest

from sg_agent.evals.statistics import compare, proportion


def answers(marks: str) -> dict[str, bool]:
    return {str(i): mark == "1" for i, mark in enumerate(marks)}


def test_wilson_interval_of_a_known_case() -> None:
    found = proportion([True] * 81 + [False] * 182)
    assert found["accuracy"] == pytest.approx(81 / 263)
    assert found["ci95"] == pytest.approx([0.2553, 0.3662], abs=1e-4)


def test_all_right_does_not_claim_certainty() -> None:
    ci95 = proportion([True] * 20)["ci95"]
    assert ci95 is not None
    assert ci95[0] == pytest.approx(0.8389, abs=1e-4)
    assert ci95[1] == pytest.approx(1.0)


def test_nothing_scored_is_no_accuracy() -> None:
    assert proportion([]) == {"accuracy": None, "ci95": None}


def test_repairs_breaks_delta_and_exact_p() -> None:
    found = compare(answers("1111111100"), answers("0000000011"), seed=0)
    assert (found["repairs"], found["breaks"], found["n"]) == (8, 2, 10)
    assert found["delta"] == pytest.approx(0.6)
    assert found["p"] == pytest.approx(0.109375)


def test_bootstrap_interval_is_seeded_and_holds_the_delta() -> None:
    arm, baseline = answers("1" * 60 + "0" * 40), answers("1" * 40 + "0" * 50 + "1" * 10)
    found = compare(arm, baseline, seed=3)
    assert found == compare(arm, baseline, seed=3)
    assert found["ci95"] is not None
    assert found["delta"] is not None
    assert found["ci95"][0] < found["delta"] < found["ci95"][1]
    assert found["ci95"] == pytest.approx([0.0, 0.21], abs=0.03)


@pytest.mark.parametrize(("arm", "baseline", "delta"), [("111", "111", 0.0), ("111", "000", 1.0), ("1", "0", 1.0)])
def test_equal_differences_have_a_point_interval(arm: str, baseline: str, delta: float) -> None:
    found = compare(answers(arm), answers(baseline), seed=0)
    assert found["ci95"] == [delta, delta]


def test_only_questions_that_both_answered_count() -> None:
    found = compare({"a": True, "b": True}, {"b": False, "c": True}, seed=0)
    assert (found["n"], found["repairs"], found["breaks"], found["delta"]) == (1, 1, 0, 1.0)


def test_nothing_in_common_is_no_comparison() -> None:
    found = compare({"a": True}, {"b": True}, seed=0)
    assert found == {"n": 0, "delta": None, "ci95": None, "p": None, "repairs": 0, "breaks": 0}
