"""The README's table: every arm on 300 unseen questions of both worlds, and of both without house rules and offices.

python benchmarks/evidence.py            # print it
python benchmarks/evidence.py --write    # and put it into the README, between its markers
"""

import re
import sys
from pathlib import Path

from sg_agent import EvalConfig, run_eval
from sg_agent.evals.result import EvalResult

README = Path(__file__).parent.parent / "README.md"
ARMS = ("standard", "cot", "guided", "oracle", "placebo", "untrained")
SUITES = {"depot": ARMS, "archive": ARMS, "depot_plain": ("standard", "cot"), "archive_plain": ("standard", "cot")}
QUESTIONS = 300


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"


def arm_cell(result: EvalResult, arm: str) -> str:
    """Accuracy with its 95% interval."""
    measured = result["arms"].get(arm)
    if measured is None or measured["ci95"] is None:
        return "-"
    low, high = measured["ci95"]
    return f"{percent(measured['accuracy'])} ({100 * low:.0f}-{100 * high:.0f})"


def table(results: dict[str, EvalResult]) -> str:
    """Accuracy per suite and arm, then guided against the solver alone."""
    lines = [f"| {QUESTIONS} unseen questions | {' | '.join(ARMS)} |", "|---" * (len(ARMS) + 1) + "|"]
    lines += [f"| `{name}` | {' | '.join(arm_cell(result, arm) for arm in ARMS)} |" for name, result in results.items()]
    lines += ["", "| pair | difference | 95% CI | McNemar p | repairs | breaks |", "|---|---|---|---|---|---|"]
    for name in ("depot", "archive"):
        for other in ("standard", "cot"):
            pair = results[name]["pairs"][f"guided-vs-{other}"]
            assert pair["delta"] is not None
            assert pair["ci95"] is not None
            low, high = pair["ci95"]
            lines.append(
                f"| `{name}`: guided against {other} | {100 * pair['delta']:+.1f} points | {100 * low:+.1f} to "
                f"{100 * high:+.1f} | {pair['p']:.1g} | {pair['repairs']} | {pair['breaks']} |"
            )
    return "\n".join([*lines, "", "Accuracy (95% CI), printed by `python benchmarks/evidence.py`."])


def main() -> None:
    runs = Path("runs") / "evidence"
    results = {
        name: run_eval(EvalConfig(name, arms=arms, limit=QUESTIONS, out=runs / name)) for name, arms in SUITES.items()
    }
    text = table(results)
    print(text)
    if "--write" in sys.argv:
        readme = README.read_text(encoding="utf-8")
        marked = r"(?<=<!-- table:start -->\n).*?(?=<!-- table:end -->)"
        README.write_text(re.sub(marked, lambda _: text + "\n", readme, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
