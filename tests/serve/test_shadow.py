"""Shadow mode and feedback over HTTP: who is asked again, what is kept of it, and that users never notice."""

import errno
import json
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_server import ChatServer, Refusal, chat_server
from serving import PLAN, body, guide, serving, solver

from sg_agent.errors import ConfigError
from sg_agent.gate.decision import Decision, plain
from sg_agent.gate.guidance import Guidance
from sg_agent.gate.live import LiveFolder
from sg_agent.gate.policy import Always, ByFunction
from sg_agent.gate.routing import Routing
from sg_agent.rows import Row
from sg_agent.scripted import ScriptedModel
from sg_agent.serve.config import ServeConfig, ShadowConfig
from sg_agent.serve.journals import prepare
from sg_agent.serve.keys import new_key
from sg_agent.serve.shadow_check import check_budget, shadow_config

MATH = {"task": "math"}


def until(true: Callable[[], Any], seconds: float = 10) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)
    return found


def post(address: str, model: str = "guided/s", **more: Any) -> httpx.Response:
    return httpx.post(f"{address}/v1/chat/completions", json=body(model, **{"sg_agent": MATH, **more}), timeout=30)


def tell(address: str, **said: Any) -> httpx.Response:
    return httpx.post(f"{address}/v1/feedback", json=said, headers=said.pop("headers", None))


def outcomes(address: str, model: str = "s") -> dict[str, int]:
    """How many shadows ended how."""
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    found = [
        line.split() for line in lines if line.startswith("sg_agent_shadows_total{") and f'model="{model}"' in line
    ]
    return {name.split('outcome="')[1].split('"')[0]: round(float(value)) for name, value in found}


def folder(out: Path, name: str = "s") -> LiveFolder:
    return LiveFolder(out / f"solver-{name}")


def thinking(messages: Any) -> str:
    """A solver that is right with guidance alone."""
    return "Answer: 7" if "Add what came" in str(messages) else "Answer: 8"


def answers(out: Path) -> list[dict[str, str | None]]:
    return [{name: one["answer"] for name, one in line["answers"].items()} for line in folder(out).lines()[0].values()]


