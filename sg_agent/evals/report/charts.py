"""The charts of a report, each a function from numbers to SVG text, or None where there is nothing to draw.

Every arm keeps its sign and colour through all charts. A line beside a mark is its 95% interval.
"""

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from sg_agent.evals.break_even import BreakEven
from sg_agent.evals.breakdown import Breakdown, Part
from sg_agent.evals.report import svg
from sg_agent.evals.report.content import Report
from sg_agent.evals.report.tables import MOST_SLICES, dollars, percent
from sg_agent.evals.report.words import break_even_sentence
from sg_agent.evals.statistics import Proportion

AXIS = 46.0  # height of a horizontal axis with its title
INNER_LEFT, INNER_RIGHT = 20, svg.WIDTH - 20  # of charts whose labels stand above their rows
_PERCENT = "{:.0%}".format


def accuracy_against(report: Report, cost: Mapping[str, float | None], title: str, form: svg.Form) -> str | None:
    """Accuracy over what a question takes; an arm of unknown cost or accuracy has no point. None without any cost."""
    known = {name: x for name, x in cost.items() if x is not None and report["arms"][name]["accuracy"] is not None}
    if not any(known.values()):
        return None
    arms = _series(list(report["arms"]))
    shares = [bound for name in known for bound in report["arms"][name]["ci95"] or []]
    bottom = 250.0
    height = bottom + AXIS + svg.legend_height(arms)
    points = [f"{name} {percent(report['arms'][name]['accuracy'])} at {form(x)}" for name, x in known.items()]
    chart = svg.figure(f"Accuracy against {title}: {'; '.join(points)}.", height)
    upward = svg.scale(shares, bottom, svg.TOP)
    across = svg.scale(list(known.values()), svg.LEFT, svg.WIDTH - svg.RIGHT - 10, least=0)
    svg.y_axis(chart, upward, "accuracy", _PERCENT)
    svg.x_axis(chart, across, bottom, title, form)
    for name, x in known.items():
        _upright(chart, across.at(x), upward, report["arms"][name], arms[name], name)
    svg.legend(chart, arms, bottom + AXIS + 4)
    return svg.render(chart)


def accuracy_rows(breakdown: Breakdown, arms: list[str]) -> str | None:
    """Accuracy of every arm on each slice, a row per slice."""
    slices = breakdown["slices"][:MOST_SLICES]
    if not slices:
        return None
    row = 24.0 + 13 * len(arms)
    bottom = svg.TOP + row * len(slices)
    chart = svg.figure(
        f"Accuracy by {breakdown['by']}, one row for each of {len(slices)}; the table has the numbers.",
        bottom + AXIS + svg.legend_height(_series(arms)),
    )
    across = svg.Scale(0, 1, INNER_LEFT, INNER_RIGHT)
    svg.x_axis(chart, across, bottom, "accuracy", _PERCENT)
    for number, one in enumerate(slices):
        top = svg.TOP + number * row
        svg.text(chart, INNER_LEFT, top + 10, f"{svg.short(one['label'])} (n {one['n']})", anchor="start", kind="label")
        for series, arm in enumerate(arms):
            _flat(chart, across, top + 24 + 13 * series, one["arms"][arm], series, f"{arm}, {one['label']}")
    svg.legend(chart, _series(arms), bottom + AXIS + 4)
    return svg.render(chart)


def flip_bars(report: Report) -> str | None:
    """Breaks to the left and repairs to the right of a common line, a row per pair."""
    pairs = report["pairs"]
    most = max((max(pair["repairs"], pair["breaks"]) for pair in pairs.values()), default=0)
    if not most:
        return None
    bottom = svg.TOP + 42.0 * len(pairs)
    said = "; ".join(f"{name}: {pair['repairs']} repairs, {pair['breaks']} breaks" for name, pair in pairs.items())
    chart = svg.figure(f"Repairs and breaks of each pair. {said}.", bottom + AXIS)
    across = svg.Scale(-most, most, INNER_LEFT + 24, INNER_RIGHT - 24)
    for number, (name, pair) in enumerate(pairs.items()):
        top = svg.TOP + 42 * number
        left, middle, right = across.at(-pair["breaks"]), across.at(0), across.at(pair["repairs"])
        svg.text(chart, INNER_LEFT, top + 10, name, anchor="start", kind="label")
        svg.bar(chart, left, top + 16, middle - left, 16, "break")
        svg.bar(chart, middle, top + 16, right - middle, 16, "repair")
        svg.text(chart, left - 4, top + 29, str(pair["breaks"]), anchor="end")
        svg.text(chart, right + 4, top + 29, str(pair["repairs"]), anchor="start")
    svg.line(chart, across.at(0), svg.TOP, across.at(0), bottom, "axis")
    svg.text(chart, across.at(0) - 8, bottom + 18, "\u2190 breaks (right \u2192 wrong)", anchor="end", kind="title")
    svg.text(chart, across.at(0) + 8, bottom + 18, "repairs (wrong \u2192 right) \u2192", anchor="start", kind="title")
    return svg.render(chart)


