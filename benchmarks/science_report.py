"""docs/science/README.md and its plots, out of docs/science/rows.jsonl: `python benchmarks/science_report.py`.

Mean over the seeds that are done, with the lowest and highest; every number stands in a row of rows.jsonl.
"""

import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

FOLDER = Path(__file__).parent.parent / "docs" / "science"
Row = dict[str, Any]
KINDS = (("guide", "guide", "tab:blue"), ("cot", "tuned on chains of thought", "tab:orange"))
WORDS = FOLDER / "words.md"


def read_rows() -> list[Row]:
    return [json.loads(line) for line in (FOLDER / "rows.jsonl").read_text(encoding="utf-8").splitlines()]


def spread(rows: list[Row]) -> str:
    """Mean (lowest-highest, n seeds), in points."""
    if not rows:
        return ""
    values = [100 * row["accuracy"] for row in rows]
    return f"{fmean(values):.1f} ({min(values):.1f}-{max(values):.1f}, {len(values)})"


def by(rows: list[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row.get(key) for key in keys)].append(row)
    return groups


def curve_lines(rows: list[Row], world: str) -> list[str]:
    """The learning curve: guide and chain-of-thought tuning on the same rows, and on ten times as many."""
    found = by([row for row in rows if row["world"] == world], "kind", "rows")
    sizes = sorted({size for kind, size in found if kind in ("guide", "cot")})
    lines = [
        "| rows | guide, frozen solver | tuned on chains of thought | the same on ten times the rows |",
        "|---|---|---|---|",
    ]
    for size in sizes:
        cells = (found.get((kind, rows), []) for kind, rows in (("guide", size), ("cot", size), ("cot", 10 * size)))
        lines.append(f"| {size} | " + " | ".join(map(spread, cells)) + " |")
    return lines


def rl_lines(rows: list[Row]) -> list[str]:
    """What RL adds to the guide that it began with, by reward; compared seed by seed."""
    start = {
        row["seed"]: row for row in rows if row["kind"] == "guide" and row["world"] == "depot" and row["rows"] == 100
    }
    lines = ["| reward | before | after | gain, points | leaks, highest |", "|---|---|---|---|---|"]
    for (reward,), after in sorted(by([row for row in rows if row["kind"] == "rl"], "reward").items()):
        gains = [100 * (row["accuracy"] - start[row["seed"]]["accuracy"]) for row in after]
        before = [start[row["seed"]] for row in after]
        leak = max(row["leak_share"] or 0.0 for row in after)
        gain = f"{fmean(gains):+.1f} ({min(gains):+.1f} to {max(gains):+.1f})"
        lines.append(f"| {reward} | {spread(before)} | {spread(after)} | {gain} | {100 * leak:.1f}% |")
    return lines


def ablation_lines(rows: list[Row]) -> list[str]:
    found = by([row for row in rows if row["kind"] == "ablation"], "guide", "solver")
    lines = ["| | frozen solver | solver tuned on chains of thought |", "|---|---|---|"]
    for guide in ("untrained", "trained"):
        cells = (found.get((guide, solver), []) for solver in ("frozen", "cot-tuned"))
        lines.append(f"| {guide} guide | " + " | ".join(map(spread, cells)) + " |")
    return lines


def transfer_lines(rows: list[Row]) -> list[str]:
    """The second solver alone, with gold guidance, and with guides that never met it; the first solver beside it."""
    other = by([row for row in rows if row["kind"] == "transfer"], "arm", "guide")
    first = by([row for row in rows if row["world"] == "depot"], "kind", "rows", "reward")
    lines = ["| guidance | with the second solver | with the solver it was trained with |", "|---|---|---|"]
    for words, key, trained in (
        ("none, answer at once", ("standard", "none"), []),
        ("none, chain of thought", ("cot", "none"), []),
        ("of the guide on 100 rows", ("guided", "distilled"), first.get(("guide", 100, ""), [])),
        ("of the same after RL", ("guided", "after RL"), first.get(("rl", 1000, "uplift"), [])),
        ("gold", ("oracle", "gold"), []),
    ):
        lines.append(f"| {words} | {spread(other.get(key, []))} | {spread(trained)} |")
    return lines


def plot(rows: list[Row]) -> None:
    """learning_curve.png: accuracy against rows, one line per kind of tuning, a dot per seed."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    worlds = sorted({row["world"] for row in rows}, reverse=True)
    figure, axes = pyplot.subplots(1, len(worlds), figsize=(5.5 * len(worlds), 4), squeeze=False, sharey=True)
    for axis, world in zip(axes[0], worlds, strict=True):
        for kind, label, colour in (
            ("guide", "guide", "tab:blue"),
            ("cot", "tuned on chains of thought", "tab:orange"),
        ):
            found = by([row for row in rows if (row["kind"], row["world"]) == (kind, world)], "rows")
            sizes = sorted(size for (size,) in found)
            means = [100 * fmean(row["accuracy"] for row in found[size,]) for size in sizes]
            axis.plot(sizes, means, label=label, color=colour)
            for size in sizes:
                axis.scatter(
                    [size] * len(found[size,]), [100 * row["accuracy"] for row in found[size,]], color=colour, s=14
                )
        axis.set(xscale="log", xlabel="rows", title=world, ylim=(0, 100))
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("% right of 300 unseen questions")
    axes[0][0].legend()
    figure.savefig(FOLDER / "learning_curve.png", dpi=110, bbox_inches="tight")


def main() -> None:
    rows = read_rows()
    parts = [
        WORDS.read_text(encoding="utf-8").strip(),
        "Cells: % right of 300 unseen questions, mean over seeds (lowest-highest, seeds).",
        *(
            text
            for world in ("depot", "archive")
            if any(row["world"] == world for row in rows)
            for text in (f"## Learning curve, `{world}`", "\n".join(curve_lines(rows, world)))
        ),
        "![accuracy against rows](learning_curve.png)",
        "## RL, from the guide distilled on 100 rows, on 1,000 other questions",
        "\n".join(rl_lines(rows)),
        "## Ablation, both trained on 1,000 rows",
        "\n".join(ablation_lines(rows)),
        "## Transfer: guides trained with one solver, used with a smaller one of another seed",
        "\n".join(transfer_lines(rows)),
        f"Made from the {len(rows)} rows of `rows.jsonl` by `python benchmarks/science_report.py`.",
    ]
    (FOLDER / "README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    plot(rows)
    print("\n\n".join(parts))


if __name__ == "__main__":
    main()
