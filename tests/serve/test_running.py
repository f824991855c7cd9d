"""The command itself, in processes of its own: starting, stopping, workers, logs."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serve_command import COMMAND, Server, command
from serving import TURN, body
from upstream import Upstream, upstream


@pytest.fixture
def solver() -> Iterator[Upstream]:
    with upstream() as server:
        yield server


def ask(address: str, **more: object) -> httpx.Response:
    return httpx.post(f"{address}/v1/chat/completions", json=body("standard/u", **more), timeout=60)


@pytest.mark.slow
def test_a_signal_finishes_what_is_in_flight_and_lets_nothing_new_in(solver: Upstream) -> None:
    solver.pause_s = 0.5
    with command("--solver", f"u={solver.spec}") as server:
        replies: list[httpx.Response] = []
        whole = threading.Thread(target=lambda: replies.append(ask(server.address)))
        streamed = threading.Thread(target=lambda: replies.append(ask(server.address, stream=True)))
        with httpx.Client(base_url=server.address) as kept:
            kept.get("/healthz")
            whole.start()
            streamed.start()
            while len(solver.asked) < 2:
                time.sleep(0.01)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert kept.get("/readyz").status_code == 503
            refused = kept.post("/v1/chat/completions", json=body("standard/u"))
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "stopping")
            assert "retry-after" in refused.headers
        whole.join()
        streamed.join()
        assert server.process.wait(30) == 0
    assert [reply.status_code for reply in replies] == [200, 200]
    assert sum("[DONE]" in reply.text for reply in replies) == 1


@pytest.mark.slow
def test_the_grace_is_bounded(solver: Upstream) -> None:
    solver.pause_s = 20
    with command("--solver", f"u={solver.spec}", "--grace", "0.5") as server:
        replies: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: replies.append(ask(server.address)))
        asking.start()
        while not solver.asked:
            time.sleep(0.01)
        assert server.stop() == 0  # within 30 s, where the solver would take 80
        asking.join()
    assert (replies[0].status_code, replies[0].json()["error"]["code"]) == (503, "stopping")
    assert solver.hung_up.wait(5)


@pytest.mark.slow
def test_workers_share_port_metrics_and_limits(solver: Upstream, tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "sg_agent.cli", "key", "alice", "--requests-per-minute", "20"],
        capture_output=True,
        text=True,
        check=True,
    )
    keys, secret = tmp_path / "keys.yaml", made.stderr.split()[-1]
    keys.write_text(made.stdout)
    headers = {"authorization": f"Bearer {secret}"}
    with command("--solver", f"u={solver.spec}", "--workers", "2", "--keys", str(keys)) as server:
        statuses: Counter[int] = Counter()
        for _ in range(30):  # each on a connection of its own
            url = f"{server.address}/v1/chat/completions"
            statuses[httpx.post(url, json=body("standard/u"), headers=headers, timeout=60).status_code] += 1
        page = httpx.get(f"{server.address}/metrics", headers=headers).text
        assert server.stop() == 0
    assert statuses == {200: 20, 429: 10}
    assert 'sg_agent_requests_total{arm="standard",model="u",status="200"} 20.0' in page
    assert 'sg_agent_requests_total{arm="none",model="none",status="429"} 10.0' in page
    assert "sg_agent_in_flight 0.0" in page
    assert {line["key"] for line in server.requests} == {"alice"}
    assert secret not in "".join(server.log)


@pytest.mark.slow
def test_workers_stop_when_their_parent_is_killed(solver: Upstream) -> None:
    with command("--solver", f"u={solver.spec}", "--workers", "2") as server:
        server.process.kill()
        server.process.wait()
        with pytest.raises(httpx.TransportError):  # noqa: PT012 - it serves on for a moment
            for _ in range(300):
                httpx.get(f"{server.address}/healthz", timeout=5)
                time.sleep(0.1)


def started(server: Server, least: int, *, within_s: float) -> list[int]:
    """The process ids of the workers that have started so far, once they are at least so many."""
    end = time.monotonic() + within_s
    while len(lines := [line for line in server.log if "Started server" in line]) < least:
        assert time.monotonic() < end, server.log
        time.sleep(0.05)
    return [int(json.loads(line)["event"].split("[")[1][:-1]) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("hangs", [None, 0, 1], ids=["alone", "which hung", "while the other hangs"])
def test_a_killed_worker_is_replaced(hangs: int | None, solver: Upstream) -> None:
    """At once, though its parent may wait for an answer of its own, or of the other worker's."""
    with command("--solver", f"u={solver.spec}", "--workers", "2") as server:
        victim, other = started(server, 2, within_s=60)
        if hangs is not None:
            os.kill((victim, other)[hangs], signal.SIGSTOP)
            time.sleep(2)
        os.kill(victim, signal.SIGKILL)
        started(server, 3, within_s=30)  # a start takes some seconds
        end = time.monotonic() + 10
        if hangs == 1:
            os.kill(other, signal.SIGCONT)
        assert [ask(server.address).status_code for _ in range(6)] == [200] * 6
        assert time.monotonic() < end
        assert server.stop() == 0


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced(solver: Upstream) -> None:
    with command("--solver", f"u={solver.spec}", "--workers", "2") as server:
        os.kill(started(server, 2, within_s=60)[0], signal.SIGSTOP)
        started(server, 3, within_s=60)
        assert [ask(server.address).status_code for _ in range(6)] == [200] * 6
        assert server.stop() == 0


@pytest.mark.slow
def test_the_log_has_a_line_for_a_request_and_no_prompt(solver: Upstream) -> None:
    with command("--solver", f"u={solver.spec}") as server:
        ask(server.address, messages=[{"role": "user", "content": "the secret word is kumquat"}])
        ask(server.address, messages="wrong kumquat")
        ask(server.address, messages=[{"role": "kumquat"}])
        assert server.stop() == 0
    assert "kumquat" not in "".join(server.log)
    first, second, _ = server.requests
    assert (first["arm"], first["model"], first["status"], first["cost_usd"]) == ("standard", "u", 200, None)
    assert first["tokens"] == {"guide_input": 0, "guide_output": 0, "solver_input": 50, "solver_output": 5}
    assert (second["status"], second["error"]) == (400, "list_type")


@pytest.mark.slow
def test_content_is_logged_only_when_asked_for(solver: Upstream) -> None:
    with command("--solver", f"u={solver.spec}", "--log-content") as server:
        ask(server.address)
        assert server.stop() == 0
    (line,) = server.requests
    assert TURN["content"] in json.dumps(line["content"])
    assert "There are 7 pens." in json.dumps(line["content"])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--host", "0.0.0.0"], "--keys"),
        (["--arm", "oracle"], "unknown arm 'oracle'"),
        (["--arm", "auto"], "give --policy or --gate"),
        (["--solver", "nonsense"], "unknown model 'nonsense'"),
        (["--solver", "embedded:solver", "--solver", "embedded:solver"], "two solvers"),
        (["--keys", "/nowhere/keys.yaml"], "cannot be read"),
        (["--host", "no.such.host.invalid", "--keys", "KEYS"], "cannot listen on"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(flags: list[str], said: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text(f"- {{name: a, sha256: {'a' * 64}}}")
    given = [str(keys) if flag == "KEYS" else flag for flag in flags]
    done = subprocess.run([*COMMAND, *given], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert f"port {port}" in done.stderr
