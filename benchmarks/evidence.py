"""The README's table: arms and controls on 300 unseen questions of both worlds, and of both without their secrets.

python benchmarks/evidence.py            # print it
python benchmarks/evidence.py --write    # and put it into the README, between its markers
"""

import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from sg_agent import EvalConfig, run_eval
from sg_agent.evals.result import EvalResult

README = Path(__file__).parent.parent / "README.md"
ARMS = (
    "standard",
    "cot",
    "guided",
    "oracle",
    "placebo",
    "untrained",
    "self_plan",
    "leak",
    "guide_alone",
)
ALONE = ("standard", "cot")
SUITES = {"depot": ARMS, "archive": ARMS, "depot_plain": ALONE, "archive_plain": ALONE}
QUESTIONS = 300
# Twice what any good reply takes, and half as much again as any good plan; some bad ones would run on to the end of
# the window.
MOST_TOKENS, MOST_GUIDANCE_TOKENS = 200, 150


def cell(result: EvalResult, arm: str) -> str:
    """Accuracy with its 95% interval."""
    measured = result["arms"].get(arm)
    if measured is None or measured["ci95"] is None or measured["accuracy"] is None:
        return ""
    low, high = measured["ci95"]
    return f"{100 * measured['accuracy']:.1f} ({100 * low:.0f}-{100 * high:.0f})"


def arm_lines(results: Mapping[str, EvalResult]) -> list[str]:
    header = ["% right (95% CI)", *(f"`{name}`" for name in results)]
    lines = [[arm, *(cell(result, arm) for result in results.values())] for arm in ARMS]
    return ["| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *lines)]


def pair_lines(results: Mapping[str, EvalResult]) -> list[str]:
    """Guided against the solver alone, in points."""
    lines = ["| pair | difference | 95% CI | McNemar p (Holm) | repairs | breaks |", "|---|---|---|---|---|---|"]
    for name in ("depot", "archive"):
        for pair in ("guided-vs-standard", "guided-vs-cot", "placebo-vs-standard"):
            found = results[name]["pairs"][pair]
            assert found["delta"] is not None
            assert found["ci95"] is not None
            low, high = found["ci95"]
            lines.append(
                f"| `{name}` {pair} | {100 * found['delta']:+.1f} | {100 * low:+.1f} to {100 * high:+.1f} "
                f"| {found['p_holm']:.1g} | {found['repairs']} | {found['breaks']} |"
            )
    return lines


def main() -> None:
    runs, start = Path("runs") / "evidence", time.perf_counter()
    results = {
        name: run_eval(
            EvalConfig(
                name,
                arms=arms,
                limit=QUESTIONS,
                max_tokens=MOST_TOKENS,
                guide_max_tokens=MOST_GUIDANCE_TOKENS,
                out=runs / name,
            )
        )
        for name, arms in SUITES.items()
    }
    made = f"{QUESTIONS} unseen questions each, printed by `python benchmarks/evidence.py`."
    text = "\n".join([*arm_lines(results), "", *pair_lines(results), "", made])
    print(text)
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    if "--write" in sys.argv:
        readme = README.read_text(encoding="utf-8")
        marked = r"(?<=<!-- table:start -->\n).*?(?=<!-- table:end -->)"
        README.write_text(re.sub(marked, lambda _: text + "\n", readme, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
