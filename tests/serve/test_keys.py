"""Keys, their limits, and who may be served without."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from faulty_server import Act, faulty_server
from serving import body, serving
from typer.testing import CliRunner
from upstream import upstream

from sg_agent.cli import app
from sg_agent.errors import ConfigError
from sg_agent.serve.config import check_host, name_solvers
from sg_agent.serve.errors import ApiError
from sg_agent.serve.keys import Key, digest, find_key, load_keys, new_key
from sg_agent.serve.spending import Spending


def keys_file(folder: Path, **limits: Any) -> tuple[Path, str]:
    """A file of one key with these limits beside another without, and the key."""
    secret, sha256 = new_key()
    path = folder / "keys.yaml"
    path.write_text(
        yaml.safe_dump([{"name": "alice", "sha256": sha256, **limits}, {"name": "bob", "sha256": "0" * 64}])
    )
    return path, secret


def ask(address: str, secret: str | None, **more: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return httpx.post(f"{address}/v1/chat/completions", json=body("standard/s", **more), headers=headers, timeout=60)


def test_only_known_keys_are_served(tmp_path: Path) -> None:
    path, secret = keys_file(tmp_path)
    with serving(keys=path) as address:
        assert ask(address, secret).status_code == 200
        for wrong in (None, "x", secret + "x", "0" * 64):
            reply = ask(address, wrong)
            assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_api_key")
        for path_of in ("/v1/models", "/metrics"):
            assert httpx.get(f"{address}{path_of}").status_code == 401
            assert httpx.get(f"{address}{path_of}", headers={"authorization": f"Bearer {secret}"}).status_code == 200
        for probe in ("/healthz", "/readyz"):
            assert httpx.get(f"{address}{probe}").status_code == 200


def test_a_rate_is_kept_and_says_when_to_come_back(tmp_path: Path) -> None:
    path, secret = keys_file(tmp_path, requests_per_minute=3)
    with serving(keys=path) as address, ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: ask(address, secret), range(6)))
    assert Counter(reply.status_code for reply in replies) == {200: 3, 429: 3}
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert 0 < int(refused.headers["retry-after"]) <= 61


def test_a_spend_limit_holds_under_parallel_requests(tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text('- {model: "openai:upstream", input: 1000, output: 1000}')  # 55 tokens cost $0.055
    path, secret = keys_file(tmp_path, max_usd=60.0)
    with upstream() as solver, ThreadPoolExecutor(8) as pool:
        solver.pause_s = 0.05
        with serving(keys=path, prices=prices, solvers={"s": solver.spec}) as address:
            assert ask(address, secret).json()["error"]["param"] == "max_tokens"
            replies = list(pool.map(lambda _: ask(address, secret, max_tokens=10), range(8)))
            statuses = Counter(reply.status_code for reply in replies)
    assert set(statuses) == {200, 429}
    assert {reply.json()["error"]["code"] for reply in replies if reply.status_code == 429} == {"insufficient_quota"}
    spent = Spending(path.with_name("keys.yaml.usage.sqlite")).spent_usd("alice")
    assert spent == pytest.approx(0.055 * statuses[200])
    answered = next(reply for reply in replies if reply.status_code == 200)
    assert float(answered.headers["x-sg-agent-cost-usd"]) == pytest.approx(0.055)


def test_a_key_can_pay_for_every_try_and_one_that_was_lost_is_charged(tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text('- {model: "openai:solver", input: 1000, output: 1000}')
    with faulty_server(Act(body="{not json"), Act()) as server:
        solvers = {"s": f"openai:solver@{server.base_url}"}
        for max_usd, status, asked in ((40.0, 429, 0), (60.0, 200, 2)):  # a try costs $16.5 at most
            path, secret = keys_file(tmp_path, max_usd=max_usd)
            with serving(keys=path, prices=prices, solvers=solvers) as address:
                reply = ask(address, secret, max_tokens=10)
            assert (reply.status_code, len(server.asked)) == (status, asked)
    assert "x-sg-agent-cost-usd" not in reply.headers
    assert Spending(path.with_name("keys.yaml.usage.sqlite")).spent_usd("alice") > 3 * 16.4


def test_a_request_that_fails_unbilled_costs_its_key_nothing(tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text('- {model: "openai:upstream", input: 1000, output: 1000}')
    path, secret = keys_file(tmp_path, max_usd=60.0)
    with upstream() as solver, serving(keys=path, prices=prices, solvers={"s": solver.spec}) as address:
        solver.status = 400
        assert ask(address, secret, max_tokens=10).status_code == 400
    assert Spending(path.with_name("keys.yaml.usage.sqlite")).spent_usd("alice") == pytest.approx(0)


def test_a_spend_limit_over_models_of_unknown_price_is_refused_at_the_start(tmp_path: Path) -> None:
    path, _ = keys_file(tmp_path, max_usd_per_day=1.0)
    with (
        pytest.raises(ConfigError, match="--prices"),
        serving(keys=path, solvers={"s": "openai:x@http://127.0.0.1:9/v1"}),
    ):
        pass


def test_two_processes_share_one_count(tmp_path: Path) -> None:
    one, two = Spending(tmp_path / "usage"), Spending(tmp_path / "usage")
    key = Key(name="alice", sha256="0" * 64, requests_per_minute=10, max_usd=1.0)
    outcomes: list[str] = []

    def use(spending: Spending) -> None:
        for _ in range(10):
            for act in (lambda: spending.admit(key), lambda: spending.charge(key, 0.1)):
                try:
                    act()
                    outcomes.append("let in")
                except ApiError as error:
                    outcomes.append(error.code)

    threads = [threading.Thread(target=use, args=(each,)) for each in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == {"let in": 20 - 1, "rate_limit_exceeded": 10, "insufficient_quota": 11} or Counter(
        outcomes
    ) == {"let in": 20, "rate_limit_exceeded": 10, "insufficient_quota": 10}  # ten times 0.1 is a little over 1.0
    assert one.spent_usd("alice") <= 1.0


def test_what_cannot_be_counted_is_not_served(tmp_path: Path) -> None:
    spending = Spending(tmp_path / "usage")
    spending._file.execute("DROP TABLE asked")
    with pytest.raises(ApiError) as error:
        spending.admit(Key(name="alice", sha256="0" * 64, requests_per_minute=10))
    assert error.value.status == 503


def test_every_key_is_found_by_its_hash() -> None:
    made = [new_key() for _ in range(3)]
    keys = [Key(name=str(i), sha256=sha256) for i, (_, sha256) in enumerate(made)]
    assert [find_key(keys, f"bearer {secret}").name for secret, _ in made] == ["0", "1", "2"]
    assert all(len(secret) > 40 and digest(secret) == sha256 for secret, sha256 in made)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "valid list"),
        ("[]", "holds no key"),
        ("- {name: a}", "sha256"),
        ("- {name: a, sha256: short}", "sha256"),
        (f"- {{name: a, sha256: {'a' * 64}, max_used: 1}}", "max_used"),
        (f"- {{name: a, sha256: {'a' * 64}}}\n- {{name: b, sha256: {'a' * 64}}}", "same sha256"),
        ("{", "cannot be read"),
    ],
)
def test_a_bad_file_of_keys_is_refused_without_showing_it(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "keys.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_keys(tmp_path / "keys.yaml")


def test_the_key_command_prints_an_entry_and_shows_the_key_once(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["key", "alice", "--requests-per-minute", "5", "--max-usd-per-day", "2.5"])
    assert done.exit_code == 0
    path = tmp_path / "keys.yaml"
    path.write_text(done.stdout)
    (key,) = load_keys(path)
    assert (key.requests_per_minute, key.max_usd_per_day, key.max_usd) == (5, 2.5, None)
    secret = done.stderr.split()[-1]
    assert find_key([key], f"Bearer {secret}") is key
    assert secret not in done.stdout


def test_other_addresses_than_the_loopback_need_keys(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(ConfigError, match="--keys"):
            check_host(host, None)
        check_host(host, tmp_path)
    check_host("127.0.0.1", None)


def test_solvers_are_named_after_their_models_or_as_told() -> None:
    given = ["embedded:solver", "openai:org/m@http://127.0.0.1:1/v1?a=b", "mine=openai:gpt-4.1-mini", "local:/x/y"]
    assert list(name_solvers(given)) == ["embedded", "org/m", "mine", "y"]
    with pytest.raises(ConfigError, match="two solvers are named 'embedded'"):
        name_solvers(["embedded:solver", "embedded:solver"])
