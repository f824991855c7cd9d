"""The step-by-step files: whole lines only, one line a step, rewound with the run."""

import os
from pathlib import Path

import pytest

from sg_agent.errors import DataError, RunError
from sg_agent.training.step_log import append, append_or_join, read_lines, rewind


def steps(path: Path) -> list[int]:
    return [line["step"] for line in read_lines(path)]


def test_lines_come_back_in_order_and_a_missing_file_has_none(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_lines(path) == []
    append(path, [{"step": 1, "text": "a\nb\u2028\ud800"}, {"step": 2}])
    append(path, [{"step": 3}])
    assert read_lines(path) == [{"step": 1, "text": "a\nb\u2028\ud800"}, {"step": 2}, {"step": 3}]


def test_values_of_the_same_step_join_its_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append_or_join(path, {"step": 1, "loss": 0.123456})
    append_or_join(path, {"step": 2, "loss": 0.123456})
    append_or_join(path, {"step": 2, "eval_loss": 3})
    append_or_join(path, {"step": 2, "loss": 1})
    append_or_join(path, {"step": 3})
    assert read_lines(path) == [{"step": 1, "loss": 0.123456}, {"step": 2, "loss": 1, "eval_loss": 3}, {"step": 3}]


def test_rewinding_cuts_later_steps_and_a_torn_line_from_every_file(tmp_path: Path) -> None:
    for name in ("metrics.jsonl", "samples.jsonl", "health.jsonl"):
        append(tmp_path / name, [{"step": step} for step in (1, 2, 2, 3)])
        with (tmp_path / name).open("a") as file:
            file.write('{"step": 4, "lo')
    rewind(tmp_path, 2)
    for name in ("metrics.jsonl", "samples.jsonl", "health.jsonl"):
        assert steps(tmp_path / name) == [1, 2, 2]
        assert (tmp_path / name).read_bytes().endswith(b"}\n")


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n[3]\n{"step": 2}\n')
    with pytest.raises(DataError, match=r"metrics.jsonl:2: not an object with a step: b'\[3\]'"):
        read_lines(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(RunError, match="No space left on device"):
        append(path, [{"step": 1}])


def test_a_line_that_did_not_fit_leaves_no_part_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.jsonl"
    append(path, [{"step": 1}])
    whole = path.read_bytes()
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr("os.write", lambda file, content: write(file, content[:5]))
        with pytest.raises(RunError, match="No space left"):
            append(path, [{"step": 2}])
    assert path.read_bytes() == whole
