"""How much of what a model is sent is the same for all questions of a suite, and so may come from a provider's cache.

Counted in characters, of which a token has about four; hosted caches take prefixes of some 1,000 tokens and more.

    python benchmarks/stable_prefix.py --shots 0 4 16
"""

import argparse
from collections.abc import Sequence
from itertools import takewhile

from langchain_core.messages import BaseMessage

from sg_agent.evals.suites import load_suite
from sg_agent.prompts import Phase, few_shot, load_prompt
from sg_agent.rows import Row

PHASES: tuple[Phase, ...] = ("standard", "cot", "solver", "guide")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", nargs="+", default=["depot", "archive"])
    parser.add_argument("--shots", nargs="+", type=int, default=[0, 4])
    parser.add_argument("--limit", type=int, default=100)
    asked = parser.parse_args()
    print("| suite | shots | prompt | characters | the same | share |\n|---|---|---|---|---|---|")
    for suite in asked.suites:
        rows = load_suite(suite, limit=asked.limit + max(asked.shots)).rows
        for shots in asked.shots:
            for phase in PHASES:
                prompts = [sent(phase, row, rows[asked.limit : asked.limit + shots]) for row in rows[: asked.limit]]
                mean, same = sum(map(len, prompts)) / len(prompts), shared(prompts)
                print(f"| {suite} | {shots} | {phase} | {mean:.0f} | {same} | {same / mean:.0%} |")


def sent(phase: Phase, row: Row, examples: Sequence[Row]) -> str:
    """The messages as one text, each behind its role."""
    prompt = load_prompt(phase, row.task)
    guidance, kind = (row.gold if phase == "solver" else None), (row.kind if phase == "guide" else None)
    messages: list[BaseMessage] = few_shot.render(prompt, phase, row, examples=examples, guidance=guidance, kind=kind)
    return "".join(f"<{message.type}>{message.text}" for message in messages)


def shared(texts: Sequence[str]) -> int:
    """How many characters all texts begin with alike."""
    return sum(1 for _ in takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False)))


if __name__ == "__main__":
    main()
