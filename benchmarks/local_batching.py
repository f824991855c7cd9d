"""64 concurrent requests to a local model against the same 64 one after another.

    python benchmarks/local_batching.py                        # embedded:solver
    python benchmarks/local_batching.py local:<path> --json

Target: the concurrent ones take at most a third of the time.
"""

import argparse
import asyncio
import json
import time
from itertools import islice

from langchain_core.messages import BaseMessage

from sg_agent.local import LocalChatModel
from sg_agent.models import load_model
from sg_agent.prompts import load_prompt
from sg_agent.worlds import questions


def prompts(n: int) -> list[list[BaseMessage]]:
    """Half stock problems, half record questions, all asked for a chain of thought."""
    rows = [row for world in ("depot", "archive") for row in islice(questions(world, "test", seed=0), n // 2)]
    return [load_prompt("cot", row.task).render(row, kind=row.kind) for row in rows]


def one_by_one(model: LocalChatModel, asked: list[list[BaseMessage]]) -> list[str]:
    return [model.invoke(messages).text for messages in asked]


def together(model: LocalChatModel, asked: list[list[BaseMessage]]) -> list[str]:
    async def ask() -> list[str]:
        return [reply.text for reply in await asyncio.gather(*[model.ainvoke(messages) for messages in asked])]

    return asyncio.run(ask())


def measure(spec: str, *, n: int, max_tokens: int) -> dict[str, float | int | str]:
    model = load_model(spec, max_tokens=max_tokens)
    assert isinstance(model, LocalChatModel)
    asked = prompts(n)
    together(model, asked[:2])
    seconds, replies, forwards = [], [], []
    for way in (one_by_one, together):
        start, before = time.perf_counter(), model.forwards
        replies.append(way(model, asked))
        seconds.append(time.perf_counter() - start)
        forwards.append(model.forwards - before)
    return {
        "model": spec,
        "n": n,
        "sequential_s": seconds[0],
        "concurrent_s": seconds[1],
        "ratio": seconds[1] / seconds[0],
        "sequential_forwards": forwards[0],
        "concurrent_forwards": forwards[1],
        "same_replies": sum(a == b for a, b in zip(*replies, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="?", default="embedded:solver")
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = measure(asked.spec, n=asked.n, max_tokens=asked.max_tokens)
    if asked.json:
        print(json.dumps(found))
        return
    print(f"{found['model']}: {found['n']} requests, {found['same_replies']} replies the same both ways")
    print(f"one after another {found['sequential_s']:8.2f} s  {found['sequential_forwards']} forward passes")
    print(f"concurrent        {found['concurrent_s']:8.2f} s  {found['concurrent_forwards']} forward passes")
    print(f"ratio             {found['ratio']:8.2f}    target at most 0.33")


if __name__ == "__main__":
    main()
