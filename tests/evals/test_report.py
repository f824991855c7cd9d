"""The report of a run directory: all of its files, from stored results alone."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from recorded_run import HOSTED, PLAN, answered, call, failed, flipping, questions, record

from sg_agent.errors import ConfigError
from sg_agent.evals.evidence import gather
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.pricing import GivenPrices
from sg_agent.evals.report import page_data, report_run
from sg_agent.evals.report.content import Report
from sg_agent.evals.report.svg import SERIES, Scale, scale
from sg_agent.evals.report.tables import arm_table, dollars, pair_table
from sg_agent.evals.report.words import notes, verdicts
from sg_agent.evals.run_dir import RunDir
from sg_agent.evals.store import ResultStore
from sg_agent.rows import Row

ROWS = questions(12)
FILES = ("report.html", "report.md", "result.json", "report.csv", "questions.csv")
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>|`\"'{{ 7123*9001 }}\x00\u202e=1+1"


def report_of(path: Path, rows: list[Row], results: list[ArmResult], **identity: Any) -> Report:
    record(path, rows, results, **identity)
    return report_run(path)


def page_questions(path: Path) -> list[dict[str, Any]]:
    """The questions inside report.html."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', (path / "report.html").read_text())
    assert found
    questions: list[dict[str, Any]] = json.loads(found[1])["questions"]
    return questions


def test_all_files_are_written_and_the_same_again(tmp_path: Path) -> None:
    first = report_of(tmp_path / "run", ROWS, flipping(ROWS))
    before = {name: (tmp_path / "run" / name).read_bytes() for name in FILES}
    assert report_run(tmp_path / "run") == first == json.loads(before["result.json"])
    assert {name: (tmp_path / "run" / name).read_bytes() for name in FILES} == before


def test_the_report_shows_arms_pairs_parts_leaks_break_even_and_how_to_reproduce_it(tmp_path: Path) -> None:
    record(tmp_path / "run", ROWS, flipping(ROWS))
    report_run(tmp_path / "run", GivenPrices(training_usd=1, local_usd_per_hour=1))
    page, text = ((tmp_path / "run" / name).read_text() for name in ("report.html", "report.md"))
    for shown in (
        "guided-vs-standard", "crates", "steps of the gold guidance", "Leaks", "never repaid by cost",
        "sg-agent eval depot --arms standard,cot,guided", "seed", "scipy", "v1/solver/math",
    ):  # fmt: skip
        assert shown in page
        assert shown in text
    assert "### Repairs: 11" in text
    assert "### Breaks: 1" in text
    assert "guided on q1" in text


def test_a_line_per_arm_and_one_per_question_and_arm(tmp_path: Path) -> None:
    report_of(tmp_path / "run", ROWS, flipping(ROWS))
    with (tmp_path / "run" / "report.csv").open() as file:
        arms = {line["arm"]: line for line in csv.DictReader(file)}
    assert list(arms) == ["standard", "cot", "guided"]
    assert float(arms["cot"]["accuracy"]) == 0.5
    assert (arms["guided"]["vs_cot_repairs"], arms["guided"]["vs_cot_breaks"]) == ("6", "1")
    with (tmp_path / "run" / "questions.csv").open() as file:
        answers = list(csv.DictReader(file))
    assert len(answers) == 3 * len(ROWS)
    assert (
        answers[2] | {"arm": "guided", "correct": "false", "gold_steps": "2", "guidance_leaks": "false"} == answers[2]
    )


def test_hostile_text_is_escaped_everywhere(tmp_path: Path) -> None:
    rows = [
        Row(id=HOSTILE, question=HOSTILE, answer=HOSTILE, task="open", group=HOSTILE),
        Row(id="2", question="q", answer="a", task="open"),
    ]
    attempts = [{"index": 0, "text": HOSTILE, "answer": HOSTILE, "finish": "stop", "error": None}]
    said: dict[str, Any] = {
        "answer": HOSTILE, "attempts": attempts, "reason": HOSTILE, "prompts": {"solver": HOSTILE},
        "ledger": [call("guide", HOSTILE), call("solver", HOSTILE)],
    }  # fmt: skip
    results = [answered(HOSTILE, arm, arm == "guided", guidance=HOSTILE, **said) for arm in ("cot", "guided")]
    report_of(tmp_path / "run", rows, results, solver=HOSTILE, guide=HOSTILE, suite=HOSTILE)
    page, text = ((tmp_path / "run" / name).read_text() for name in ("report.html", "report.md"))
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "{{ 7123*9001 }}" not in text
    assert "64114123" not in page
    assert page_questions(tmp_path / "run")[0]["arms"]["guided"]["replies"][0]["text"].startswith("</script><script>")
    assert not re.search(r"(?<!\\)<", text)
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in text.split("## Leaks")[1].splitlines()[2:5]}) == 1
    with (tmp_path / "run" / "questions.csv").open(newline="") as file:
        assert all(not cell.lstrip().startswith("=") for line in csv.reader(file) for cell in line)


