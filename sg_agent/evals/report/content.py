"""The numbers of a report as one plain object, result.json. What the renderers show is in it or in a result."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sg_agent.evals.bill import Bill, Saving, bill, savings
from sg_agent.evals.break_even import BreakEven, break_evens
from sg_agent.evals.breakdown import Breakdown, by_group, by_steps
from sg_agent.evals.evidence import Evidence
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.leak_meter import LeakMeter, leak_meters
from sg_agent.evals.pricing import GivenPrices
from sg_agent.evals.result import EvalResult
from sg_agent.evals.solver_names import solver_names
from sg_agent.evals.usage import ran_here
from sg_agent.ledger import CallRecord


class Report(EvalResult):
    """The result of the eval and what else the report shows. Keys are only ever added.

    `bill` is by arm, `savings` by pair. `hosted_tokens` are input and output tokens per question that a host bills, by
    arm. `prompts` is arm -> phase -> the ids and hashes of the templates used.
    """

    steps: Breakdown
    groups: Breakdown
    leaks: dict[str, LeakMeter]
    bill: dict[str, Bill]
    savings: dict[str, Saving]
    break_even: dict[str, BreakEven]
    hosted_tokens: dict[str, float]
    prompts: dict[str, dict[str, list[str]]]
    commands: list[str]
    revisions: list[str]
    versions: dict[str, str]


def report_of(evidence: Evidence, prices: GivenPrices) -> Report:
    """Everything that the report says in numbers. Raises ConfigError for a price that is none."""
    rows, results, record = evidence.rows, evidence.results, evidence.record
    pairs = evidence.pairs()
    prices = replace(prices, solver=solver_names(evidence.result["solver"], results))
    baselines: dict[str, list[str]] = {}
    for arm, baseline in pairs.values():
        baselines.setdefault(arm, []).append(baseline)
    bills = {arm: bill(answers, prices, superseded=evidence.superseded[arm]) for arm, answers in results.items()}
    return {
        **evidence.result,
        "steps": by_steps(rows, results),
        "groups": by_group(rows, results),
        "leaks": leak_meters(rows, results, evidence.leaks, baselines),
        "bill": bills,
        "savings": savings(bills, pairs, evidence.result["pairs"]),
        "break_even": break_evens(results, pairs, prices),
        "hosted_tokens": {arm: _hosted_tokens(found, evidence.superseded[arm]) for arm, found in results.items()},
        "prompts": {arm: _prompts(answers) for arm, answers in results.items()},
        "commands": record.commands,
        "revisions": record.revisions,
        "versions": record.versions,
    }


def _hosted_tokens(answers: Sequence[ArmResult], superseded: Sequence[Sequence[CallRecord]]) -> float:
    calls = [call for ledger in [*(answer["ledger"] for answer in answers), *superseded] for call in ledger]
    billed = [call for call in calls if not ran_here(call) and not call["cached"]]
    return sum(call["input_tokens"] + call["output_tokens"] for call in billed) / len(answers)


def _prompts(answers: Sequence[ArmResult]) -> dict[str, list[str]]:
    used: dict[str, set[str]] = {}
    stamped: list[Mapping[str, str]] = [answer["prompts"] for answer in answers]
    for prompts in stamped:
        for phase, stamp in prompts.items():
            used.setdefault(phase, set()).add(stamp)
    return {phase: sorted(stamps) for phase, stamps in sorted(used.items())}
