"""Hosted models that refuse, hang or answer nonsense: asked again as long as the request has time, then told."""

import time
from typing import Any

import httpx
import pytest
from faulty_server import Act, FaultyServer, faulty_server
from serving import body, serving

from sg_agent.metered import MeteredModel
from sg_agent.scripted import ScriptedModel
from sg_agent.serve.arms import Models
from sg_agent.serve.config import ServeConfig

REFUSED = Act(status=429, headers={"retry-after": "1"})
BROKEN = Act(body='{"id": "call", "choices": [{"index"')


def spec(server: FaultyServer) -> str:
    return f"openai:u@{server.base_url}"


def ask(address: str, model: str = "standard/u", **more: Any) -> httpx.Response:
    return httpx.post(f"{address}/v1/chat/completions", json=body(model, **more), timeout=30)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("act", "least_s"), [(REFUSED, 1.0), (BROKEN, 0.0)], ids=["refused", "broken"])
def test_a_call_that_fails_for_a_while_is_made_again_and_counted(act: Act, least_s: float, stream: bool) -> None:
    with faulty_server(act, Act("There are 7.")) as server, serving(solvers={"u": spec(server)}) as address:
        start = time.monotonic()
        reply = ask(address, stream=stream)
        assert time.monotonic() - start >= least_s
        page = httpx.get(f"{address}/metrics").text
    assert "7." in reply.text
    assert (reply.status_code, len(server.asked)) == (200, 2)
    assert '"retries":1' in reply.text
    assert stream or reply.headers["x-sg-agent-retries"] == "1"
    assert 'sg_agent_retries_total{arm="standard",model="u"} 1.0' in page


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_that_the_request_cannot_wait_out_is_passed_on_at_once(stream: bool) -> None:
    wait = Act(status=429, headers={"retry-after": "17"})
    with faulty_server(wait) as server, serving(solvers={"u": spec(server)}, timeout_s=5) as address:
        for _ in range(2):
            start = time.monotonic()
            reply = ask(address, stream=stream)
            assert time.monotonic() - start < 2
            assert (reply.status_code, reply.headers["retry-after"]) == (429, "17")
            assert reply.json()["error"]["code"] == "rate_limit_exceeded"
        assert len(server.asked) == 1  # the second waits for the same pause
        page = httpx.get(f"{address}/metrics").text
    assert 'sg_agent_requests_total{arm="standard",model="u",status="429"} 2.0' in page


def test_a_refusal_beyond_the_servers_patience_is_passed_on_at_once() -> None:
    wait = Act(status=503, headers={"retry-after": "17"})
    with faulty_server(wait) as server, serving(solvers={"u": spec(server)}, patience_s=3) as address:
        start = time.monotonic()
        reply = ask(address)
        assert time.monotonic() - start < 2
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "17")
    assert reply.json()["error"]["code"] == "upstream_unavailable"


def test_a_spent_account_is_told_as_such_and_not_asked_again() -> None:
    spent = Act(status=429, error={"message": "pay", "code": "insufficient_quota"})
    with faulty_server(spent) as server, serving(solvers={"u": spec(server)}) as address:
        reply = ask(address)
    assert (reply.status_code, reply.json()["error"]["code"], len(server.asked)) == (429, "insufficient_quota", 1)


def test_a_call_that_hangs_is_made_again_after_its_timeout() -> None:
    with (
        faulty_server(Act(wait_s=3), Act("There are 7.")) as server,
        serving(solvers={"u": spec(server)}, call_timeout_s=0.5) as address,
    ):
        start = time.monotonic()
        reply = ask(address)
        assert time.monotonic() - start < 3
    assert (reply.status_code, reply.headers["x-sg-agent-retries"], len(server.asked)) == (200, "1", 2)


def test_a_stream_that_breaks_leaves_no_call_behind() -> None:
    endless = Act(" ".join(["on"] * 400), gap_s=0.05)  # what the retry after the cut gets
    with (
        faulty_server(Act("I add the two", cut=1), endless) as server,
        serving(solvers={"u": spec(server)}) as address,
    ):
        assert '"code":"upstream_error"' in ask(address, stream=True).text
        time.sleep(1)
        assert (len(server.asked), server.gone) == (2, 1)
        page = httpx.get(f"{address}/metrics").text
    assert 'sg_agent_upstream_in_flight{model="u",role="solver"} 0.0' in page


def test_a_guide_that_hangs_leaves_the_question_to_the_solver_in_time() -> None:
    with (
        faulty_server(Act(wait_s=5)) as guide,
        faulty_server(Act("There are 7.")) as solver,
        serving(guide=spec(guide), solvers={"u": spec(solver)}, guide_timeout_s=0.5) as address,
    ):
        start = time.monotonic()
        told = ask(address, "guided/u").json()["sg_agent"]
        assert time.monotonic() - start < 4
    assert (told["route"], len(guide.asked)) == ("direct", 1)
    assert "the guide failed" in told["reason"]


def test_a_guide_that_hangs_leaves_most_of_the_time_to_the_solver_without_a_setting() -> None:
    with (
        faulty_server(Act(wait_s=20)) as guide,
        faulty_server(Act("There are 7.")) as solver,
        serving(guide=spec(guide), solvers={"u": spec(solver)}, timeout_s=8) as address,
    ):
        reply = ask(address, "guided/u")
    assert (reply.status_code, reply.json()["sg_agent"]["route"]) == (200, "direct")


def test_the_load_of_each_hosted_model_is_in_the_metrics() -> None:
    with (
        faulty_server(REFUSED, Act("1. Add.\n2. Subtract.")) as server,
        serving(guide=spec(server), solvers={"guide": spec(server)}, max_concurrency=8) as address,
    ):
        assert ask(address, "guided/guide").status_code == 200
        page = httpx.get(f"{address}/metrics").text
    found = {
        line.removeprefix("sg_agent_upstream_") for line in page.splitlines() if line.startswith("sg_agent_upstream_")
    }
    assert found == {
        'calls_total{model="guide",outcome="answered",role="guide"} 1.0',
        'calls_total{model="guide",outcome="refused",role="guide"} 1.0',
        'calls_total{model="guide",outcome="answered",role="solver"} 1.0',
        'calls_total{model="guide",outcome="refused",role="solver"} 0.0',
        'in_flight{model="guide",role="guide"} 0.0',
        'in_flight{model="guide",role="solver"} 0.0',
        'limit{model="guide",role="guide"} 4.0',
        'limit{model="guide",role="solver"} 8.0',
    }


def test_only_hosted_models_are_throttled() -> None:
    scripted = ScriptedModel(replies=["x"])
    hosted = "openai:u@http://127.0.0.1:9/v1"
    models = Models(ServeConfig(guide=scripted, solvers={"s": scripted, "u": hosted}, call_timeout_s=5), None)
    kinds = {place: type(model) for place, model in models.each}
    assert kinds == {("guide", "guide"): ScriptedModel, ("solver", "s"): ScriptedModel, ("solver", "u"): MeteredModel}
