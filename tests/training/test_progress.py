"""Live progress: plain lines where there is no terminal, a bar where there is, and nothing else printed."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from tiny_trainer import tiny_trainer

from sg_agent.training.progress import ProgressCallback, duration, rate, silence

pytestmark = pytest.mark.filterwarnings("default")


def shown(out: Path, *, terminal: bool, cost: float | None = 1.5, **settings: float) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120)
    trainer = tiny_trainer(out, [ProgressCallback(lambda: cost, console=console, **settings)])
    silence(trainer)
    trainer.train()
    return text.getvalue()


def test_without_a_terminal_there_are_plain_lines(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = shown(tmp_path, terminal=False, seconds_between_lines=0).splitlines()
    assert lines[-1].startswith("step 10/10, ")
    for part in (" left, loss ", "$1.50"):
        assert part in lines[5]
    assert not any("\x1b" in line for line in lines)
    assert capfd.readouterr() == ("", "")


def test_lines_do_not_flood_a_log_file(tmp_path: Path) -> None:
    assert len(shown(tmp_path, terminal=False, seconds_between_lines=3600).splitlines()) == 2


def test_a_terminal_gets_a_bar(tmp_path: Path) -> None:
    text = shown(tmp_path, terminal=True, cost=None)
    assert "\u2501" in text
    assert "cost unknown" in text


def test_reward_and_usefulness_are_shown_instead_of_an_rl_loss(tmp_path: Path) -> None:
    text = io.StringIO()
    trainer = tiny_trainer(tmp_path, [ProgressCallback(console=Console(file=text, width=120))])
    trainer.log({"reward": 0.4123, "loss": 0.001, "eval_usefulness": 0.375})
    assert text.getvalue().endswith("reward 0.412, usefulness 38%\n")


@pytest.mark.parametrize(("seconds", "text"), [(9.6, "10s"), (59.6, "1m 00s"), (367, "6m 07s"), (7384, "2h 03m")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rates_read_well() -> None:
    assert (rate(2.44), rate(0.25)) == ("2.4 steps/s", "4.0 s/step")
