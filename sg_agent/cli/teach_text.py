"""What `sg-agent teach` says: progress on stderr, the summary and the plan in words."""

from sg_agent.cli.progress import Bar
from sg_agent.evals.stand_in import CHARACTERS_A_TOKEN
from sg_agent.evals.usage import format_cost
from sg_agent.training.teach.pipeline import Outcome
from sg_agent.training.teach.plan import TeachPlan
from sg_agent.training.teach.summary import TeachSummary


class TeachProgress(Bar):
    """`sg_agent.training.teach.pipeline.Progress`."""

    def __init__(self) -> None:
        super().__init__(unit="questions", projected=True)

    def advance(self, outcome: Outcome, cost_usd: float | None) -> None:
        """One question is through."""
        self.step(cost_usd, failed=outcome == "error")


def describe(summary: TeachSummary) -> str:
    """The summary in a few lines."""
    lines = [f"{summary['kept']} of {summary['n']} rows kept in {summary['out']}, by {summary['teacher']}"]
    if rejected := {name: count for name, count in summary["rejected"].items() if count}:
        lines.append("rejected: " + ", ".join(f"{name} {count}" for name, count in rejected.items()))
    if "eval-overlap" in summary["rejected"] and not summary["eval_rows"]:
        lines.append("not compared with the questions of any eval: name them with --eval-file FILE")
    for role, use in summary["use"].items():
        if use["calls"]:
            tokens = f"{use['tokens']['input']} tokens in, {use['tokens']['output']} out"
            lines.append(f"{role}: {use['calls']} calls, {tokens}, {format_cost(use['cost_usd'])}")
    return "\n".join(lines)


def describe_plan(plan: TeachPlan) -> str:
    """The plan in a few lines."""
    lines = [f"{plan['suite']}: {plan['n']} questions, {plan['done']} done in {plan['out']}"]
    for call in plan["calls"]:
        tokens = f"about {call['input_tokens']} tokens in, {call['output_tokens']} out ({call['output_from']})"
        lines.append(
            f"{call['role']} {call['model']}: {call['calls']} calls, {tokens}, {format_cost(call['cost_usd'])}"
        )
    budget = "" if plan["max_cost_usd"] is None else f", budget {format_cost(plan['max_cost_usd'])}"
    spent = f"{format_cost(plan['spent_usd'])} spent so far{budget}"
    lines.append(f"{plan['total_calls']} calls, about {format_cost(plan['cost_usd'])}; {spent}")
    lines.append(f"Input tokens: characters / {CHARACTERS_A_TOKEN}. Failed calls are repeated: not counted.")
    lines.append("Nothing was loaded, asked or written.")
    return "\n".join(lines)
