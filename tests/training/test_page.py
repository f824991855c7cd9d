"""The page of a training run: whatever the run has come to, and whatever a model wrote into it."""

import json
import re
from pathlib import Path

import pytest
from trained_run import rl_run, sft_run, started
from typer.testing import CliRunner

from sg_agent.cli import app
from sg_agent.errors import ConfigError, MissingExtra
from sg_agent.training.page import health_spans, read_run, sampled_steps, write_page
from sg_agent.training.plots import moving_average, plots_of

HOSTILE = "</pre><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>{{ 7 * 7 }}\x1b[2J\u202e"


def page(out: Path) -> str:
    return write_page(out).read_text(encoding="utf-8")


def plot_names(out: Path) -> set[str]:
    return {path.name for path in (out / "plots").iterdir()}


def test_an_sft_run_shows_loss_and_usefulness(tmp_path: Path) -> None:
    out = sft_run(tmp_path / "run")
    text = page(out)
    assert plot_names(out) == {"loss.png", "usefulness.png"}
    for part in ("Step 30, epoch 3.00, 1.0 minutes of training; finished.", "embedded:solver", "lora.rank", "1.16.0"):
        assert part in text
    assert "sg-agent distill &lt;x&gt;.yaml" in text
    assert (out / "plots" / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_an_rl_run_shows_every_reward_lengths_leaks_health_and_guidance_over_time(tmp_path: Path) -> None:
    out = rl_run(tmp_path / "run")
    text = page(out)
    assert plot_names(out) == {"loss.png", "rewards.png", "guidance_length.png", "leak_rate.png"}
    rewards = next(plot for plot in plots_of(read_run(out).metrics) if plot.name == "rewards")
    assert list(rewards.curves) == ["all, weighted", "task", "uplift"]
    assert "From step 10 to 20: 6% of the rewards" in text
    assert "Since step 40: the reward has not risen" in text
    assert re.findall(r"<h3>Step (\d+)</h3>", text) == ["1", "15", "29", "43", "58", "72", "86", "100"]
    assert "judge none" in text
    assert "not finished" in text


def test_a_run_of_which_nothing_is_known_yet_has_a_page(tmp_path: Path) -> None:
    text = page(started(tmp_path / "run", []))
    assert "Nothing has been logged yet." in text


def test_missing_metrics_and_a_torn_line_are_no_obstacle(tmp_path: Path) -> None:
    out = started(tmp_path / "run", [{"step": 1, "reward": None}, {"step": 2, "reward": 0.5}, {"step": 3, "odd": "x"}])
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "rew')
    (out / "samples.jsonl").write_text('{"step": 1}\n')
    assert "Step 3" in page(out)
    assert plot_names(out) == {"rewards.png"}


def test_text_of_models_is_escaped_and_nothing_outside_is_asked_for(tmp_path: Path) -> None:
    text = page(rl_run(tmp_path / "run", guidance=HOSTILE))
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "{{ 7 * 7 }}" in text
    assert "\x1b" not in text
    assert re.findall(r"https?://", text) == []
    assert "default-src 'none'; style-src 'sha256-" in text.replace("&#39;", "'")


def test_writing_again_takes_the_old_pages_place(tmp_path: Path) -> None:
    out = sft_run(tmp_path / "run")
    assert page(out) == page(out)
    assert not list(out.rglob("*.partial"))


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no training run: it has no run\.json"):
        write_page(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        write_page(tmp_path)


def test_without_matplotlib_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sg_agent.training.plots.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r'pip install "sg-agent\[train\]"'):
        write_page(sft_run(tmp_path / "run"))


def test_a_finding_that_comes_back_is_a_second_span() -> None:
    lines = [{"step": step, "name": "a", "line": line} for step, line in ((1, "x"), (3, None), (5, "y"))]
    spans = [(span["since"], span["until"], span["line"]) for span in health_spans(lines)]
    assert spans == [(1, 3, "x"), (5, None, "y")]


def test_few_steps_are_all_shown() -> None:
    assert [step for step, _ in sampled_steps([{"step": 2}, {"step": 2}, {"step": 9}])] == [2, 9]


def test_a_moving_average_keeps_a_straight_lines_middle() -> None:
    values = [float(i) for i in range(100)]
    assert moving_average(values)[50] == 50
    assert len(moving_average(values)) == 100


def test_the_report_command_knows_a_training_run(tmp_path: Path) -> None:
    out = rl_run(tmp_path / "run")
    done = CliRunner().invoke(app, ["report", str(out)])
    assert done.exit_code == 0, done.output
    assert "the reward has not risen" in done.stdout
    assert "could not be given" not in done.stdout
    found = json.loads(CliRunner().invoke(app, ["report", str(out), "--json"]).stdout)
    assert found["step"] == 100
    assert found["metrics"]["rewards/task/mean"] == 0.5
    assert Path(found["page"]).is_file()
    refused = CliRunner().invoke(app, ["report", str(out), "--training-cost", "3"])
    assert refused.exit_code == 2
    assert "prices are for runs of `sg-agent eval`" in refused.stderr
