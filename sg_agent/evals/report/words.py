"""What a report says in sentences: the verdict on each pair, what must be known to read the numbers, the break-even."""

from collections.abc import Mapping
from typing import Any

from sg_agent.evals.bill import unmeasured
from sg_agent.evals.break_even import BreakEven
from sg_agent.evals.breakdown import Breakdown
from sg_agent.evals.report.content import Report
from sg_agent.evals.report.tables import MOST_SLICES, SIGNIFICANT, costs_each, dollars, interval, percent

LEGEND = (
    "Accuracy leaves out questions that ended in an error and counts unparsed, refused and truncated answers as wrong; "
    '"if errors" is what it would be had every error been wrong, or right. Its interval is Wilson\'s. A pair is '
    "compared on the questions that neither arm ended with an error on; its interval is a bootstrap. A repair is wrong "
    "in the baseline and right in the arm, a break the other way round. MDE is the smallest difference that these "
    "questions could have shown. Tokens are input and output per question; seconds are per question on the clock and "
    "include waiting in a batch."
)
LEAKS = (
    "A plan gives the answer away by stating it, by worked arithmetic or another computed value, or by holding the "
    "answer where the question does not; a rationale by stating the answer as the answer. The last columns are the "
    "accuracy of the arm, and of what it is compared with, on the questions that are left without the leaking ones."
)
BILL = (
    "Costs are of every call: of questions that ended in an error and of answers that were asked again, too. Cost per "
    "right answer is all of it over the questions that were right. Input cached is the share of the input tokens that "
    "the provider billed from its prompt cache; they are counted at their price. A saving is measured from the "
    "baseline's cost, beside what the arm does to the accuracy: cheaper is no gain where fewer answers are right."
)
BREAK_EVEN = (
    "Only money is compared, not what a right answer is worth. Costs come from the ledger of this run, over the "
    "questions that were answered. Local seconds are the time that models of this process took, waiting in a batch "
    "included, so they are an upper bound; the flags of sg-agent report take the busy seconds, the training cost, the "
    "cost of an hour of the machine and the solver's prices."
)


NOT_MEASURED = {
    "cot": "The saving against the solver's own chain of thought was not measured: the arm cot did not run.",
    "stronger": "The saving against a stronger solver alone was not measured: the arm stronger (--stronger SPEC) did "
    "not run.",
}


def verdicts(report: Report, pairs: Mapping[str, tuple[str, str]]) -> list[str]:
    """One sentence per pair."""
    arms = {name: percent(arm["accuracy"]) for name, arm in report["arms"].items()}
    return [
        f"{arm} {arms[arm]} against {baseline} {arms[baseline]}: {_verdict(report['pairs'][pair])}"
        for pair, (arm, baseline) in pairs.items()
    ]


def notes(report: Report) -> list[str]:
    """What a reader must know before reading the numbers: gaps, errors, unknown costs, more than one revision."""
    arms, said = report["arms"], []
    if short := [f"{name} {arm['n']} of {report['n']}" for name, arm in arms.items() if arm["n"] < report["n"]]:
        said.append(f"Not every question has been asked: {', '.join(short)}; the run's command continues it.")
    if errors := [f"{name} {arm['errors']}" for name, arm in arms.items() if arm["errors"]]:
        said.append(f"Questions that ended in an error and are not scored: {', '.join(errors)}.")
    if unknown := [name for name, one in report["bill"].items() if one["usd"] is None]:
        said.append(f"Not every call of {', '.join(unknown)} has a known price, so the cost is unknown.")
    if len(report["revisions"]) > 1:
        said.append(f"Results come from more than one code revision: {', '.join(report['revisions'])}.")
    return said


def bill_notes(report: Report) -> list[str]:
    """What the bill leaves out, and what was not measured."""
    said = [
        f"{arm}: {_known(one['known_usd'])}not known: {', '.join(one['missing'])}."
        for arm, one in report["bill"].items()
        if one["usd"] is None
    ]
    if any(one["local_seconds"] and not one["local_priced"] for one in report["bill"].values()):
        said.append("The local seconds are in no cost: sg-agent report DIR --local-cost-per-hour USD prices them.")
    return said + [NOT_MEASURED[baseline] for baseline in unmeasured(report["bill"])]


def has_bill(report: Report) -> bool:
    """Whether anything was paid for, or may have been."""
    return any(report["hosted_tokens"].values()) or any(one["usd"] != 0 for one in report["bill"].values())


def break_even_sentence(one: BreakEven) -> str:
    """When the guide is repaid, or never, or what is missing to tell."""
    arm, baseline, saved = one["arm"], one["baseline"], one["saved_usd"]
    against = f"{arm} against {baseline}"
    if saved is not None and saved <= 0 and one["questions"] is None:
        more = f"costs {dollars(-saved)} more per question" if saved else "saves nothing"
        return f"{against}: never repaid by cost, because {arm} {more}."
    if one["missing"] or saved is None:
        known = "" if saved is None else f" It saves {dollars(saved)} per question."
        return f"{against}: unknown; missing {', '.join(one['missing'])}.{known}"
    return f"{against}: repaid after {one['questions']:,} questions, at {dollars(saved)} saved per question."


def leak_control(report: Report) -> str | None:
    """What the arm that sees guidance without the question says, where it ran."""
    if "leak" not in report["arms"]:
        return None
    found = percent(report["arms"]["leak"]["accuracy"])
    return f"The control arm leak sees the guidance and not the question, and answers {found} right."


def undrawn(report: Report) -> list[str]:
    """Why a chart of tokens or cost shows something else, or is not there."""
    said = [] if any(report["hosted_tokens"].values()) else ["No hosted model ran, so the chart shows solver tokens."]
    costs = costs_each(report)
    if not any(costs.values()):
        known = all(cost == 0 for cost in costs.values())
        said.append("Every arm cost $0: all models ran in this process." if known else "No arm has a known cost.")
    elif unknown := [arm for arm, cost in costs.items() if cost is None]:
        said.append(f"Without a known cost, and so without a point in the chart: {', '.join(unknown)}.")
    return said


def unshown(breakdown: Breakdown) -> str | None:
    """How many slices a table or chart leaves out."""
    left = len(breakdown["slices"]) - MOST_SLICES
    return f"{left} more are in result.json." if left > 0 else None


def _verdict(pair: Mapping[str, Any]) -> str:
    if pair["delta"] is None:
        return "no question was answered by both."
    holm = pair.get("p_holm")
    corrected = "" if holm is None else f", Holm {holm:.2g}"
    p = pair["p"] if holm is None else holm
    measured = (
        f"{100 * pair['delta']:+.1f} points (95% CI {interval(pair['ci95'], signed=True)}, McNemar p "
        f"{pair['p']:.2g}{corrected}), {_count(pair['repairs'], 'repair')} and {_count(pair['breaks'], 'break')}"
    )
    if p is not None and p < SIGNIFICANT:
        return f"{measured}: {'better' if pair['delta'] > 0 else 'worse'}."
    smallest = pair.get("mde")
    able = "" if smallest is None else f"; {pair['n']} questions could have shown {100 * smallest:.1f} points"
    return f"{measured}: no difference shown{able}."


def _known(usd: float) -> str:
    return f"at least {dollars(usd)} in all; " if usd else ""


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
