"""The frontier of a gate and the reliability of its heads, each an SVG file that stands alone."""

from collections.abc import Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement

from sg_agent.evals.gate.calibrate import Promise
from sg_agent.evals.gate.frontier import Point
from sg_agent.evals.report import svg
from sg_agent.gate import Gate

COLOURS = ("#0072b2", "#c24e00", "#007a59", "#a8497f", "#8a6d00", "#4b4fb8", "#1c1e21", "#6b7280")  # as in report.css
STYLE = "".join(
    (
        "text{fill:#1c1e21;font:13px system-ui,sans-serif}.title{fill:#6b7280}.axis{stroke:#6b7280}",
        ".grid{stroke:#d5d9e0}.mark{stroke:#fff;stroke-width:1}.guide{stroke:#6b7280;stroke-dasharray:4 4}",
        *(f".s{i}{{fill:{colour}}}.l{i}{{stroke:{colour};stroke-width:1.5}}" for i, colour in enumerate(COLOURS)),
    )
)
BOTTOM, AXIS = 250.0, 46.0
_PERCENT = "{:.0%}".format


def frontier(points: Sequence[Point], promise: Promise | None) -> str:
    """Accuracy over dollars per 1,000 questions; where a price is unknown, over the share that leaves `direct`."""
    priced = all(one["usd_per_1000"] is not None for one in points)
    across_of = {id(one): _across(one, priced=priced) for one in points}
    names = {name: number for number, name in enumerate(dict.fromkeys(one["family"] for one in points))}
    legend = {name: number % svg.SERIES for name, number in names.items()}
    chart = _figure("Accuracy against what it takes, for every way to route.", legend)
    upward = svg.scale([one["accuracy"] for one in points], BOTTOM, svg.TOP)
    across = svg.scale(list(across_of.values()), svg.LEFT, svg.WIDTH - svg.RIGHT - 10, least=0)
    title = "dollars per 1,000 questions" if priced else "share of questions not answered directly"
    svg.y_axis(chart, upward, "accuracy", _PERCENT)
    svg.x_axis(chart, across, BOTTOM, title, "{:g}".format if priced else _PERCENT)
    for name, number in legend.items():
        family = [one for one in points if one["family"] == name]
        places = [(across.at(across_of[id(one)]), upward.at(one["accuracy"])) for one in family]
        _line(chart, places, f"l{number}")
        picked = [
            i
            for i, one in enumerate(family)
            if len(family) == 1 or (promise and (name, one["threshold"]) == (promise["family"], promise["threshold"]))
        ]
        for i in picked:
            svg.mark(chart, *places[i], number, f"{name}: {family[i]['accuracy']:.1%}")
    svg.legend(chart, legend, BOTTOM + AXIS + 4)
    return svg.render(chart) + "\n"


def reliability(gate: Gate) -> str:
    """What share was right over what was predicted, by head, on questions it was not fitted on."""
    heads = gate.named_heads
    legend = {name: number for number, name in enumerate(heads)}
    chart = _figure("Share right against the predicted P(right); on the dashed line both are the same.", legend)
    upward = svg.Scale(0, 1, BOTTOM, svg.TOP)
    across = svg.Scale(0, 1, svg.LEFT, svg.WIDTH - svg.RIGHT - 10)
    svg.y_axis(chart, upward, "share right", _PERCENT)
    svg.x_axis(chart, across, BOTTOM, "predicted P(right)", _PERCENT)
    svg.line(chart, across.start, upward.start, across.end, upward.end, "guide")
    for name, head in heads.items():
        bins = head.quality.bins if head.quality else []
        places = [(across.at(one.predicted), upward.at(one.right)) for one in bins]
        _line(chart, places, f"l{legend[name]}")
        for (x, y), one in zip(places, bins, strict=True):
            svg.mark(chart, x, y, legend[name], f"{name}: {one.predicted:.0%} predicted, {one.right:.0%} of {one.n}")
    svg.legend(chart, legend, BOTTOM + AXIS + 4)
    return svg.render(chart) + "\n"


def _across(one: Point, *, priced: bool) -> float:
    return (one["usd_per_1000"] or 0.0) if priced else 1 - one["shares"].get("direct", 0.0)


def _figure(label: str, legend: dict[str, int]) -> Element:
    chart = svg.figure(label, BOTTOM + AXIS + svg.legend_height(legend))
    chart.set("xmlns", "http://www.w3.org/2000/svg")
    SubElement(chart, "style").text = STYLE
    return chart


def _line(chart: Element, places: Sequence[tuple[float, float]], kind: str) -> None:
    for (x1, y1), (x2, y2) in pairwise(places):
        svg.line(chart, x1, y1, x2, y2, kind)
