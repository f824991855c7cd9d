"""What `auto` saves where guiding pays on some questions only: depot, archive and general ones, 600 unseen.

A gate is fitted and calibrated on 3,600 other questions (at most 1% of what the solver alone gets right may break), and
then `auto` is run beside standard, cot and guided. Continues where it stopped, in runs/mixed.

    python benchmarks/mixed.py [--json]
"""

import argparse
import json
import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from sg_agent import EvalConfig, run_eval
from sg_agent.evals.gate.calibrate import Calibration, Goal, calibrate
from sg_agent.evals.gate.examples import read_examples
from sg_agent.evals.gate.fit import fit_gate
from sg_agent.evals.graph import ArmResult
from sg_agent.evals.run_dir import RunDir
from sg_agent.evals.store import ResultStore
from sg_agent.gate import Gate, load_gate, save_gate
from sg_agent.rows import Row
from sg_agent.worlds import Split, questions

RUNS = Path("runs") / "mixed"
UNSEEN = {"depot": 200, "archive": 200, "depot_plain": 100, "archive_plain": 100}
KNOWN = {world: 6 * count for world, count in UNSEEN.items()}
HOLD_OUT = 0.7  # a promise of 1% needs about a thousand questions that the solver alone gets right
MOST_TOKENS, MOST_GUIDANCE_TOKENS = 200, 150  # as in evidence.py
MOST_BREAKS = 0.01
ROUNDS = 2000


def rows(parts: dict[str, int], split: Split) -> list[Row]:
    """So many questions of each world; the two plain ones are what the solver can do by itself."""
    return [row for world, count in parts.items() for row in islice(questions(world, split), count)]


def evaluate(
    name: str, asked: list[Row], arms: tuple[str, ...], gate: Path | None = None
) -> dict[str, list[ArmResult]]:
    """The answers by arm."""
    RUNS.mkdir(parents=True, exist_ok=True)
    file, out = RUNS / f"{name}.jsonl", RUNS / name
    file.write_text("".join(row.model_dump_json(exclude_none=True) + "\n" for row in asked), encoding="utf-8")
    run_eval(
        EvalConfig(
            str(file),
            arms=arms,
            max_tokens=MOST_TOKENS,
            guide_max_tokens=MOST_GUIDANCE_TOKENS,
            out=out,
            policy=None if gate is None else "learned",
            gate=gate,
        )
    )
    latest = ResultStore(RunDir(out).results).peek().latest
    return {arm: [latest[row.id, arm] for row in asked] for arm in arms}


def learned_gate() -> tuple[Path, Calibration]:
    """The gate, and what its calibration promises."""
    evaluate("known", rows(KNOWN, "validation"), ("cot", "guided"))
    examples, path = read_examples([RUNS / "known"]), RUNS / "gate.json"
    gate, found = calibrate(fit_gate(examples, hold_out=HOLD_OUT).gate, examples, Goal(max_breaks=MOST_BREAKS), {})
    save_gate(gate, path)
    return path, found


def decision_ms(gate: Gate, asked: list[Row]) -> float:
    """Median milliseconds of a decision."""
    spent = []
    for i in range(ROUNDS):
        start = time.perf_counter()
        gate.decide(asked[i % len(asked)])
        spent.append(time.perf_counter() - start)
    return 1000 * median(spent)


def guide_calls(answers: list[ArmResult]) -> int:
    return sum(call["role"] == "guide" for answer in answers for call in answer["ledger"])


def compare(answers: dict[str, list[ArmResult]]) -> dict[str, Any]:
    """Accuracy, guide calls, gain over the solver alone, and what of its right answers broke."""
    right = {arm: [bool(answer["correct"]) for answer in found] for arm, found in answers.items()}
    gain = {arm: sum(right[arm]) - sum(right["cot"]) for arm in ("guided", "auto")}
    calls = {arm: guide_calls(answers[arm]) for arm in ("guided", "auto")}
    return {
        "n": len(right["cot"]),
        "errors": sum(answer["outcome"] == "error" for found in answers.values() for answer in found),
        "accuracy": {arm: sum(marks) / len(marks) for arm, marks in right.items()},
        "guide_calls": calls,
        "fewer_guide_calls": 1 - calls["auto"] / calls["guided"],
        "gain_kept": gain["auto"] / gain["guided"],
        "alone_right": sum(right["cot"]),
        "breaks": {
            arm: sum(was and not now for was, now in zip(right["cot"], right[arm], strict=True))
            for arm in ("guided", "auto")
        },
    }


def show(found: dict[str, Any]) -> None:
    arms = ", ".join(f"{arm} {share:.1%}" for arm, share in found["accuracy"].items())
    print(f"{found['n']} unseen questions, right: {arms} ({found['errors']} errors)")
    print(f"auto keeps {found['gain_kept']:.1%} of guided's gain over cot")
    print(
        f"auto breaks {found['breaks']['auto']} of the {found['alone_right']} that cot gets right "
        f"({found['breaks']['auto'] / found['alone_right']:.2%}); guided breaks {found['breaks']['guided']}"
    )
    calls = found["guide_calls"]
    print(f"guide calls: {calls['auto']} instead of {calls['guided']} ({found['fewer_guide_calls']:.0%} fewer)")
    promise = found["promise"]
    print(f"promised: {promise['breaks']:g} breaks of {promise['breakable']}, below {promise['break_rate_upper']:.2%}")
    print(f"a decision takes {found['decision_ms']:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    unseen = rows(UNSEEN, "test")
    gate, calibration = learned_gate()
    answers = evaluate("unseen", unseen, ("standard", "cot", "guided", "auto"), gate)
    found = compare(answers) | {"promise": calibration["promise"], "decision_ms": decision_ms(load_gate(gate), unseen)}
    print(json.dumps(found)) if args.json else show(found)


if __name__ == "__main__":
    main()
