"""A training run on one page: report.html in its directory, with the plots beside it as PNG files in plots/.

Made from what the directory holds, so it works on a run that is unfinished or was killed: `sg-agent report DIR`.
The page is one file that asks nothing of the network; text of models and recipes is escaped.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sg_agent.errors import ConfigError, RunError
from sg_agent.evals.report.self_contained import asset, environment
from sg_agent.page_policy import policy
from sg_agent.training.plots import draw, is_number, plots_of
from sg_agent.training.step_log import HEALTH, METRICS, SAMPLES, Line, read_lines

RUN, PAGE, PLOTS = "run.json", "report.html", "plots"
STEPS_SHOWN = 8  # of sampled guidance
STYLE = """
img { width: 100%; max-width: 40rem; height: auto; display: block; background: #fff; border-radius: .4rem; }
#recipe th, #recipe td, #versions th, #versions td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.sample { background: var(--panel); border-radius: .4rem; padding: .6rem; min-width: 0; }
.sample h4 { margin: 0 0 .3rem; font-size: .875rem; color: var(--faint); font-weight: 400; }
"""


class Run(NamedTuple):
    """What a run's directory holds. `record` is run.json: what the run is made from and by."""

    out: Path
    record: dict[str, Any]
    metrics: list[Line]
    samples: list[Line]
    health: list[Line]

    @property
    def last(self) -> dict[str, Any]:
        """The newest value of every metric."""
        return {key: value for line in self.metrics for key, value in line.items() if value is not None}


def read_run(out: str | Path) -> Run:
    """Read a run's directory. Raises ConfigError for a folder that is no training run, DataError for a damaged file."""
    out = Path(out)
    path = out / RUN
    if not path.is_file():
        raise ConfigError(f"{str(out)!r} is no training run: it has no {RUN}")
    try:
        record = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{str(path)!r} is damaged: {error}") from error
    return Run(out, record, *(read_lines(out / name) for name in (METRICS, SAMPLES, HEALTH)))


def write_page(out: str | Path) -> Path:
    """Draw the plots and write the page; returns its path.

    Raises MissingExtra without matplotlib, RunError when the files cannot be written, and as `read_run` does.
    """
    run = read_run(out)
    images = [(plot, draw(plot)) for plot in plots_of(run.metrics)]
    shown = [{"words": plot.words, "data": b64encode(image).decode()} for plot, image in images]
    try:
        (run.out / PLOTS).mkdir(exist_ok=True)
        for plot, image in images:
            _write(run.out / PLOTS / f"{plot.name}.png", image)
        return _write(run.out / PAGE, _html(run, shown).encode(errors="replace"))
    except OSError as error:
        raise RunError(f"the page of {str(run.out)!r} cannot be written: {error.strerror}") from error


def summary(run: Run) -> dict[str, Any]:
    """The run in one JSON object: its last step, the newest metrics, what is wrong with it now."""
    last = run.last
    open_lines = [finding["line"] for finding in health_spans(run.health) if finding["until"] is None]
    metrics = {key: value for key, value in last.items() if key not in ("step", "time_s", "epoch")}
    return {"run_dir": str(run.out), "step": last.get("step", 0), "time_s": last.get("time_s", 0.0),
            "metrics": metrics, "health": open_lines, "page": str(run.out / PAGE)}  # fmt: skip


def health_spans(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every finding of health.jsonl with the steps between which it held; `until` is None while it does."""
    spans: list[dict[str, Any]] = []
    running: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line.get("line"):
            running[line["name"]] = {"since": line["step"], "until": None, "line": line["line"]}
            spans.append(running[line["name"]])
        elif line.get("name") in running:
            running.pop(line["name"])["until"] = line["step"]
    return spans


def sampled_steps(samples: Sequence[Line]) -> list[tuple[int, list[Line]]]:
    """The samples of a few steps spread over the run, the first and the last among them."""
    by_step: dict[int, list[Line]] = {}
    for sample in samples:
        by_step.setdefault(sample["step"], []).append(sample)
    steps = list(by_step)
    if len(steps) > STEPS_SHOWN:
        steps = [steps[round(i * (len(steps) - 1) / (STEPS_SHOWN - 1))] for i in range(STEPS_SHOWN)]
    return [(step, by_step[step]) for step in steps]


def _html(run: Run, images: list[dict[str, str]]) -> str:
    record = dict(run.record.get("record") or {})
    style = asset("report.css") + STYLE
    made_from = {key: value for key, value in run.record.items() if key != "record"}
    recipe = made_from.pop("recipe", {})
    return environment(__package__).get_template("page.html.jinja").render(
        name=run.out.resolve().name,
        state=_state(run),
        health=health_spans(run.health),
        images=images,
        metrics=_metric_table(run.metrics),
        samples=sampled_steps([_sample(line) for line in run.samples]),
        recipe=_table("setting", _flat(recipe)),
        made_from=_table("made from", _flat(made_from)),
        versions=_table("package", record.get("versions") or {}),
        commands=record.get("commands", []),
        revisions=record.get("revisions", []),
        policy=policy(style, images=True),
        style=style,
    )  # fmt: skip


def _sample(line: Line) -> Line:
    """The sample with all that the page shows of it."""
    rewards = {
        name: value for name, value in dict(line.get("rewards") or {}).items() if value is None or is_number(value)
    }
    texts = {name: str(line.get(name, "")) for name in ("question_id", "guidance")}
    return {"step": line["step"], **texts, "rewards": rewards}


def _state(run: Run) -> str:
    if not run.metrics:
        return "Nothing has been logged yet."
    last = run.metrics[-1]
    done = "finished" if "train_runtime" in last else "not finished"
    minutes = float(last.get("time_s") or 0) / 60
    return f"Step {last['step']}, epoch {last.get('epoch') or 0:.2f}, {minutes:.1f} minutes of training; {done}."


def _metric_table(lines: Sequence[Line]) -> list[list[str]]:
    """Of every metric the first and the last value."""
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for line in lines:
        for key, value in line.items():
            if is_number(value) and key not in ("step", "time_s", "epoch"):
                first.setdefault(key, value)
                last[key] = value
    rows = [[key, f"{first[key]:.4g}", f"{last[key]:.4g}"] for key in sorted(last)]
    return [["metric", "first", "last"], *rows] if rows else []


def _table(head: str, values: Mapping[str, Any]) -> list[list[str]]:
    return [[head, "value"], *([name, str(value)] for name, value in values.items())] if values else []


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested objects as dotted names."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return flat


def _write(path: Path, content: bytes) -> Path:
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    return partial.replace(path)
