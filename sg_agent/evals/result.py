"""The result of an eval as one plain object: what `sg-agent eval --json` prints and result.json holds.

Keys are only ever added. accuracy, ci95, delta and p are None where nothing was scored.
"""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from sg_agent.evals.arms import BASELINES
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.regression import Regression
from sg_agent.evals.statistics import Comparison, Proportion, compare, holm, percentiles, proportion
from sg_agent.evals.usage import Tokens, tokens_by_role
from sg_agent.ledger import CallRecord, total_cost

Groups = Mapping[str, str | None]


class Latency(TypedDict):
    """Seconds on the clock per question, waiting for a place in a batch included."""

    p50: float
    p95: float


class ArmSummary(Proportion):
    """`n` questions asked; accuracy is over those that did not end in an error.

    The unanswered count as wrong: `unparsed`, `refused` and `truncated` as in `sg_agent.evals.outcomes`.
    accuracy_range is the accuracy over all n, had every error been wrong, and had every error been right. Tokens and
    cost are of every call of the arm that its run directory knows of, those of answers that were asked again included.
    """

    n: int
    accuracy_range: list[float]
    errors: int
    unparsed: int
    refused: int
    truncated: int
    tokens: dict[str, Tokens]
    cost_usd: float | None
    latency_s: Latency
    f1: NotRequired[float | None]


class EvalResult(TypedDict):
    """`marks` has a character per question of each arm, in the order of the rows that rows_sha256 identifies."""

    suite: str
    n: int
    seed: int
    guide: str
    solver: str
    revision: str
    run_dir: str
    arms: dict[str, ArmSummary]
    pairs: dict[str, Comparison]
    rows_sha256: str
    marks: dict[str, str]
    regression: NotRequired[Regression]


def summarise_arm(
    results: Sequence[ArmResult],
    *,
    multihop: bool,
    groups: Groups | None = None,
    superseded: Sequence[Sequence[CallRecord]] = (),
) -> ArmSummary:
    """One arm's results (at least one) in numbers; `multihop` adds F1.

    `groups` has the group of each question id, `superseded` the ledgers of answers that no longer count.
    """
    scored = [result for result in results if result["outcome"] != "error"]
    calls = [call for ledger in [*(result["ledger"] for result in results), *superseded] for call in ledger]
    p50, p95 = percentiles([result["latency_s"] for result in results], 50, 95)
    correct = correct_by_id(results)
    share = proportion(list(correct.values()), groups=[groups[i] for i in correct] if groups else None)
    right, errors = sum(correct.values()), len(results) - len(correct)
    summary: ArmSummary = {
        "n": len(results),
        "accuracy": share["accuracy"],
        "ci95": share["ci95"],
        "clusters": share["clusters"],
        "accuracy_range": [right / len(results), (right + errors) / len(results)],
        "errors": errors,
        "unparsed": sum(result["outcome"] == "unparsed" for result in scored),
        "refused": sum(result["outcome"] == "refused" for result in scored),
        "truncated": sum(result["outcome"] == "truncated" for result in scored),
        "tokens": tokens_by_role(calls),
        "cost_usd": total_cost(calls),
        "latency_s": {"p50": round(p50, 4), "p95": round(p95, 4)},
    }
    if multihop:
        f1 = [result["f1"] for result in scored if result["f1"] is not None]
        summary["f1"] = sum(f1) / len(f1) if f1 else None
    return summary


def compare_arms(
    results: Mapping[str, Sequence[ArmResult]], *, seed: int, groups: Groups | None = None
) -> dict[str, Comparison]:
    """Every arm that is no baseline against every baseline that ran, on questions that neither ended with an error.

    A baseline asked several times (cot@5) is a baseline like the others: guided is compared with cot and with cot@5,
    guided@5 with both too. Holm's adjustment is over all these pairs.
    """
    correct = {arm: correct_by_id(answers) for arm, answers in results.items()}
    baselines = [arm for name in reversed(BASELINES) for arm in results if _asked_once(arm) == name]
    pairs = {
        f"{arm}-vs-{baseline}": compare(correct[arm], correct[baseline], seed=seed, groups=groups)
        for arm in results
        if arm not in baselines
        for baseline in baselines
    }
    adjusted = holm({name: pair["p"] for name, pair in pairs.items()})
    return {name: {**pair, "p_holm": adjusted[name]} for name, pair in pairs.items()}


def _asked_once(arm: str) -> str:
    """The arm's name without the number of attempts."""
    return arm.partition("@")[0]


def correct_by_id(results: Sequence[ArmResult]) -> dict[str, bool]:
    """Question id -> right, errors left out."""
    return {result["id"]: bool(result["correct"]) for result in results if result["outcome"] != "error"}