@pytest.mark.parametrize(
    ("model", "routing", "shown"),
    [("guided/s", Routing(), "guided"), ("cot/s", Routing(), "direct"), ("auto/s", Routing("never"), "direct")],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_other_route_is_asked_and_both_are_kept(
    tmp_path: Path, model: str, routing: Routing, shown: str, stream: bool
) -> None:
    answerer = ScriptedModel(replies=thinking, model="solver")
    with serving(solvers={"s": answerer}, routing=routing, shadow=ShadowConfig(1, tmp_path / "out")) as address:
        assert post(address, model, stream=stream).status_code == 200
        until(lambda: outcomes(address) == {"written": 1})
    (line,) = folder(tmp_path / "out").lines()[0].values()
    assert (line["shown"], answers(tmp_path / "out")) == (shown, [{"direct": "8", "guided": "7"}])
    assert line["row"]["task"] == "math"
    assert "answer" not in line["row"]
    assert set(line["answers"]["guided"]["prompts"]) == {"guide", "solver"}


def test_an_answer_that_is_there_before_its_stream_begins_is_noted_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(shadow=ShadowConfig(1, tmp_path)) as address:
        for _ in range(5):
            assert post(address, "cot@3/s", stream=True).status_code == 200
            until(lambda: sum(outcomes(address).values()))
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with serving(shadow=ShadowConfig(1, out)) as address:
        post(address)
        until(lambda: outcomes(address))
    (journal,) = (out / "solver-s").glob("*.jsonl")
    assert stat.S_IMODE(journal.stat().st_mode) == stat.S_IMODE((out / "answered.sqlite").stat().st_mode) == 0o600
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


def test_an_escalated_answer_keeps_the_cheap_one_that_it_replaced(tmp_path: Path) -> None:
    answerer = ScriptedModel(replies=lambda messages: "Answer: 7" if "Add what came" in str(messages) else "no idea")
    routing = Routing("never", stronger=ScriptedModel(replies=lambda _: "Answer: 9", model="stronger"))
    with serving(solvers={"s": answerer}, routing=routing, shadow=ShadowConfig(1, tmp_path)) as address:
        post(address, "auto/s")
        until(lambda: outcomes(address))
    assert answers(tmp_path) == [{"escalate": "9", "direct": None, "guided": "7"}]
    assert len(answerer.calls) == 2
    (line,) = folder(tmp_path).lines()[0].values()
    assert [len(line["answers"][route]["attempts"]) for route in ("direct", "escalate")] == [1, 2]


def test_what_was_answered_without_the_dropped_guidance_is_kept_as_direct(tmp_path: Path) -> None:
    class Dropping(Always):
        def reconsider(self, row: Row, guidance: Guidance) -> Decision | None:
            return plain("direct", guidance.text)

    answerer = ScriptedModel(replies=thinking, model="solver")
    with serving(
        solvers={"s": answerer}, routing=Routing(Dropping()), shadow=ShadowConfig(1, tmp_path), guidance_cache=0
    ) as address:
        post(address, "auto/s")
        until(lambda: outcomes(address))
    (line,) = folder(tmp_path).lines()[0].values()
    assert (line["shown"], answers(tmp_path)) == ("direct", [{"direct": "8", "guided": "7"}])
    roles = {route: [one["role"] for one in answer["ledger"]] for route, answer in line["answers"].items()}
    assert roles == {"direct": ["solver"], "guided": ["guide", "solver"]}


def test_only_a_share_is_asked_again_and_nothing_that_cannot_be_compared(tmp_path: Path) -> None:
    with serving(shadow=ShadowConfig(1e-9, tmp_path / "few")) as address:
        assert [post(address).status_code for _ in range(5)] == [200] * 5
        assert outcomes(address) == {}
    with serving(shadow=ShadowConfig(1, tmp_path / "all")) as address:
        requests: list[dict[str, Any]] = [
            {"sg_agent": {}}, {"n": 2}, {"sg_agent": {**MATH, "given_guidance": PLAN}}
        ]  # fmt: skip
        for asked in requests:
            assert post(address, **asked).status_code == 200
        assert post(address, "standard/s").status_code == 200
        assert outcomes(address) == {}
    assert folder(tmp_path / "all").lines() == ({}, {})


@pytest.fixture
def hosted() -> Iterator[ChatServer]:
    """A guide and a solver on one server of HTTP."""
    with chat_server(lambda asked: PLAN if asked["model"] == "guide" else thinking(asked["messages"])) as server:
        yield server


def over(
    server: ChatServer, folder: Path, *, usd: float = 100.0, per_token: float = 0.0, **config: Any
) -> dict[str, Any]:
    """A server over those two, with a price."""
    cost, prices = f"{{input: {1e6 * per_token}, output: {1e6 * per_token}, model:", folder / "prices.yaml"
    prices.write_text("".join(f'- {cost} "openai:{name}"}}\n' for name in ("guide", "solver")))
    models = {"guide": f"openai:guide@{server.base_url}", "solvers": {"s": f"openai:solver@{server.base_url}"}}
    return {**models, "prices": prices, "shadow": ShadowConfig(1, folder / "out", usd), "patience_s": 0, **config}


def test_a_shadow_that_fails_is_nobodys_error(hosted: ChatServer, tmp_path: Path) -> None:
    def guided_fails(asked: dict[str, Any]) -> str | Refusal:
        return Refusal(500, {}) if asked["model"] == "guide" else "Answer: 8"

    hosted.reply = guided_fails
    with serving(**over(hosted, tmp_path)) as address:
        reply = post(address, "cot/s", max_tokens=9)
        until(lambda: outcomes(address) == {"failed": 1}, 30)
        page = httpx.get(f"{address}/metrics").text
    assert reply.json()["sg_agent"]["answer"] == "8"
    assert 'sg_agent_requests_total{arm="cot",model="s",status="200"} 1.0' in page
    assert "sg_agent_requests_total{" in page
    assert page.count("sg_agent_requests_total{") == 1
    assert folder(tmp_path / "out").lines()[0] == {}


def test_a_disk_that_is_full_is_nobodys_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: LiveFolder) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LiveFolder, "new_journal", full)
    with serving(shadow=ShadowConfig(1, tmp_path)) as address:
        reply = post(address)
        until(lambda: outcomes(address) == {"unwritten": 1})
        told = tell(address, id=reply.json()["id"], correct=True)
    assert reply.status_code == 200
    assert (told.status_code, told.json()["error"]["code"]) == (503, "feedback_unavailable")


