"""Fitting a gate from eval runs: what it learns, and which runs it refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gate_runs import is_hard, rows, strong_run, telling_run, weak_run
from recorded_run import answered, failed, record

from sg_agent.errors import ConfigError, DataError
from sg_agent.evals.gate.estimator import fit_head, quality
from sg_agent.evals.gate.examples import Examples, read_examples
from sg_agent.evals.gate.fit import Fitted, fit_gate, weights
from sg_agent.gate.head import Head

ASKED = rows(320)


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weak_run(tmp_path_factory.mktemp("weak"), ASKED).path


@pytest.fixture(scope="module")
def fitted(weak: Path) -> Fitted:
    return fit_gate(read_examples([weak]))


def test_it_learns_which_questions_to_guide(fitted: Fitted) -> None:
    gate = fitted.gate
    assert gate.passport.n + fitted.held_out == 320
    assert 60 < fitted.held_out < 130
    clear = [row for row in rows(300, seed=9) if row.question.count(" came in") in (1, 2, 3, 10, 11, 12)]
    chosen = [(gate.decide(row)["route"] == "guided") == is_hard(row) for row in clear]
    assert sum(chosen) / len(chosen) > 0.9
    found = gate.heads["direct"].quality
    assert found
    assert found.auc > 0.8
    assert found.ece < 0.12
    assert found.log_loss < found.base_log_loss


def test_the_passport_says_what_it_was_fitted_on(fitted: Fitted) -> None:
    passport = fitted.gate.passport
    assert (passport.suite, passport.guide.name, passport.solver.name) == (
        "depot", "local:base@guide", "openai:gpt-4.1-mini"
    )  # fmt: skip
    assert passport.arms == {"direct": "cot", "guided": "guided"}
    assert passport.prompts == ["v1/solver/math@abc123"]
    assert "scikit-learn" in passport.versions
    assert len(passport.questions) == passport.n


def test_the_same_answers_make_the_same_head() -> None:
    values, right = [{"x": float(i % 7)} for i in range(80)], [i % 7 > 2 or i % 5 == 0 for i in range(80)]
    assert fit_head(values, right) == fit_head(values, right)


def test_a_cascade_doubts_the_answers_whose_sums_are_wrong(weak: Path, tmp_path: Path) -> None:
    strong = strong_run(tmp_path, ASKED).path
    examples = read_examples([weak], [strong])
    gate = fit_gate(examples).gate
    assert set(gate.checks) == {"direct", "guided"}
    assert gate.passport.stronger
    assert gate.passport.stronger.name == "openai:big"
    asked = [(example, gate.doubt(example.row, "direct", example.replies["direct"])) for example in examples.items]
    right = [found["direct"] for example, found in asked if found and example.right["direct"]]
    wrong = [found["direct"] for example, found in asked if found and not example.right["direct"]]
    assert min(right) > max(wrong)


def test_outages_are_no_labels(tmp_path: Path) -> None:
    asked = rows(30)
    results = [answered(row.id, "cot", True) for row in asked]
    results += [failed(row.id, "guided") if i < 12 else answered(row.id, "guided", True) for i, row in enumerate(asked)]
    run = record(tmp_path, asked, results)
    assert len(read_examples([run.path]).items) == 18


def test_too_few_questions_are_refused_and_few_are_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="40 questions are too few to fit a gate: at least 60"):
        fit_gate(read_examples([weak_run(tmp_path / "few", rows(40)).path]), hold_out=0)
    gate = fit_gate(read_examples([weak_run(tmp_path / "some", rows(90)).path]), hold_out=0).gate
    assert "fitted on 90 questions, and 200 should be there" in gate.notes[0]


def test_one_sided_answers_are_refused(tmp_path: Path) -> None:
    asked = rows(100)
    results = [answered(row.id, "cot", i % 2 == 0) for i, row in enumerate(asked)]
    results += [answered(row.id, "guided", i > 3) for i, row in enumerate(asked)]
    run = record(tmp_path, asked, results)
    with pytest.raises(DataError, match=r"'guided' \(arm 'guided'\) is right on 96 of 100 questions"):
        fit_gate(read_examples([run.path]), hold_out=0)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"suite": "archive"}, "suite was 'depot' and is now 'archive'"),
        ({"solver": "openai:other"}, "solver was 'openai:gpt-4.1-mini' and is now 'openai:other'"),
        ({"guide": "local:x"}, "guide was 'local:base@guide' and is now 'local:x'"),
    ],
)
def test_mixed_runs_are_refused(weak: Path, tmp_path: Path, other: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_examples([weak, weak_run(tmp_path, rows(5), **other).path])


def test_runs_of_one_kind_are_joined(weak: Path, tmp_path: Path) -> None:
    more = weak_run(tmp_path, rows(50, seed=5)).path
    assert len(read_examples([weak, more]).items) == 370


def test_escalating_to_the_same_solver_or_another_suite_is_refused(weak: Path, tmp_path: Path) -> None:
    same = strong_run(tmp_path / "same", ASKED[:3], solver="openai:gpt-4.1-mini").path
    other = strong_run(tmp_path / "other", ASKED[:3], suite="archive").path
    with pytest.raises(ConfigError, match="has the same solver"):
        read_examples([weak], [same])
    with pytest.raises(ConfigError, match="is a run of another suite"):
        read_examples([weak], [other])


def test_an_arm_that_did_not_run_is_named(weak: Path) -> None:
    with pytest.raises(ConfigError, match="has no arm 'standard' for the route 'direct'; it has cot, guided"):
        read_examples([weak], direct="standard")


def test_a_stronger_run_on_other_questions_leaves_none(weak: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="was answered on every route"):
        read_examples([weak], [strong_run(tmp_path, rows(50, seed=8)).path])


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_leaves_nothing_is_refused(weak: Path, share: float) -> None:
    with pytest.raises(ConfigError, match="hold_out must be from 0 to"):
        fit_gate(read_examples([weak]), hold_out=share)


def test_routes_weigh_by_their_extra_cost() -> None:
    assert weights({"direct": 1.0, "guided": 1.5, "escalate": 2.0}) == {"direct": 0, "guided": 0.5, "escalate": 1}
    assert weights({"direct": 1.0, "guided": 0.5}) == {"direct": 0, "guided": 1}
    assert weights({"direct": 1.0, "guided": None, "escalate": 2.0}) == {"direct": 0, "guided": 1, "escalate": 1}


def test_nothing_is_learned_from_noise() -> None:
    judged = []
    for seed in range(8):  # one draw of noise may look like something
        dice = np.random.default_rng(seed)
        values = [{f"x{k}": float(x) for k, x in enumerate(dice.normal(size=5))} for _ in range(100)]
        found = fit_head(values, list(dice.random(100) < 0.6)).quality
        assert found
        judged.append((found.auc, found.log_loss - found.base_log_loss))
    auc, gained = np.mean(judged, axis=0)
    assert auc < 0.55
    assert gained > -0.005


def test_a_head_in_python_gives_what_scikit_learn_gives() -> None:
    from sklearn.linear_model import LogisticRegression

    dice = np.random.default_rng(1)
    matrix = dice.normal(size=(50, 3))
    model = LogisticRegression().fit(matrix, matrix[:, 0] > 0)
    weight = [float(value) for value in model.coef_[0]]
    head = Head(features=list("abc"), mean=[0.0] * 3, scale=[1.0] * 3, weight=weight, bias=float(model.intercept_[0]))
    mine = [head.probability(dict(zip("abc", map(float, row), strict=True))) for row in matrix]
    assert mine == pytest.approx(list(model.predict_proba(matrix)[:, 1]))


def test_calibration_error_is_the_distance_from_the_diagonal() -> None:
    labels = np.array([True, False] * 50)
    assert quality(np.full(100, 0.5), labels).ece == pytest.approx(0)
    assert quality(np.full(100, 0.9), labels).ece == pytest.approx(0.4)


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return read_examples([telling_run(tmp_path_factory.mktemp("telling"), ASKED).path])


def test_a_second_look_learns_what_the_guidance_says(telling: Examples) -> None:
    gate = fit_gate(telling).gate
    assert gate.looks_again
    assert gate.second
    assert gate.second.quality
    assert gate.heads["guided"].quality
    assert gate.heads["guided"].quality.auc < 0.6 < 0.85 < gate.second.quality.auc
    assert "guidance:signal:mean_logprob" in gate.second.features
    shown = [one for one in telling.items if one.guidance]
    right = 0
    for one in shown:
        assert one.guidance
        found = gate.reconsider(one.row, one.guidance)
        assert found
        right += (found["route"] == "direct") == ("Guess" in one.guidance.text)
    assert right / len(shown) > 0.9


def test_log_probabilities_that_some_guidance_lacks_are_left_out_of_all(telling: Examples, tmp_path: Path) -> None:
    silent = read_examples([telling_run(tmp_path, rows(40, seed=6), logprobs=False).path])
    gate = fit_gate(replace(telling, items=(*telling.items, *silent.items))).gate
    assert gate.second
    assert not any("signal" in name for name in gate.second.features)
    assert "guidance:steps" in gate.second.features


def test_guidance_that_tells_no_more_than_the_question_is_not_looked_at(fitted: Fitted) -> None:
    assert (fitted.gate.second, fitted.gate.looks_again) == (None, False)
    assert "hardly more than the question" in fitted.gate.notes[-1]