def latency_rows(report: Report) -> str | None:
    """Median and 95th percentile of the seconds per question, a row per arm."""
    latencies = {name: arm["latency_s"] for name, arm in report["arms"].items()}
    if not any(latency["p95"] for latency in latencies.values()):
        return None
    bottom = svg.TOP + 36.0 * len(latencies)
    said = "; ".join(f"{name} {one['p50']:.2f} s and {one['p95']:.2f} s" for name, one in latencies.items())
    chart = svg.figure(f"Median and 95th percentile of seconds per question. {said}.", bottom + AXIS)
    across = svg.scale([one["p95"] for one in latencies.values()], INNER_LEFT, INNER_RIGHT, least=0)
    svg.x_axis(chart, across, bottom, "seconds per question: mark p50, end of line p95", "{:g}".format)
    for series, (name, one) in enumerate(latencies.items()):
        y = svg.TOP + 36 * series + 24
        svg.text(chart, INNER_LEFT, y - 12, name, anchor="start", kind="label")
        svg.line(chart, across.at(one["p50"]), y, across.at(one["p95"]), y, f"range l{series % svg.SERIES}")
        svg.line(chart, across.at(one["p95"]), y - 5, across.at(one["p95"]), y + 5, f"range l{series % svg.SERIES}")
        svg.mark(chart, across.at(one["p50"]), y, series, f"{name}: p50 {one['p50']:.2f} s, p95 {one['p95']:.2f} s")
    return svg.render(chart)


def break_even_lines(one: BreakEven, arms: list[str]) -> str | None:
    """Money spent over questions asked, with the guide from its training cost on; None while a price is missing.

    As far again as the break-even, which a line marks; over 1,000 questions where there is none.
    """
    with_guide, without = (one["running"][name]["usd"] for name in (one["arm"], one["baseline"]))
    training, asked = one["training_usd"], 2 * (one["questions"] or 500)
    if training is None or with_guide is None or without is None:
        return None
    bottom, names = 230.0, {name: arms.index(name) for name in one["running"]}
    chart = svg.figure(f"Money spent over questions asked. {break_even_sentence(one)}", bottom + AXIS + 20)
    across = svg.Scale(0, asked, 84, svg.WIDTH - svg.RIGHT - 10)
    spent = {one["arm"]: (training, training + asked * with_guide), one["baseline"]: (0.0, asked * without)}
    upward = svg.scale([usd for ends in spent.values() for usd in ends], bottom, svg.TOP, least=0)
    svg.y_axis(chart, upward, "spent", dollars, left=across.start)
    svg.x_axis(chart, across, bottom, "questions asked", "{:,.0f}".format)
    if one["questions"]:
        svg.line(chart, across.at(one["questions"]), svg.TOP, across.at(one["questions"]), bottom, "axis")
    for name, (first, last) in spent.items():
        kind = f"range l{names[name] % svg.SERIES}"
        svg.line(chart, across.start, upward.at(first), across.end, upward.at(last), kind)
        svg.mark(chart, across.end, upward.at(last), names[name], f"{name}: {dollars(last)} for {asked:,} questions")
    svg.legend(chart, names, bottom + AXIS + 4)
    return svg.render(chart)


def _series(arms: list[str]) -> dict[str, int]:
    return {arm: number for number, arm in enumerate(arms)}


def _upright(chart: Element, x: float, upward: svg.Scale, found: Proportion, series: int, name: str) -> None:
    """A mark at an accuracy with its interval, upright."""
    if found["accuracy"] is None or found["ci95"] is None:
        return
    low, high = found["ci95"]
    svg.line(chart, x, upward.at(low), x, upward.at(high), f"interval l{series % svg.SERIES}")
    svg.mark(chart, x, upward.at(found["accuracy"]), series, f"{name}: {percent(found['accuracy'])}")


def _flat(chart: Element, across: svg.Scale, y: float, found: Part, series: int, name: str) -> None:
    """A mark at an accuracy with its interval, lying."""
    if found["accuracy"] is None or found["ci95"] is None:
        return
    low, high = found["ci95"]
    svg.line(chart, across.at(low), y, across.at(high), y, f"interval l{series % svg.SERIES}")
    svg.mark(chart, across.at(found["accuracy"]), y, series, f"{name}: {percent(found['accuracy'])}, n {found['n']}")