def test_the_policy_admits_the_pages_own_script_and_style_by_hash_alone(tmp_path: Path) -> None:
    report_of(tmp_path / "run", ROWS, flipping(ROWS))
    page = (tmp_path / "run" / "report.html").read_text()
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found
    policy = found[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r'\sstyle="|\son\w+="|<link|@import|url\(', page.split('id="data"')[0])


def test_charts_have_words_for_those_who_cannot_see_them(tmp_path: Path) -> None:
    report_of(tmp_path / "run", ROWS, flipping(ROWS))
    page = (tmp_path / "run" / "report.html").read_text()
    labels = re.findall(r'<svg class="chart"[^>]* role="img" aria-label="([^"]+)"', page)
    assert len(labels) == page.count("<svg") == 6
    assert "guided-vs-cot: 6 repairs, 1 breaks" in labels[0]
    assert labels[1].startswith("Accuracy against hosted tokens per question: standard 0.0% at 110")


def test_spending_is_drawn_over_questions_wherever_all_prices_are_known(tmp_path: Path) -> None:
    record(
        tmp_path / "run",
        ROWS,
        [
            {**one, "ledger": [call("solver", HOSTED, cost_usd=0.003)]} if one["arm"] == "cot" else one
            for one in flipping(ROWS)
        ],
    )
    report_run(tmp_path / "run", GivenPrices(training_usd=1, local_usd_per_hour=0))
    page = (tmp_path / "run" / "report.html").read_text()
    drawn = re.findall(r'aria-label="Money spent over questions asked. ([^"]+)"', page)
    assert drawn == [
        "guided against cot: repaid after 500 questions, at $0.002 saved per question.",
        "guided against standard: never repaid by cost, because guided saves nothing.",
    ]
    assert page.count("for 1,000 questions</title>") == 4


def test_a_run_of_one_arm_has_a_report(tmp_path: Path) -> None:
    report = report_of(tmp_path / "run", ROWS, [answered(row.id, "cot", True) for row in ROWS])
    assert (report["pairs"], report["leaks"], report["break_even"]) == ({}, {}, {})
    assert "any pair" in (tmp_path / "run" / "report.html").read_text()


def test_an_interrupted_run_and_one_with_errors_say_so(tmp_path: Path) -> None:
    results = [answered("q0", "cot", True), failed("q1", "cot"), *(answered(row.id, "standard", True) for row in ROWS)]
    report = report_of(tmp_path / "run", ROWS, results)
    assert notes(report)[:2] == [
        "Not every question has been asked: cot 2 of 12; the run's command continues it.",
        "Questions that ended in an error and are not scored: cot 1.",
    ]
    assert (report["arms"]["cot"]["n"], report["arms"]["cot"]["accuracy"]) == (2, 1.0)


def test_a_run_that_is_all_errors_has_a_report(tmp_path: Path) -> None:
    report = report_of(tmp_path / "run", ROWS, [failed(row.id, arm) for row in ROWS for arm in ("cot", "guided")])
    assert report["arms"]["cot"]["accuracy"] is None
    assert "guided - against cot -: no question was answered by both." in (tmp_path / "run" / "report.html").read_text()


def test_a_question_that_was_never_answered_is_on_the_page(tmp_path: Path) -> None:
    report_of(tmp_path / "run", ROWS, [answered("q3", "cot", True)])
    assert [len(question["arms"]) for question in page_questions(tmp_path / "run")] == [0, 0, 0, 1, *([0] * 8)]


def test_unknown_cost_is_never_shown_as_nothing(tmp_path: Path) -> None:
    unpriced = [call("solver", HOSTED, cost_usd=None)]
    report = report_of(tmp_path / "run", ROWS, [answered(row.id, "cot", True, ledger=unpriced) for row in ROWS])
    assert report["arms"]["cot"]["cost_usd"] is None
    text = (tmp_path / "run" / "report.md").read_text()
    assert "| cot | 100.0% | 110 | unknown |" in text
    assert "Not every call of cot has a known price, so the cost is unknown." in text


