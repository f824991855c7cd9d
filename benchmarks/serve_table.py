"""The numbers of `serve_load` as tables, beside what they should reach, and as the page docs/serve_load.md."""

import platform
import shlex
import sys
from pathlib import Path
from typing import Any

from proxies import LITELLM, OPTILLM, OURS, version

PAGE = Path(__file__).parent.parent / "docs" / "serve_load.md"
STANDARD, GUIDED = OURS.models
COLUMNS = {
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "added_p50_ms": "added p50",
    "added_p95_ms": "added p95",
    "requests_per_s": "requests/s",
    "cpu_ms": "CPU ms/request",
    "first_token_p50_ms": "first token p50",
    "first_token_p95_ms": "first token p95",
    "errors": "errors",
}
MOST_ADDED_MS, MOST_FIRST_TOKEN_MS, LEAST_SCRIPTED = 6.0, 10.0, 250.0
MOST_GROWTH = 1.05  # of memory, from a quarter of the requests to all
OVER_LITELLM, OVER_OPTILLM = 2.0, 4.0

Found = dict[str, Any]


def rows(found: dict[str, dict[str, float]]) -> list[str]:
    """A Markdown table, a server a row."""
    lines = [" | ".join(["| ", *COLUMNS.values(), ""]).rstrip(), "|---" * (len(COLUMNS) + 1) + "|"]
    for name, numbers in found.items():
        cells = [f"{numbers[key]:,.6g}" if key in numbers else "-" for key in COLUMNS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def checks(found: Found) -> list[tuple[str, float, bool]]:
    """What should be reached, what was, and whether that is enough. Our own first, the comparisons last."""
    one = found["workers"][1]
    memory, scripted = found["memory_mb"], found["scripted"]
    quarter, last = list(memory)[1], list(memory)[3]
    growth = memory[last] / memory[quarter]
    checked = []
    for name in (STANDARD, GUIDED):
        added, first = one[name]["added_p50_ms"], one[name].get("first_token_p50_ms", float("inf"))
        checked.append((f"{name}: at most {MOST_ADDED_MS} ms p50 added", added, added <= MOST_ADDED_MS))
        told = f"{name}: first token within {MOST_FIRST_TOKEN_MS} ms of the upstream's, p50"
        checked.append((told, first, first <= MOST_FIRST_TOKEN_MS))
        rate = scripted["requests_per_s"][name]
        told = f"{name}, model in the process: at least {LEAST_SCRIPTED} requests/s"
        checked.append((told, rate, rate >= LEAST_SCRIPTED))
    told = f"memory after {last} requests: at most {MOST_GROWTH} times that after {quarter}"
    checked.append((told, growth, growth <= MOST_GROWTH))
    for other, least in (("LiteLLM", OVER_LITELLM), ("optillm", OVER_OPTILLM)):
        times = one[STANDARD]["requests_per_s"] / one[other]["requests_per_s"]
        checked.append((f"{STANDARD}: at least {least} times {other}'s requests/s", times, times >= least))
    return checked


def ours_alone(found: Found) -> bool:
    """Whether all was reached and nothing failed."""
    failed = found["scripted"]["errors"] + found["memory_mb"]["errors"]
    failed += sum(found["workers"][1][name]["errors"] for name in (STANDARD, GUIDED))
    return not failed and all(enough for _, _, enough in checks(found))


def table(found: Found) -> str:
    """All of it, as Markdown."""
    lines: list[str] = []
    for workers, compared in found["workers"].items():
        lines += [f"**{workers} worker{'s' * (workers > 1)} each**", "", *rows(compared), ""]
    rates, cpu_ms = found["scripted"]["requests_per_s"], found["scripted"]["cpu_ms"]
    fast = "; ".join(f"{name} {rates[name]:,g} requests/s, {cpu_ms[name]:g} ms of CPU each" for name in rates)
    sizes = ", ".join(f"{size:g} MB at {int(at):,}" for at, size in found["memory_mb"].items() if at != "errors")
    lines += [f"With a scripted solver in the server's process: {fast}.", "", f"Memory: {sizes} requests.", ""]
    lines += ["| should be | is | |", "|---|---|---|"]
    lines += [f"| {told} | {value:,.4g} | {'yes' if met else 'no'} |" for told, value, met in checks(found)]
    return "\n".join([*lines, "", *settings(found)])


def settings(found: Found) -> list[str]:
    """What was compared, and how."""
    machine = found["machine"]
    return [
        f"Python {platform.python_version()}, {machine['cores']} cores shared by server, upstream and load generator; "
        f"load averages before the run: {', '.join(map(str, machine['load_before']))}. {found['rounds']} interleaved "
        f"rounds of {found['seconds']:g} s each alone (one connection: p50, p95) and under load (32 connections: "
        "requests/s, CPU); medians of the rounds, first token from 40 streams. Added: over asking the upstream "
        "directly, round by round. First token: from when the upstream sends it to when the client has it; `-` where "
        "none comes before the whole reply is there. A guided request makes two calls upstream, one after the other.",
        "",
        *[f"- {proxy.name} ({version(proxy)}): {proxy.settings}" for proxy in (OURS, LITELLM, OPTILLM)],
    ]


def page(found: Found) -> None:
    """Write docs/serve_load.md."""
    command = shlex.join(["python", "benchmarks/serve_load.py", *sys.argv[1:]])
    head = ["# What the server costs", "", f"Written by `{command}`.", ""]
    PAGE.write_text("\n".join([*head, table(found), ""]), encoding="utf-8")
