"""What `sg-agent serve` costs beside the calls it makes, against LiteLLM's proxy and optillm in the same run.

All pass to the same local upstream, which answers at once: added milliseconds a request, requests a second, processor
time a request, and how much later than the upstream's the first token of a stream comes. Our server also with a
scripted solver in its own process, and its memory over 20,000 requests. Rounds are interleaved, numbers are medians.

python benchmarks/serve_load.py [--rounds 5] [--seconds 3] [--workers 1,2] [--requests 20000] [--json] [--write]
"""

import argparse
import json
import signal
import sys
from contextlib import ExitStack
from statistics import median
from typing import Any

import psutil
from fake_upstream import fake_upstream
from http_load import NUMBER, Load, Request, load, percentile
from proxies import LITELLM, OPTILLM, OURS, SCRIPTED, Running, running
from serve_table import ours_alone, page, table

DIRECT = "upstream, directly"
CONCURRENCY, STREAMS, WARM_UP = 32, 40, 64
MEMORY_PARTS = (0, 0.25, 0.5, 1)
QUESTION = f"Order {NUMBER}: there are 3 pens in a box. On Monday 4 came, on Tuesday 2 were sold. How many are there?"
Numbers = dict[str, list[float]]


def asked(port: int, model: str, *, stream: bool = False) -> Request:
    """A chat completion of `model` from the server at `port`."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": QUESTION}]}
    if stream:
        return Request(port, "/v1/chat/completions", {**body, "stream": True}, b"word3")
    return Request(port, "/v1/chat/completions", body, b"Answer: 12")


def processor_s(pid: int) -> float:
    """Processor seconds of a server so far, its workers' included."""
    process = psutil.Process(pid)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def resident_mb(pid: int) -> float:
    """Resident megabytes of a server, its workers' included."""
    process = psutil.Process(pid)
    sizes = [each.memory_info().rss for each in (process, *process.children(recursive=True))]
    return round(float(sum(sizes)) / 2**20, 1)


def one_round(targets: dict[str, tuple[Request, int | None]], seconds: float, found: dict[str, Numbers]) -> None:
    """Every target once: alone on one connection, then under load."""
    for name, (request, pid) in targets.items():
        alone = load(request, concurrency=1, seconds=seconds)
        before = processor_s(pid) if pid else 0.0
        loaded = load(request, concurrency=CONCURRENCY, seconds=seconds)
        spent = processor_s(pid) - before if pid else 0.0
        add(found[name], "p50_ms", alone.ms(50))
        add(found[name], "p95_ms", alone.ms(95))
        add(found[name], "requests_per_s", loaded.rate)
        add(found[name], "cpu_ms", 1000 * spent / loaded.statuses.total())
        add(found[name], "errors", alone.errors + loaded.errors)


def add(numbers: Numbers, name: str, value: float) -> None:
    numbers.setdefault(name, []).append(value)


def first_tokens(targets: dict[str, tuple[Request, int | None]], found: dict[str, Numbers]) -> None:
    """How long the first token was on its way; nothing for a server that first waits for the whole reply."""
    for name, (request, _) in targets.items():
        body = request.body
        streamed: Load = load(asked(request.port, body["model"], stream=True), concurrency=1, requests=STREAMS)
        if len(streamed.first_token_s) > STREAMS // 2:
            add(found[name], "first_token_p50_ms", 1000 * percentile(streamed.first_token_s, 50))
            add(found[name], "first_token_p95_ms", 1000 * percentile(streamed.first_token_s, 95))
        elif streamed.statuses["200"] + streamed.statuses["unexpected"] < STREAMS:
            add(found[name], "errors", streamed.errors)


def summary(found: dict[str, Numbers]) -> dict[str, dict[str, float]]:
    """Medians of the rounds; what is added is taken round by round. Errors are summed."""
    rows: dict[str, dict[str, float]] = {}
    for name, numbers in found.items():
        rows[name] = {key: round(median(values), 3) for key, values in numbers.items()}
        rows[name]["errors"] = sum(numbers["errors"])
        for part in ("p50_ms", "p95_ms"):
            pairs = zip(numbers[part], found[DIRECT][part], strict=True)
            rows[name][f"added_{part}"] = round(median(mine - direct for mine, direct in pairs), 3)
    return rows