def test_an_arms_name_may_hold_the_word_between_a_pair(tmp_path: Path) -> None:
    results = [answered(row.id, arm, True) for row in ROWS for arm in ("a-vs-b", "cot")]
    run_dir = record(tmp_path / "run", ROWS, results)
    with ResultStore(run_dir.results) as store:
        assert gather(run_dir, store).pairs() == {"a-vs-b-vs-cot": ("a-vs-b", "cot")}


def test_more_arms_than_colours_are_drawn(tmp_path: Path) -> None:
    arms = [f"arm{i}" for i in range(SERIES + 3)]
    report_of(tmp_path / "run", ROWS[:2], [answered(row.id, arm, True) for row in ROWS[:2] for arm in arms])
    assert 's2"' in (tmp_path / "run" / "report.html").read_text()


def test_counts_and_ranges_that_a_result_has_get_a_column() -> None:
    arm = {
        "n": 4, "accuracy": 0.5, "ci95": [0.2, 0.8], "errors": 1, "unparsed": 0, "refused": 1, "truncated": 0,
        "accuracy_range": [0.4, 0.6],
        "tokens": {"guide": {"input": 0, "output": 0}, "solver": {"input": 4, "output": 4}},
        "cost_usd": None, "latency_s": {"p50": 1.0, "p95": 2.0},
    }  # fmt: skip
    pair = {"n": 4, "delta": 0.1, "ci95": [0, 0.2], "p": 0.04, "repairs": 1, "breaks": 0, "p_holm": 0.08, "mde": 0.3}
    result: Any = {"arms": {"cot": arm, "guided": arm}, "pairs": {"guided-vs-cot": pair}}
    table = [dict(zip(arm_table(result)[0], line, strict=True)) for line in arm_table(result)[1:]]
    assert (table[0]["refused"], table[0]["if errors"], "truncated" in table[0]) == ("1", "40.0 to 60.0", False)
    line = dict(zip(*pair_table(result), strict=True))
    assert (line["Holm p"], line["MDE (points)"]) == ("0.08", "30.0")
    assert verdicts(result, {"guided-vs-cot": ("guided", "cot")}) == [
        "guided 50.0% against cot 50.0%: +10.0 points (95% CI +0.0 to +20.0, McNemar p 0.04, Holm 0.08), 1 repair and "
        "0 breaks: no difference shown; 4 questions could have shown 30.0 points."
    ]


def test_beyond_the_bound_flipped_questions_keep_their_replies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = questions(10)
    results = [answered(row.id, arm, arm == "guided" and row.id == "q9") for row in rows for arm in ("cot", "guided")]
    monkeypatch.setattr(page_data, "MOST_CHARACTERS", 4000)
    report_of(tmp_path / "run", rows, results)
    cut = [question.get("cut", False) for question in page_questions(tmp_path / "run")]
    assert (cut[9], cut[8]) == (False, True)
    assert len(cut) == 10


def test_a_lone_surrogate_does_not_stop_the_report(tmp_path: Path) -> None:
    run_dir = record(tmp_path / "run", ROWS[:1], [answered("q0", "guided", True, guidance=PLAN)])
    run_dir.results.write_text(run_dir.results.read_text().replace("guided on q0", "\\ud800"))
    report_run(run_dir.path)
    assert page_questions(run_dir.path)[0]["arms"]["guided"]["replies"][0]["text"] == "\\ud800."


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_what_is_no_run_directory_is_refused(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"is no run directory of `sg-agent eval`"):
        report_run(tmp_path / "run")


def test_a_bad_price_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="training_usd"):
        report_run(tmp_path / "nothing", GivenPrices(training_usd=-1))


def test_a_directory_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    run_dir = record(tmp_path / "run", ROWS, flipping(ROWS))
    with ResultStore(RunDir(run_dir.path).results), pytest.raises(ConfigError, match="another run is writing"):
        report_run(run_dir.path)
    assert not run_dir.html.exists()


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.31, 0.87], [0.0003, 0.0017], [5, 5], [-3, 1234567], [-2, -1]])
def test_scales_hold_their_values_between_round_ends(values: list[float]) -> None:
    found = scale(values, 0, 100)
    assert found.low <= min(values)
    assert found.high >= max(values)
    assert found.high > found.low
    assert 2 <= len(found.ticks()) <= 12


def test_a_scale_without_extent_stays_at_its_start() -> None:
    assert Scale(2, 2, 10, 20).at(2) == 10


@pytest.mark.parametrize(
    ("usd", "shown"), [(None, "unknown"), (0, "$0"), (0.0000672, "$0.0000672"), (0.5, "$0.5"), (1234.5, "$1,234.50")]
)
def test_dollars(usd: float | None, shown: str) -> None:
    assert dollars(usd) == shown