def test_the_user_has_the_answer_before_the_shadow_is_asked(hosted: ChatServer, tmp_path: Path) -> None:
    def slow_guide(asked: dict[str, Any]) -> str:
        time.sleep(1.0 if asked["model"] == "guide" else 0)
        return PLAN if asked["model"] == "guide" else "Answer: 8"

    hosted.reply = slow_guide
    with serving(**over(hosted, tmp_path)) as address:
        start = time.monotonic()
        for _ in range(3):
            assert post(address, "cot/s", max_tokens=9).status_code == 200
        assert time.monotonic() - start < 0.9
        until(lambda: outcomes(address) == {"written": 3})


def test_more_than_a_few_at_a_time_are_left_out(hosted: ChatServer, tmp_path: Path) -> None:
    def slow_guide(asked: dict[str, Any]) -> str:
        time.sleep(1.5 if asked["model"] == "guide" else 0)
        return PLAN if asked["model"] == "guide" else "Answer: 8"

    hosted.reply = slow_guide
    with serving(**over(hosted, tmp_path)) as address:
        for _ in range(7):
            post(address, "cot/s", max_tokens=9)
        until(lambda: outcomes(address) == {"written": 4, "busy": 3})


def test_the_budget_ends_shadows_over_restarts_too(hosted: ChatServer, tmp_path: Path) -> None:
    config = over(hosted, tmp_path, usd=152.3, per_token=0.001, guidance_cache=0)  # a shadow: $0.11, $151.8 at worst
    ended = []
    for _ in range(2):
        with serving(**config) as address:
            for asked in range(1, 9):
                post(address, "cot/s", max_tokens=9)
                until(lambda: sum(outcomes(address).values()) == asked)  # noqa: B023 - it is over before the next
            ended.append(outcomes(address))
    assert ended[0]["written"] + ended[0]["budget"] == 8
    assert ended[0]["written"] in range(1, 8)
    assert ended[1] == {"budget": 8}
    guided = [line["answers"]["guided"] for line in folder(tmp_path / "out").lines()[0].values()]
    spent = sum(call["cost_usd"] or 0.0 for one in guided for call in one["ledger"])
    assert spent == pytest.approx(0.11 * ended[0]["written"])


def test_a_reply_without_a_bound_is_not_asked_for_again(hosted: ChatServer, tmp_path: Path) -> None:
    with serving(**over(hosted, tmp_path)) as address:
        post(address)
        until(lambda: outcomes(address) == {"unbounded": 1})


def test_a_users_question_ends_a_shadow_that_would_compute_beside_it(tmp_path: Path) -> None:
    slow = ScriptedModel(replies=lambda _: PLAN, model="guide", latency_s=2.0)
    with serving(guide=slow, shadow=ShadowConfig(1, tmp_path)) as address:
        post(address, "cot/s")
        time.sleep(0.5)  # it has begun
        start = time.monotonic()
        assert post(address, "standard/s").status_code == 200
        assert time.monotonic() - start < 1
        until(lambda: outcomes(address) == {"busy": 1})


def beside_a_local_guide(hosted: ChatServer, tmp_path: Path, latency_s: float) -> dict[str, Any]:
    """A server with a hosted solver; one shadow at its worst, of three tries, is all that it can pay."""
    slow = ScriptedModel(replies=lambda _: PLAN, model="guide", latency_s=latency_s)
    config = over(hosted, tmp_path, usd=75, per_token=0.001, guidance_cache=0)
    return {**config, "guide": slow}


