"""report.html in a real browser: nothing runs that is not its own, nothing is fetched, filters work, phones show it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from browsing import IN_BROWSER, Opened, contrast, expect
from recorded_run import PLAN, answered, flipping, questions, record

from sg_agent.evals.graph import ArmResult
from sg_agent.evals.pricing import GivenPrices
from sg_agent.evals.report import report_run
from sg_agent.rows import Row

pytestmark = IN_BROWSER
HOSTILE = (
    "</script><script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 2'>", "]]><!--<script>",
    "<svg onload=window.hacked=3>", "javascript:window.hacked=4", "a\x00b\x1b[2Jc\u202ed\u2028e", "&lt;b&gt;",
    "{{ 7 * 7 }}{% raw %}", "`); window.hacked = 5; (`", "x" * 1_000_000,
)  # fmt: skip


def open_report(browser: Any, run_dir: Path, rows: Sequence[Row], results: list[ArmResult], **look: Any) -> Opened:
    record(run_dir, rows, results)
    report_run(
        run_dir, GivenPrices(training_usd=1, local_usd_per_hour=0, input_usd_per_million=1, output_usd_per_million=1)
    )
    return Opened.at(browser, (run_dir / "report.html").as_uri(), **look)


def count(opened: Opened) -> str:
    return str(opened.page.inner_text("#count"))


def test_it_opens_without_a_complaint_and_asks_for_nothing(browser: Any, tmp_path: Path) -> None:
    rows = questions(12)
    opened = open_report(browser, tmp_path, rows, flipping(rows))
    opened.page.locator(".question h3 button").first.click()
    assert opened.complaints == []
    assert opened.requests == [(tmp_path / "report.html").as_uri()]
    drawn = [
        box["width"] * box["height"] for box in (one.bounding_box() for one in opened.page.locator("svg.chart").all())
    ]
    assert len(drawn) == 8
    assert min(drawn) > 10_000


def test_questions_are_filtered_by_pair_direction_outcome_and_text(browser: Any, tmp_path: Path) -> None:
    rows = questions(12)
    opened = open_report(browser, tmp_path, rows, flipping(rows))
    page = opened.page
    assert count(opened) == "7 of 12 questions"
    page.select_option("#direction", "break")
    assert opened.texts(".question .id") == ["q0"]
    page.select_option("#direction", "repair")
    assert opened.texts(".question .id") == ["q1", "q3", "q5", "q7", "q9", "q11"]
    page.select_option("#direction", "none")
    assert count(opened) == "5 of 12 questions"
    page.select_option("#pair", label="guided-vs-standard")
    page.select_option("#direction", "repair")
    assert count(opened) == "11 of 12 questions"
    page.select_option("#outcome", label="cot: correct (6)")
    assert opened.texts(".question .id") == ["q2", "q4", "q6", "q8", "q10"]
    page.fill("#search", "GUIDED on Q1")
    expect(page.locator(".question")).to_have_count(1)
    assert opened.texts(".question .id") == ["q10"]
    page.fill("#search", "nowhere")
    expect(page.locator(".question")).to_have_count(0)
    assert count(opened) == "0 of 12 questions"


def test_a_question_opens_on_demand_with_every_arm_side_by_side(browser: Any, tmp_path: Path) -> None:
    rows = questions(12)
    opened = open_report(browser, tmp_path, rows, flipping(rows))
    assert opened.page.locator(".arm").count() == 0
    button = opened.page.locator(".question h3 button").first
    button.focus()
    opened.page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    arms = opened.texts(".arm")
    assert len(arms) == 3
    assert "guided on q0." in arms[2]
    assert PLAN in arms[2]
    assert "v1/solver/math@abc123" in arms[2]
    tops = {round(box.bounding_box()["y"]) for box in opened.page.locator(".arm").all()}
    assert len(tops) == 1
    button.click()
    assert not opened.page.locator(".details").first.is_visible()


def test_hostile_text_is_shown_and_runs_nothing(browser: Any, tmp_path: Path) -> None:
    rows, results = [], []
    for i, text in enumerate(HOSTILE):
        rows.append(Row(id=f"{i}{text[:100]}", question=text, answer=text, task="open", group=text[:100]))
        attempt = {"index": 0, "text": text, "answer": text, "finish": "stop", "error": None}
        for arm in ("cot", "guided"):
            said: dict[str, Any] = {"answer": text, "attempts": [attempt], "reason": text, "prompts": {text: text}}
            results.append(answered(rows[-1].id, arm, arm == "guided", guidance=text, **said))
    opened = open_report(browser, tmp_path, rows, results)
    for button in opened.page.locator(".question h3 button").all():
        button.click()
    assert opened.complaints == []
    assert len(opened.requests) == 1
    assert opened.page.evaluate("window.hacked") is None
    assert opened.page.locator("#list script, #list img, #list svg, header script, header img").count() == 0
    replies = opened.texts(".arm pre")
    for text in HOSTILE[:5]:
        assert text in replies
    assert "a\u2400b\u241b[2Jc\\u202ed\\u2028e" in replies
    longest = "Math.max(...[...document.querySelectorAll('pre')].map((one) => one.textContent.length))"
    assert opened.page.evaluate(longest) == 20_000
    opened.page.get_by_role("button", name="Show all 1,000,000 characters").last.click()
    assert opened.page.evaluate(longest) == 1_000_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_only_downwards_and_text_has_contrast(browser: Any, tmp_path: Path, scheme: str) -> None:
    rows = [
        Row(id="long" * 60, question="word" * 400, answer="7", task="math", group="group" * 50),
        *questions(6),
    ]
    results = [
        answered(row.id, arm, arm == "guided", guidance="step" * 300) for row in rows for arm in ("cot", "guided")
    ]
    size = {"width": 390, "height": 844}
    opened = open_report(browser, tmp_path, rows, results, viewport=size, color_scheme=scheme)
    for button in opened.page.locator(".question h3 button").all():
        button.click()
    for folded in opened.page.locator("summary").all():
        folded.click()
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
    smallest = opened.page.evaluate(
        "Math.min(...[...document.querySelectorAll('.chart text')].map((one) => one.getBoundingClientRect().height))"
    )
    assert smallest > 9
    assert contrast(opened.page, "body", "body") > 7
    assert contrast(opened.page, ".wrong", "body") > 4.5
    assert contrast(opened.page, ".small", "body") > 4.5


def test_two_thousand_questions_of_three_arms_open_quickly(browser: Any, tmp_path: Path) -> None:
    rows = questions(2000)
    attempts = [{"index": 0, "text": "One step after the other. " * 60, "answer": "7", "finish": "stop", "error": None}]
    results = [
        answered(row.id, arm, arm == "guided", attempts=attempts) for row in rows for arm in ("a", "cot", "guided")
    ]
    start = time.perf_counter()
    opened = open_report(browser, tmp_path, rows, results)
    report_s = time.perf_counter() - start
    assert count(opened) == "2000 of 2000 questions, 50 shown"
    opened_ms = opened.page.evaluate("performance.getEntriesByType('navigation')[0].duration")
    assert opened_ms < 10_000, f"the page took {opened_ms:.0f} ms to open, writing and opening {report_s:.0f} s"
    assert opened.page.locator(".question").count() == 50
    opened.page.get_by_role("button", name="Show more").click()
    assert opened.page.locator(".question").count() == 100
