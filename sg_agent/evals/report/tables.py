"""The tables of a report as plain text, a header and lines of cells; whoever shows them escapes them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sg_agent.evals.bill import Saving
from sg_agent.evals.break_even import BreakEven, Running
from sg_agent.evals.breakdown import Breakdown, Part
from sg_agent.evals.leak_meter import LeakMeter
from sg_agent.evals.report.content import Report
from sg_agent.evals.result import ArmSummary, EvalResult
from sg_agent.evals.usage import format_cost

Table = list[list[str]]

MOST_SLICES = 12
SAVING_HEADER = ["arm", "against", "saved per 1,000", "saved", "accuracy (points)", "95% CI", "so it is"]
SIGNIFICANT = 0.05
OUTCOME_COUNTS = ("refused", "truncated")


def arm_table(result: EvalResult) -> Table:
    """Header and a line per arm. Counts that are 0 everywhere and ranges without errors are left out."""
    arms: Mapping[str, Mapping[str, Any]] = result["arms"]
    f1 = any("f1" in arm for arm in arms.values())
    counts = [name for name in OUTCOME_COUNTS if any(arm.get(name) for arm in arms.values())]
    ranges = any(arm["errors"] and arm.get("accuracy_range") for arm in arms.values())
    header = ["arm", "n", "accuracy", "95% CI", *(["F1"] if f1 else []), "errors", *(["if errors"] if ranges else [])]
    header += ["unparsed", *counts, "guide tokens each", "solver tokens each", "cost", "p50 s", "p95 s"]
    return [header, *(_arm_line(name, arm, f1, ranges, counts) for name, arm in result["arms"].items())]


def pair_table(result: EvalResult) -> Table:
    """Header and a line per pair; empty without pairs."""
    pairs: Mapping[str, Mapping[str, Any]] = result["pairs"]
    if not pairs:
        return []
    holm, mde = (any(pair.get(key) is not None for pair in pairs.values()) for key in ("p_holm", "mde"))
    header = ["pair", "n", "delta (points)", "95% CI", "McNemar p", *(["Holm p"] if holm else []), "repairs", "breaks"]
    header += ["MDE (points)"] if mde else []
    return [header, *(_pair_line(name, pair, holm, mde) for name, pair in pairs.items())]


def breakdown_table(breakdown: Breakdown, arms: list[str]) -> Table:
    """Header and a line per slice, of the largest MOST_SLICES; empty without slices."""
    shown = breakdown["slices"][:MOST_SLICES]
    lines = [[one["label"], str(one["n"]), *(_part(one["arms"][arm]) for arm in arms)] for one in shown]
    return [[breakdown["by"], "n", *arms], *lines] if lines else []


def bill_table(report: Report) -> Table:
    """What a question takes of a host, and what it and a right answer cost. A column without any number is left out."""
    bills = report["bill"]
    roles = [role for role in ("guide", "solver") if any(one["cached_input"][role]["input"] for one in bills.values())]
    local = any(one["local_seconds"] for one in bills.values())
    header = ["arm", "accuracy", "hosted tokens each", "cost each", "cost per right"]
    header += [*(f"{role} input cached" for role in roles), *(["local s each"] if local else [])]
    return [header, *(_bill_line(arm, report, roles, local) for arm in bills)]


def saving_table(savings: Mapping[str, Saving]) -> Table:
    """Header and a line per pair, what it saves beside what it does to the accuracy; empty without pairs."""
    return [SAVING_HEADER, *map(_saving_line, savings.values())] if savings else []


def leak_table(leaks: Mapping[str, LeakMeter]) -> Table:
    """Header and a line per guided arm; empty without any."""
    others = list(dict.fromkeys(name for arm, one in leaks.items() for name in one["rest"] if name != arm))
    lines = [
        [
            arm,
            str(one["guided"]),
            f"{one['leaking']} ({percent(one['share'])})",
            str(one["arithmetic"]),
            str(one["rest"][arm]["n"]),
            *(_part(one["rest"][name]) if name in one["rest"] else "-" for name in (arm, *others)),
        ]
        for arm, one in leaks.items()
    ]
    header = ["arm", "shown guidance", "leaking", "by arithmetic", "left", "accuracy there"]
    return [[*header, *(f"{name} there" for name in others)], *lines] if lines else []


def break_even_table(one: BreakEven) -> Table:
    """Every input of a break-even, the arm and the baseline side by side."""
    arms = [one["running"][one["arm"]], one["running"][one["baseline"]]]
    training, hour = dollars(one["training_usd"]), dollars(one["local_usd_per_hour"])
    return [
        ["input", one["arm"], one["baseline"]],
        ["answered questions measured", *(str(arm["questions"]) for arm in arms)],
        ["training of the guide", training, "-"],
        ["an hour of the local machine", hour, hour],
        ["solver tokens each, in + out", *(_tokens(arm) for arm in arms)],
        ["billed by tokens, each", *(dollars(arm["hosted_usd"]) for arm in arms)],
        ["local seconds each, guide + solver", *(_seconds(arm) for arm in arms)],
        ["running cost each", *(dollars(arm["usd"]) for arm in arms)],
    ]


def prompt_table(prompts: Mapping[str, Mapping[str, list[str]]]) -> Table:
    """Header and a line per arm and phase; empty when no prompt was recorded."""
    lines = [[arm, phase, ", ".join(stamps)] for arm, used in prompts.items() for phase, stamps in used.items()]
    return [["arm", "phase", "prompt@sha256"], *lines] if lines else []


def costs_each(report: Report) -> dict[str, float | None]:
    """Dollars per question by arm, None where a price is unknown."""
    return {arm: one["usd_per_question"] for arm, one in report["bill"].items()}


def solver_tokens_each(report: Report) -> dict[str, float]:
    """The solver's input and output tokens per question, wherever it ran."""
    return {
        arm: (one["tokens"]["solver"]["input"] + one["tokens"]["solver"]["output"]) / one["n"]
        for arm, one in report["arms"].items()
    }


