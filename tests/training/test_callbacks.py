"""What watches a run: losses that are no numbers, and usefulness that grows no more."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason='needs pip install "sg-agent[local]"')

from transformers import TrainerControl, TrainerState, TrainingArguments

from sg_agent.training.callbacks import UsefulnessStop, stale
from sg_agent.training.usefulness import Usefulness


class Model:
    def train(self) -> None:
        pass


def run_through(values: list[float | None], tmp_path: Path, *, patience: int) -> tuple[TrainerState, list[int]]:
    """The state after the last step, and the steps at which the callback asked for the end."""
    state, control, left, stops = TrainerState(max_steps=99), TrainerControl(), list(values), []
    stop = UsefulnessStop(lambda _: Usefulness(left.pop(0), 1, 0, 0, 0), every=10, patience=patience)
    stop.log = lambda logs: state.log_history.append({**logs, "step": state.global_step})
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    for step in range(10, 10 * len(values) + 1, 5):
        state.global_step = step
        stop.on_step_end(arguments, state, control, model=Model())
        if control.should_training_stop:
            stops.append(step)
            break
    return state, stops


def test_the_best_step_is_kept_and_patience_counts_from_it(tmp_path: Path) -> None:
    state, stops = run_through([0.2, 0.5, 0.4, 0.5, 0.9], tmp_path, patience=2)
    assert (state.best_metric, state.best_global_step, stops, stale(state)) == (0.5, 20, [40], 2)


def test_a_solver_that_is_down_counts_for_nothing(tmp_path: Path) -> None:
    state, stops = run_through([0.2, None, None, 0.3], tmp_path, patience=1)
    assert (state.best_global_step, stops) == (40, [])


def test_a_continued_run_knows_what_its_checkpoint_knew(tmp_path: Path) -> None:
    state, _ = run_through([0.5, 0.4], tmp_path, patience=3)
    state.save_to_json(str(tmp_path / "state.json"))
    again = TrainerState.load_from_json(str(tmp_path / "state.json"))
    assert (stale(again), again.best_metric, again.best_global_step) == (1, 0.5, 10)
