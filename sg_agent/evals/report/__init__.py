"""The report of a run: report.html, report.md, result.json, report.csv and questions.csv in the run directory.

It is written at the end of every run, and again at any time from what the directory holds: `sg-agent report DIR`.
What it says in numbers is made in `content`; the other modules show it.
"""

import json
from pathlib import Path

from sg_agent.evals.evidence import Evidence, gather
from sg_agent.evals.pricing import GivenPrices
from sg_agent.evals.report.content import Report, report_of
from sg_agent.evals.report.html import html_report
from sg_agent.evals.report.markdown import markdown_report
from sg_agent.evals.report.sheets import arms_csv, questions_csv
from sg_agent.evals.run_dir import RunDir, read_record
from sg_agent.evals.store import ResultStore
from sg_agent.files import write_whole


def report_run(path: str | Path, prices: GivenPrices | None = None) -> Report:
    """Sum a run up again and write its report; calls no model.

    Raises ConfigError for a folder that is no run directory, one that is being written to, one without any result, or
    a price that is none; DataError for damaged results.
    """
    prices = prices or GivenPrices()
    prices.check()
    run_dir = RunDir(Path(path))
    read_record(run_dir)
    with ResultStore(run_dir.results) as store:
        return write_report(run_dir, gather(run_dir, store), prices)


def write_report(run_dir: RunDir, evidence: Evidence, prices: GivenPrices | None = None) -> Report:
    """Write every file of the report, result.json first."""
    report = report_of(evidence, prices or GivenPrices())
    _write(run_dir.result, json.dumps(report, indent=2) + "\n")
    _write(run_dir.markdown, markdown_report(report, evidence))
    _write(run_dir.html, html_report(report, evidence))
    _write(run_dir.arms_csv, arms_csv(report, evidence.pairs()))
    _write(run_dir.questions_csv, questions_csv(evidence))
    return report


def _write(path: Path, text: str) -> None:
    """A lone surrogate, which UTF-8 cannot hold, becomes a question mark."""
    write_whole(path, text.encode("utf-8", errors="replace"))