def percent(share: float | None) -> str:
    """A share as a percentage, "-" where nothing was scored."""
    return "-" if share is None else f"{100 * share:.1f}%"


def interval(bounds: list[float] | None, *, signed: bool = False) -> str:
    """Bounds in percent or points."""
    if bounds is None:
        return "-"
    return " to ".join(f"{100 * bound:{'+' if signed else ''}.1f}" for bound in bounds)


def dollars(usd: float | None) -> str:
    """Dollars and cents, to three significant digits below a dollar; never 0 for what nobody knows."""
    if usd is None:
        return "unknown"
    sign, usd = "-" if usd < 0 else "", abs(usd)
    return f"{sign}${usd:,.2f}" if usd >= 1 else f"{sign}${Decimal(f'{usd:.3g}'):f}"


def saving_verdict(one: Saving) -> str:
    """Cheaper or not, and never without what it does to the accuracy."""
    saved, delta = one["saved_usd_per_1000"], one["delta"]
    if saved is None:
        return f"unknown: {', '.join(one['missing'])}"
    cost = "cheaper" if saved > 0 else "dearer" if saved < 0 else "as dear"
    if delta is None:
        return f"{cost}; no question was answered by both"
    if not delta:
        return f"{cost}, with as many right"
    more = "more" if delta > 0 else "fewer"
    if one["p"] is None or one["p"] >= SIGNIFICANT:
        return f"{cost}, with {more} right, which may be chance"
    return f"{cost}, bought with wrong answers" if saved > 0 and delta < 0 else f"{cost}, with {more} right"


def _arm_line(name: str, arm: ArmSummary, f1: bool, ranges: bool, counts: list[str]) -> list[str]:
    also: Mapping[str, Any] = arm
    tokens = [f"{(used['input'] + used['output']) / arm['n']:.0f}" for used in arm["tokens"].values()]
    return [
        name,
        str(arm["n"]),
        percent(arm["accuracy"]),
        interval(arm["ci95"]),
        *([percent(arm.get("f1"))] if f1 else []),
        str(arm["errors"]),
        *([interval(also.get("accuracy_range"))] if ranges else []),
        str(arm["unparsed"]),
        *(str(also.get(name, 0)) for name in counts),
        *tokens,
        format_cost(arm["cost_usd"]),
        f"{arm['latency_s']['p50']:.2f}",
        f"{arm['latency_s']['p95']:.2f}",
    ]


def _bill_line(arm: str, report: Report, roles: list[str], local: bool) -> list[str]:
    one = report["bill"][arm]
    per_right = dollars(one["usd_per_right"]) if one["right"] or one["usd"] is None else "none right"
    return [
        arm,
        percent(report["arms"][arm]["accuracy"]),
        f"{report['hosted_tokens'][arm]:.0f}",
        dollars(one["usd_per_question"]),
        per_right,
        *(percent(one["cached_input"][role]["share"]) for role in roles),
        *([f"{one['local_seconds']:.2f}"] if local else []),
    ]


def _saving_line(one: Saving) -> list[str]:
    share, delta = one["saved_share"], one["delta"]
    return [
        one["arm"],
        one["baseline"],
        dollars(one["saved_usd_per_1000"]),
        percent(share),
        "-" if delta is None else f"{100 * delta:+.1f}",
        interval(one["ci95"], signed=True),
        saving_verdict(one),
    ]


def _pair_line(name: str, pair: Mapping[str, Any], holm: bool, mde: bool) -> list[str]:
    smallest = pair.get("mde")
    return [
        name,
        str(pair["n"]),
        "-" if pair["delta"] is None else f"{100 * pair['delta']:+.1f}",
        interval(pair["ci95"], signed=True),
        _p_value(pair["p"]),
        *([_p_value(pair.get("p_holm"))] if holm else []),
        str(pair["repairs"]),
        str(pair["breaks"]),
        *(["-" if smallest is None else f"{100 * smallest:.1f}"] if mde else []),
    ]


def _p_value(p: float | None) -> str:
    return "-" if p is None else f"{p:.2g}"


def _part(part: Part) -> str:
    return percent(part["accuracy"])


def _tokens(arm: Running) -> str:
    return f"{arm['solver_input_tokens']:.0f} + {arm['solver_output_tokens']:.0f}"


def _seconds(arm: Running) -> str:
    return f"{arm['guide_seconds']:.3f} + {arm['solver_seconds']:.3f}"
