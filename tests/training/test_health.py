"""Health lines: each ailment is named when it begins, once, and a run in good health is left in peace."""

import io
import random
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from transformers import TrainerControl, TrainerState, TrainingArguments

from sg_agent.training.health import HealthCallback, findings, slope_and_error
from sg_agent.training.step_log import append, read_lines

SETTINGS = TrainingArguments(use_cpu=True, report_to="none")
RISING = [0.2 + 0.01 * i for i in range(40)]


def run(reward: list[float] = RISING, *, more: dict[str, Any] | None = None, **metrics: Any) -> list[dict[str, Any]]:
    """A healthy run, but for the metrics given: a value for all logs, or one value each."""
    healthy: dict[str, Any] = {
        "frac_reward_zero_std": 0.2, "completions/mean_length": 40.0, "completions/min_length": 20.0,
        "completions/max_length": 60.0, "copy_rate": 0.0, "uplift": 0.3, "error_rate": 0.0, "entropy": 0.8,
    }  # fmt: skip
    given = {"reward": reward, **healthy, **metrics, **(more or {})}
    return [
        {name: value[i] if isinstance(value, list) else value for name, value in given.items()}
        for i in range(len(reward))
    ]


def falling(start: float, end: float) -> list[float]:
    return [start + (end - start) * i / 39 for i in range(40)]


def test_a_run_that_learns_has_no_findings() -> None:
    assert findings(run()) == {}
    assert findings(run()[:3]) == {}
    assert findings([]) == {}


@pytest.mark.parametrize(
    ("name", "metrics", "words"),
    [
        ("all_groups_equal", {"frac_reward_zero_std": 0.95}, "in 95% of the groups all guidance earns the same"),
        (
            "guidance_shrinking",
            {"completions/mean_length": falling(40, 5)},
            "guidance shrinks: 7 tokens now, 38 at the",
        ),
        ("guidance_copying", {"copy_rate": 0.5}, "50% of the guidance copies the question"),
        ("guidance_ignored", {"uplift": 0.001}, "uplift +0.001"),
        ("many_errors", {"error_rate": 0.06}, "6% of the rewards could not be given"),
        ("entropy_collapsed", {"entropy": falling(0.8, 0.01)}, "has collapsed to 0.0"),
    ],
)
def test_an_ailment_is_named_in_plain_words(name: str, metrics: dict[str, Any], words: str) -> None:
    found = findings(run(more=metrics))
    assert found.keys() == {name}
    assert words in found[name]


def test_a_single_bad_log_is_no_finding() -> None:
    assert findings(run(frac_reward_zero_std=[*[1.0] * 38, 0.5, 1.0])) == {}
    assert findings(run(error_rate=[*[0.0] * 39, 0.2])) == {}


def test_a_reward_that_only_wobbles_is_flat_and_one_that_rises_through_noise_is_not() -> None:
    rng = random.Random(0)
    noise = [rng.gauss(0, 0.05) for _ in range(40)]
    assert findings(run([0.5 + n for n in noise])).keys() == {"reward_flat"}
    assert findings(run([0.5 + 0.01 * i + n for i, n in enumerate(noise)])) == {}
    assert findings(run([0.5] * 40)).keys() == {"reward_flat"}
    assert findings(run([0.5] * 20)) == {}


def test_a_reward_that_is_as_good_as_it_gets_need_not_rise() -> None:
    assert findings(run([0.98] * 40, more={"rewards/task/mean": 0.98})) == {}


def test_uplift_near_zero_says_nothing_where_all_guidance_is_alike() -> None:
    assert findings(run(more={"uplift": 0.0, "completions/min_length": 60.0})) == {}


def test_an_sft_run_has_no_findings() -> None:
    assert findings([{"loss": 1.0, "entropy": 0.001} for _ in range(40)]) == {}


def test_values_that_are_missing_are_left_out() -> None:
    assert findings(run(error_rate=None, uplift=None, entropy=None, copy_rate=None)) == {}


def test_the_slope_of_a_straight_line_has_no_error() -> None:
    slope, error = slope_and_error([1.0, 3.0, 5.0, 7.0])
    assert slope == pytest.approx(2)
    assert error == pytest.approx(0)


def test_a_finding_is_printed_once_when_it_begins_and_kept_with_its_end(tmp_path: Path) -> None:
    shown = io.StringIO()
    state, control = TrainerState(is_world_process_zero=True), TrainerControl()
    lines = run(error_rate=[*[0.0] * 10, *[0.5] * 10, *[0.0] * 20])

    def play(first: int, last: int) -> None:
        callback = HealthCallback(tmp_path, console=Console(file=shown))
        callback.on_train_begin(SETTINGS, state, control)
        for state.global_step in range(first, last):
            append(tmp_path / "metrics.jsonl", [{"step": state.global_step, **lines[state.global_step]}])
            callback.on_log(SETTINGS, state, control, logs=lines[state.global_step])

    play(0, 15)
    play(15, 40)  # the run is continued in another process
    assert shown.getvalue().count("could not be given") == 1
    health = read_lines(tmp_path / "health.jsonl")
    assert [(line["step"], line["name"], bool(line["line"])) for line in health] == [
        (10, "many_errors", True),
        (24, "many_errors", False),
    ]


def test_the_other_processes_of_a_run_say_nothing(tmp_path: Path) -> None:
    callback = HealthCallback(tmp_path, console=Console(file=io.StringIO()))
    state = TrainerState(is_world_process_zero=False)
    callback.on_train_begin(SETTINGS, state, TrainerControl())
    for line in run(error_rate=0.5):
        callback.on_log(SETTINGS, state, TrainerControl(), logs=line)
    assert list(tmp_path.iterdir()) == []