def test_a_shadow_that_gave_way_before_its_first_hosted_call_costs_nothing(hosted: ChatServer, tmp_path: Path) -> None:
    with serving(**beside_a_local_guide(hosted, tmp_path, 1.0)) as address:
        for given_way in (1, 2, 3):
            post(address, "cot/s", max_tokens=9)
            time.sleep(0.3)  # its guide is at work
            post(address, "standard/s", max_tokens=9)
            until(lambda: outcomes(address) == {"busy": given_way})  # noqa: B023 - it is over before the next
        post(address, "cot/s", max_tokens=9)
        until(lambda: outcomes(address) == {"busy": 3, "written": 1})


def test_a_shadow_that_waits_for_a_hosted_solver_alone_gives_no_way(hosted: ChatServer, tmp_path: Path) -> None:
    def slow_with_guidance(asked: dict[str, Any]) -> str:
        time.sleep(1.0 if "Add what came" in str(asked["messages"]) else 0)
        return "Answer: 8"

    hosted.reply = slow_with_guidance
    with serving(**beside_a_local_guide(hosted, tmp_path, 0.0)) as address:
        post(address, "cot/s", max_tokens=9)
        until(lambda: "Add what came" in str(hosted.asked))
        post(address, "standard/s", max_tokens=9)
        until(lambda: outcomes(address) == {"written": 1})


def test_stopping_calls_shadows_off(tmp_path: Path) -> None:
    slow = ScriptedModel(replies=lambda _: PLAN, model="guide", latency_s=30.0)
    with serving(guide=slow, shadow=ShadowConfig(1, tmp_path)) as address:
        post(address, "cot/s")
        time.sleep(0.5)  # it has begun
        start = time.monotonic()
    assert time.monotonic() - start < 5
    assert folder(tmp_path).lines()[0] == {}


def test_feedback_is_kept_beside_the_answers(tmp_path: Path) -> None:
    with serving(shadow=ShadowConfig(1, tmp_path)) as address:
        reply_id = post(address).json()["id"]
        said = [tell(address, id=reply_id, correct=False), tell(address, id=reply_id, answer="7")]
        page = httpx.get(f"{address}/metrics").text
        until(lambda: outcomes(address))
    assert [(one.status_code, one.json()) for one in said] == [(200, {"object": "feedback", "id": reply_id})] * 2
    (feedback,) = folder(tmp_path).lines()[1].values()
    assert (feedback["id"], feedback["correct"], feedback["answer"]) == (reply_id, False, "7")
    assert 'sg_agent_feedback_total{arm="guided",correct="false",model="s"} 1.0' in page


def test_feedback_works_without_shadows_for_every_endpoint_and_counts_once() -> None:
    with serving() as address:
        chat, response = post(address), httpx.post(f"{address}/v1/responses", json={"model": "s", "input": "How many?"})
        for reply in (chat, response, response):
            assert tell(address, id=reply.json()["id"], correct=True).status_code == 200
        page = httpx.get(f"{address}/metrics").text
    assert 'sg_agent_feedback_total{arm="guided",correct="true",model="s"} 2.0' in page


