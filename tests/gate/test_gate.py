"""A gate at run time: what it decides, for whom, and what it refuses."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from gate_heads import EASY, HARD, cascading, head, make

from sg_agent.errors import ConfigError, ModelError
from sg_agent.gate import CheapAnswer, GuideSignals, load_gate, save_gate
from sg_agent.gate.gate import Known
from sg_agent.gate.head import FARTHEST, Head
from sg_agent.local import LocalChatModel
from sg_agent.models import load_model
from sg_agent.scripted import ScriptedModel


def test_the_easy_question_goes_direct_and_the_hard_one_is_guided() -> None:
    gate = make()
    assert [gate.decide(row)["route"] for row in (EASY, HARD)] == ["direct", "guided"]
    decision = gate.decide(HARD)
    assert decision["scores"]["guided"] == pytest.approx(0.731059)
    assert "guided 0.73" in decision["reason"]
    assert json.loads(json.dumps(decision)) == decision


def test_the_threshold_is_the_gain_that_guiding_must_bring() -> None:
    gain = make().probabilities(HARD)
    difference = gain["guided"] - gain["direct"]
    assert make(threshold=difference - 0.01).decide(HARD)["route"] == "guided"
    assert make(threshold=difference + 0.01).decide(HARD)["route"] == "direct"
    assert make(threshold=-1).decide(EASY)["route"] == "guided"


def test_a_cascade_starts_cheap_and_escalates_what_its_own_sums_contradict() -> None:
    gate = cascading()
    assert gate.decide(HARD)["route"] == "direct"
    doubted = gate.recheck(HARD, "direct", CheapAnswer("3 + 4 = 8. #### 8", "8"))
    trusted = gate.recheck(HARD, "direct", CheapAnswer("3 + 4 = 7. #### 7", "7"))
    assert doubted
    assert trusted
    assert (doubted["route"], trusted["route"]) == ("escalate", "direct")


def test_a_gate_without_a_cascade_rechecks_nothing() -> None:
    assert make().recheck(HARD, "direct", CheapAnswer("", None)) is None


def test_signals_that_are_not_given_leave_the_question_guided() -> None:
    gate = make(heads={"direct": head("signal:mean_logprob", 1.0), "guided": head("characters", 0.0)})
    decision = gate.decide(EASY)
    assert (decision["route"], decision["scores"]) == ("guided", {})
    assert "not given (signal:mean_logprob)" in decision["reason"]
    assert gate.decide(EASY, signals={"mean_logprob": 9.0})["route"] == "direct"


@pytest.mark.parametrize(
    ("models", "role"),
    [
        ({"guide": "openai:other", "solver": "openai:solver"}, "guide 'openai:guide'"),
        ({"guide": "openai:guide", "solver": ScriptedModel(replies=["1"])}, "solver 'openai:solver'"),
    ],
)
def test_another_guide_or_solver_is_refused(models: dict[str, Any], role: str) -> None:
    with pytest.raises(ModelError, match=f"fitted for the {role}"):
        make().check(**models)


def test_its_own_models_are_accepted() -> None:
    make().check(guide="openai:guide", solver="openai:solver")


def test_weights_count_and_not_where_they_lie() -> None:
    passport = make().passport.model_copy(update={"guide": Known(name="local:/old/place", sha256="0" * 64)})
    with pytest.raises(ModelError, match="fitted for the guide 'local:/old/place'"):
        make(passport=passport).check(guide="embedded:guide", solver="openai:solver")


def test_a_missing_stronger_solver_is_refused() -> None:
    passport = make().passport.model_copy(update={"stronger": Known(name="openai:big")})
    gate = cascading().model_copy(update={"passport": passport})
    with pytest.raises(ModelError, match="stronger solver 'openai:big', and here it is 'none'"):
        gate.check(guide="openai:guide", solver="openai:solver")


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    save_gate(cascading(), tmp_path / "gates" / "gate.json")
    assert load_gate(tmp_path / "gates" / "gate.json") == cascading()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "is no gate"),
        ("not json", "is no gate"),
        (make().model_dump_json().replace('"threshold":0.0', '"threshold":2'), "threshold Input should be less"),
        (make().model_dump_json().replace('"scale":[1.0]', '"scale":[0.0]'), "every scale must be above 0"),
        (make().model_dump_json().replace('"mean":[3.0]', '"mean":[]'), "must have the same length"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "gate.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_gate(path)
    assert "\n" not in str(caught.value)


def test_a_gate_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_gate(tmp_path / "gate.json")


def test_running_a_gate_needs_no_scikit_learn() -> None:
    code = "import sys, sg_agent.gate; print([m for m in ('sklearn', 'scipy', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_log_odds_are_the_sum_over_all_features_those_that_are_absent_too() -> None:
    names, values = ["here", "zero", "absent", "far"], {"here": 2.0, "zero": 0.0, "far": 100.0, "unknown": 7.0}
    mean, scale, weight = [1.0, 3.0, -4.0, 1.0], [2.0, 1.0, 0.5, 1.0], [0.3, -0.7, 0.11, 0.5]
    terms = [0.3 * 0.5, -0.7 * -3.0, 0.11 * FARTHEST, 0.5 * FARTHEST]
    found = Head(features=names, mean=mean, scale=scale, weight=weight, bias=0.25).log_odds(values)
    assert found == pytest.approx(0.25 + sum(terms))


def test_a_decision_takes_less_than_two_milliseconds() -> None:
    gate = make()
    start = time.process_time()
    for _ in range(200):
        gate.decide(HARD)
    assert (time.process_time() - start) / 200 < 0.002


def test_the_guide_says_what_it_knows_of_a_question() -> None:
    guide = load_model("embedded:guide")
    assert isinstance(guide, LocalChatModel)
    signals = GuideSignals(guide)
    first, second = signals(EASY), signals(HARD)
    assert first.keys() == second.keys()
    assert first["mean_logprob"] < 0
    assert first["state0"] != second["state0"]
    assert signals.name == "guide"  # wherever its weights lie: the passport knows whose
