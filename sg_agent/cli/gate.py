"""`sg-agent gate`: fit a gate from eval runs, and pick its threshold."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sg_agent.cli import options

if TYPE_CHECKING:
    from sg_agent.evals.gate.calibrate import Calibration, Promise
    from sg_agent.evals.gate.examples import Examples
    from sg_agent.evals.gate.frontier import Costs
    from sg_agent.gate import Gate, GateRoute

HELP = "Learn from eval runs when to guide, and pick a threshold with a promise that it can keep."
FIT_HELP = """Fit a gate from finished eval runs. No model is called.

RUN_DIRs are runs of one suite, guide and solver with the arms that stand for the routes; --escalate names runs of a
stronger solver on the same questions. A share of the questions is held out for `sg-agent gate calibrate`. Beside FILE
stands a plot of its reliability (.reliability.svg)."""
CALIBRATE_HELP = """Show the accuracy-cost frontier of a gate on questions it has not seen, and pick its threshold.

With --max-cost, --min-accuracy or --max-breaks the threshold is written into FILE with what it promises, and the exit
code is 1 when the promise is not kept. Beside FILE stands a plot of the frontier (.frontier.svg)."""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

Runs = Annotated[list[Path], typer.Argument(metavar="RUN_DIR...", help="Run directories of `sg-agent eval`.")]
Escalate = Annotated[
    list[Path] | None, typer.Option("--escalate", help="Run of a stronger solver on the same questions; repeatable.")
]
DirectArm = Annotated[str | None, typer.Option("--direct-arm", help="Default: cot, else standard.")]
GuidedArm = Annotated[str, typer.Option("--guided-arm", help="Arm that stands for the route `guided`.")]
GuideSignals = Annotated[
    bool, typer.Option("--guide-signals", help="Also use what the guide, a local model, knows of each question.")
]
EscalateArm = Annotated[str | None, typer.Option("--escalate-arm", help="Default: that of the route `direct`.")]


@app.command("fit", help=FIT_HELP)
def fit(
    runs: Runs,
    out: Annotated[Path, typer.Option("--out", help="File for the gate; new.")],
    escalate: Escalate = None,
    direct_arm: DirectArm = None,
    guided_arm: GuidedArm = "guided",
    escalate_arm: EscalateArm = None,
    guide_signals: GuideSignals = False,
    hold_out: Annotated[float, typer.Option("--hold-out", help="Share of the questions kept for calibrate.")] = 0.3,
    json_output: options.Json = False,
    config: options.Config = None,  # noqa: ARG001 - its callback reads it
) -> None:
    """Fit, save and say how good it is."""
    from sg_agent.evals.gate.examples import read_examples
    from sg_agent.evals.gate.fit import check_out, fit_gate
    from sg_agent.evals.gate.plot import reliability
    from sg_agent.files import write_whole
    from sg_agent.gate import save_gate

    check_out(out)
    examples = read_examples(runs, escalate or (), direct=direct_arm, guided=guided_arm, escalate=escalate_arm)
    fitted = fit_gate(_known_to_guide(examples) if guide_signals else examples, hold_out=hold_out)
    gate, plot = fitted.gate, out.with_suffix(".reliability.svg")
    save_gate(gate, out)
    write_whole(plot, reliability(gate))
    for note in gate.notes:
        typer.echo(f"note: {note}", err=True)
    if json_output:
        summary = {"out": str(out), "plot": str(plot), "n": gate.passport.n, "held_out": fitted.held_out}
        typer.echo(json.dumps({**summary, "notes": gate.notes, "heads": _qualities(gate)}))
        return
    typer.echo(f"fitted on {gate.passport.n} questions, {fitted.held_out} held out")
    for name, quality in _qualities(gate).items():
        typer.echo(
            f"{name:<18} right {quality['right'] / quality['n']:6.1%}  AUC {quality['auc']:.3f}  "
            f"ECE {quality['ece']:.3f}  log loss {quality['log_loss']:.3f} (base {quality['base_log_loss']:.3f})"
        )
    typer.echo(f"gate: {out}")


@app.command("calibrate", help=CALIBRATE_HELP)
def calibrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `sg-agent gate fit` has written.")],
    runs: Runs,
    escalate: Escalate = None,
    direct_arm: DirectArm = None,
    guided_arm: GuidedArm = "guided",
    escalate_arm: EscalateArm = None,
    guide_signals: GuideSignals = False,
    max_cost: Annotated[float | None, typer.Option("--max-cost", help="Most dollars per 1,000 questions.")] = None,
    min_accuracy: Annotated[float | None, typer.Option("--min-accuracy", help="Least accuracy, 0 to 1.")] = None,
    max_breaks: Annotated[
        float | None, typer.Option("--max-breaks", help="Most of what `direct` gets right that may break, 0 to 1.")
    ] = None,
    cost: Annotated[
        list[str] | None, typer.Option("--cost", help="ROUTE=USD per 1,000 questions, over what the runs say.")
    ] = None,
    json_output: options.Json = False,
    config: options.Config = None,  # noqa: ARG001 - its callback reads it
) -> None:
    """Show the frontier; with a goal, set the gate."""
    from sg_agent.evals.gate.calibrate import Goal
    from sg_agent.evals.gate.calibrate import calibrate as calibrated
    from sg_agent.evals.gate.examples import read_examples
    from sg_agent.evals.gate.plot import frontier
    from sg_agent.files import write_whole
    from sg_agent.gate import load_gate, save_gate

    goal = Goal(max_cost, min_accuracy, max_breaks)
    goal.check()
    costs, gate = _costs(cost or []), load_gate(file)
    examples = read_examples(runs, escalate or (), direct=direct_arm, guided=guided_arm, escalate=escalate_arm)
    gate, report = calibrated(gate, _known_to_guide(examples) if guide_signals else examples, goal, costs)
    if report["promise"]:
        save_gate(gate, file)
    write_whole(file.with_suffix(".frontier.svg"), frontier(report["points"], report["promise"]))
    for note in report["notes"]:
        typer.echo(f"note: {note}", err=True)
    if json_output:
        typer.echo(json.dumps(report))
    else:
        _show(report)
    if report["promise"] and not report["promise"]["kept"]:
        raise typer.Exit(1)


def _known_to_guide(examples: "Examples") -> "Examples":
    """The questions with what the guide knows of them. Loads the guide."""
    from sg_agent.errors import ModelError
    from sg_agent.gate import GuideSignals
    from sg_agent.local import LocalChatModel
    from sg_agent.models import load_model

    guide = load_model(examples.guide.name)
    if not isinstance(guide, LocalChatModel):
        raise ModelError(f"--guide-signals needs a guide that runs in this process, not {examples.guide.name!r}")
    return examples.with_signals(GuideSignals(guide))


def _qualities(gate: "Gate") -> dict[str, dict[str, float]]:
    return {name: head.quality.model_dump(exclude={"bins"}) for name, head in gate.named_heads.items() if head.quality}


def _costs(given: list[str]) -> "Costs":
    """Dollars per question by route."""
    from sg_agent.errors import ConfigError
    from sg_agent.gate.decision import ROUTES

    costs: dict[GateRoute, float | None] = {}
    for text in given:
        name, _, amount = text.partition("=")
        route = next((route for route in ROUTES if route == name), None)
        try:
            usd = float(amount)
        except ValueError:
            usd = -1.0
        if route is None or not 0 <= usd < float("inf"):
            raise ConfigError(f"--cost {text!r}: accepted is ROUTE=USD with {', '.join(ROUTES)} and at least 0 dollars")
        costs[route] = usd / 1000
    return costs


def _show(report: "Calibration") -> None:
    """Every tenth threshold of a family, and the promise."""
    typer.echo(f"{report['n']} held-out questions ({report['dropped']} were seen in fitting)")
    typer.echo(f"{'':<18} threshold  accuracy  $/1,000   breaks  repairs   guide calls")
    shown = [
        p for i, p in enumerate(report["points"]) if p["threshold"] is None or round(100 * p["threshold"]) % 20 == 0
    ]
    for one in shown:
        at = "" if one["threshold"] is None else f"{one['threshold']:.2f}"
        usd = "unknown" if one["usd_per_1000"] is None else f"{one['usd_per_1000']:.3g}"
        line = f"{one['family']:<18} {at:>9} {one['accuracy']:9.1%} {usd:>8} {one['breaks']:8.1f} {one['repairs']:8.1f}"
        typer.echo(f"{line} {one['guide_calls']:13.1f}")
    if report["promise"]:
        typer.echo(_sentence(report["promise"]))


def _sentence(promise: "Promise") -> str:
    usd = "unknown" if promise["usd_per_1000"] is None else f"${promise['usd_per_1000']:.4g}"
    return (
        f"{promise['goal']} {promise['value']:g}: {promise['family']} at {promise['threshold']:.2f}, "
        f"{'kept' if promise['kept'] else 'NOT kept'}: accuracy {promise['accuracy']:.1%}, {usd} per 1,000, "
        f"{promise['breaks']:g} breaks of {promise['breakable']}, below {promise['break_rate_upper']:.2%} with 95% "
        f"confidence ({promise['note']})"
    )