@pytest.mark.parametrize(
    ("said", "status", "code", "param"),
    [
        ({"id": "chatcmpl-unknown", "correct": True}, 404, "answer_not_found", "id"),
        ({"id": "ID"}, 400, "invalid_value", "correct"),
        ({"correct": True}, 400, "missing", "id"),
        ({"id": "ID", "correct": "yes"}, 400, "bool_type", "correct"),
        ({"id": "ID", "corect": True}, 400, "extra_forbidden", "corect"),
        ({"id": "ID", "answer": ""}, 400, "string_too_short", "answer"),
        ({"id": "ID", "answer": "7" * 70_000}, 413, "request_too_large", None),
    ],
)
def test_feedback_that_cannot_be_taken_is_an_error_as_openais(
    said: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    with serving() as address:
        reply_id = post(address).json()["id"]
        error = tell(address, **{name: reply_id if value == "ID" else value for name, value in said.items()})
    assert (error.status_code, error.json()["error"]["code"], error.json()["error"]["param"]) == (status, code, param)


def test_feedback_is_taken_only_from_whom_was_answered(tmp_path: Path) -> None:
    keys, made = tmp_path / "keys.yaml", {name: new_key() for name in ("alice", "bob")}
    keys.write_text(json.dumps([{"name": name, "sha256": sha256} for name, (_, sha256) in made.items()]))
    headers = {name: {"authorization": f"Bearer {secret}"} for name, (secret, _) in made.items()}
    with serving(keys=keys) as address:
        url = f"{address}/v1/chat/completions"
        reply_id = httpx.post(url, json=body(), headers=headers["alice"]).json()["id"]
        statuses = [
            httpx.post(f"{address}/v1/feedback", json={"id": reply_id, "correct": True}, headers=given).status_code
            for given in (None, headers["bob"], headers["alice"])
        ]
    assert statuses == [401, 404, 200]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((None, Path("x"), None), "--shadow-out 'x' needs --shadow"),
        ((None, None, 1.0), "--shadow-max-usd '1.0' needs --shadow"),
        ((1.5, Path("x"), None), "above 0 and at most 1"),
        ((0.0, Path("x"), None), "above 0 and at most 1"),
        ((0.5, None, None), "--shadow needs --shadow-out"),
    ],
)
def test_flags_that_need_each_other_say_so(given: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        shadow_config(*given)


def test_what_may_cost_needs_a_budget_and_a_price(tmp_path: Path) -> None:
    def check(max_usd: float | None, **models: Any) -> None:
        config = {"guide": guide(), "solvers": {"s": solver()}, **models}
        check_budget(ServeConfig(**config, shadow=ShadowConfig(0.1, tmp_path, max_usd)))

    check(None)
    check(None, guide="embedded:guide")
    unpriced = "openai:mine@http://127.0.0.1:9/v1"
    with pytest.raises(ConfigError, match="give --shadow-max-usd USD"):
        check(None, solvers={"s": unpriced})
    with pytest.raises(ConfigError, match=r"the price of .* is unknown; give it with"):
        check(1.0, guide=unpriced)
    (tmp_path / "prices.yaml").write_text('- {model: "openai:mine", input: 0, output: 0}')
    check(1.0, solvers={"s": unpriced}, prices=tmp_path / "prices.yaml")


def test_a_folder_of_other_models_is_refused(tmp_path: Path) -> None:
    config = ServeConfig(guide=guide(), solvers={"a/b": solver()}, shadow=ShadowConfig(1, tmp_path))
    list(prepare(config))
    list(prepare(config))
    other = ServeConfig(guide=solver(), solvers={"a/b": solver()}, shadow=ShadowConfig(1, tmp_path))
    with pytest.raises(ConfigError, match="holds answers of other models"):
        list(prepare(other))


def test_escalating_at_once_leaves_both_cheap_routes_to_the_shadow(tmp_path: Path) -> None:
    routing = Routing(
        ByFunction(lambda row: "escalate"), stronger=ScriptedModel(replies=lambda _: "Answer: 9", model="stronger")
    )
    answerer = ScriptedModel(replies=thinking, model="solver")
    with serving(solvers={"s": answerer}, routing=routing, shadow=ShadowConfig(1, tmp_path)) as address:
        post(address, "auto/s")
        until(lambda: outcomes(address))
    assert answers(tmp_path) == [{"escalate": "9", "direct": "8", "guided": "7"}]


def test_a_provider_that_refuses_a_shadow_makes_no_user_wait(hosted: ChatServer, tmp_path: Path) -> None:
    def refuses_the_guide(asked: dict[str, Any]) -> str | Refusal:
        return Refusal(429, {"retry-after": "20"}) if "Add what came" in str(asked["messages"]) else answered(asked)

    def answered(asked: dict[str, Any]) -> str:
        return PLAN if asked["model"] == "guide" else "Answer: 8"

    hosted.reply = refuses_the_guide  # the solver, with guidance
    with serving(**over(hosted, tmp_path, patience_s=30)) as address:
        for failed in (1, 2):
            start = time.monotonic()
            assert post(address, "cot/s", max_tokens=9).status_code == 200
            assert time.monotonic() - start < 2
            until(lambda: outcomes(address) == {"failed": failed})  # noqa: B023 - it is over before the next