def compare(workers: int, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Our server and the others, with so many workers each; optillm has none, and so only the line with one."""
    proxies = [OURS, LITELLM, *([OPTILLM] if workers == 1 else [])]
    with ExitStack() as stack:
        upstream = stack.enter_context(fake_upstream())
        targets: dict[str, tuple[Request, int | None]] = {DIRECT: (asked(upstream, "solver"), None)}
        for proxy in proxies:
            server: Running = stack.enter_context(running(proxy, upstream, workers))
            targets.update({row: (asked(server.port, model), server.pid) for row, model in proxy.models.items()})
        found: dict[str, Numbers] = {name: {} for name in targets}
        for request, _ in targets.values():
            load(request, concurrency=CONCURRENCY, requests=WARM_UP)
        for number in range(rounds):
            print(f"{workers} worker(s): round {number + 1} of {rounds}", file=sys.stderr)
            one_round(targets, seconds, found)
        first_tokens(targets, found)
    return summary(found)


def scripted(rounds: int, seconds: float) -> dict[str, Any]:
    """Requests a second, and processor time of each, with models that answer inside the server's process."""
    with running(SCRIPTED, 0) as server:
        rates, cpu_ms, errors = dict[str, float](), dict[str, float](), 0
        for row, model in SCRIPTED.models.items():
            request = asked(server.port, model)
            load(request, concurrency=CONCURRENCY, requests=WARM_UP)
            before = processor_s(server.pid)
            loads = [load(request, concurrency=CONCURRENCY, seconds=seconds) for _ in range(rounds)]
            spent = processor_s(server.pid) - before
            rates[row] = round(median(each.rate for each in loads), 1)
            cpu_ms[row] = round(1000 * spent / sum(each.statuses.total() for each in loads), 2)
            errors += sum(each.errors for each in loads)
        return {"requests_per_s": rates, "cpu_ms": cpu_ms, "errors": errors}


def memory(requests: int) -> dict[str, float]:
    """Resident megabytes after so many requests: guided ones and plain ones, every tenth of them a stream."""
    sizes: dict[str, float] = {}
    with fake_upstream() as upstream, running(OURS, upstream) as server:
        mixed = [(asked(server.port, model, stream=stream), share) for model, stream, share in MIX]
        for request, _ in mixed:
            load(request, concurrency=CONCURRENCY, requests=WARM_UP)
        done = errors = 0
        for at in (round(part * requests) for part in MEMORY_PARTS):
            for request, share in mixed:
                errors += load(request, concurrency=CONCURRENCY, requests=round((at - done) * share)).errors
            done, sizes[str(at)] = at, resident_mb(server.pid)
            print(f"{at} requests: {sizes[str(at)]} MB", file=sys.stderr)
    return {**sizes, "errors": errors}


MIX = [("standard/solver", False, 0.45), ("guided/solver", False, 0.45), ("guided/solver", True, 0.1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--workers", default="1", help="numbers of workers, such as 1,2")
    parser.add_argument("--requests", type=int, default=20_000, help="after which memory is compared")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="also into docs/serve_load.md")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers are stopped then too
    for proxy in (LITELLM, OPTILLM):
        proxy.install()
    machine = {"cores": psutil.cpu_count(), "load_before": [round(part, 1) for part in psutil.getloadavg()]}
    compared = {int(each): compare(int(each), given.rounds, given.seconds) for each in given.workers.split(",")}
    found = {
        "machine": machine,
        "rounds": given.rounds,
        "seconds": given.seconds,
        "workers": compared,
        "scripted": scripted(given.rounds, given.seconds),
        "memory_mb": memory(given.requests),
    }
    print(json.dumps(found) if given.json else table(found))
    if given.write:
        page(found)
    sys.exit(not ours_alone(found))


if __name__ == "__main__":
    main()
