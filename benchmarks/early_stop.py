"""How many attempts a vote takes when it may stop early, beside all of them, on the embedded pair; same answers or not.

python benchmarks/early_stop.py [--k 5] [--limit 100] [--arm guided] [--json]
"""

import argparse
import asyncio
import json
from typing import cast

from sg_agent import cot, guided, load_model
from sg_agent.evals.arms import question_input
from sg_agent.evals.suites import load_suite
from sg_agent.graphs import GraphOutput, QuestionInput, Settings

IN_FLIGHT = 48


async def run(suite: str, arm: str, limit: int, settings: Settings) -> list[GraphOutput]:
    solver = load_model("embedded:solver")
    graph = (cot(solver) if arm == "cot" else guided("embedded:guide", solver)).compile()
    places = asyncio.Semaphore(IN_FLIGHT)

    async def ask(question: QuestionInput) -> GraphOutput:
        async with places:
            return cast("GraphOutput", await graph.ainvoke(question, context=settings))

    return await asyncio.gather(*(ask(question_input(row)) for row in load_suite(suite, limit=limit).rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--arm", choices=("cot", "guided"), default="guided")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = {}
    for suite in ("depot", "archive"):
        all_of_them, early = (
            asyncio.run(run(suite, args.arm, args.limit, Settings(args.k, stop, seed=0, guide_temperature=0.0)))
            for stop in (False, True)
        )
        made, fixed = (sum(len(output["attempts"]) for output in outputs) for outputs in (early, all_of_them))
        same = sum(a["answer"] == b["answer"] for a, b in zip(early, all_of_them, strict=True))
        found[suite] = {"attempts": made, "fixed": fixed, "saved": 1 - made / fixed, "same": same, "n": len(early)}
    if args.json:
        print(json.dumps(found))
        return
    for suite, it in found.items():
        print(
            f"{suite}: {args.arm}@{args.k} took {it['attempts']} attempts instead of {it['fixed']} "
            f"({it['saved']:.0%} fewer); {it['same']} of {it['n']} answers are the same"
        )


if __name__ == "__main__":
    main()
