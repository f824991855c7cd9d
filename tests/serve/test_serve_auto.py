"""The arm `auto` as it is served: where it is offered, what it tells of its decisions, and what it streams when."""

import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from gate_heads import cascading, head, make
from serving import PLAN, body, guide, serving, solver

from sg_agent.errors import ConfigError, ModelError
from sg_agent.gate import Gate, save_gate
from sg_agent.gate.decision import Decision
from sg_agent.gate.gate import Known
from sg_agent.gate.policy import ByFunction
from sg_agent.gate.routing import Routing
from sg_agent.rows import Row
from sg_agent.scripted import ScriptedModel
from sg_agent.serve.config import ServeConfig
from sg_agent.serve.keys import new_key
from sg_agent.serve.routing import auto_offer

MATH = {"task": "math"}
SHORT, LONG = "3 pens and 4?", "There are 3 pens. 4 came. How many?"
ESCALATE = ByFunction(lambda row: "escalate")


def stronger(text: str = "Surely 7.\nAnswer: 7") -> ScriptedModel:
    return ScriptedModel(replies=lambda _: text, model="stronger")


def fitted(path: Path, gate: Gate, **names: str) -> Path:
    """The gate's file, fitted for the scripted models, or those named."""
    known = {
        role: Known(name=name)
        for role, name in {"guide": "scriptedmodel:guide", "solver": "scriptedmodel:solver", **names}.items()
    }
    save_gate(gate.model_copy(update={"passport": gate.passport.model_copy(update=known)}), path)
    return path


def post(address: str, model: str = "auto/s", question: str = SHORT, **more: Any) -> httpx.Response:
    asked = body(model, **{"messages": [{"role": "user", "content": question}], "sg_agent": MATH, **more})
    return httpx.post(f"{address}/v1/chat/completions", json=asked, timeout=30)


def streamed(address: str, **more: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The deltas that say something, and what the last chunk tells."""
    lines = [line.removeprefix("data: ") for line in post(address, stream=True, **more).text.splitlines() if line]
    assert lines[-1] == "[DONE]", lines[-1]
    chunks = [json.loads(line) for line in lines[:-1]]
    said = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert {choice["index"] for chunk in chunks for choice in chunk["choices"]} == {0}
    return [{k: v for k, v in delta.items() if k != "role"} for delta in said if delta], chunks[-1]["sg_agent"]


def test_a_gate_decides_per_question_and_every_reply_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sg_agent.serve.requests")
    gate = fitted(tmp_path / "gate.json", make())
    with serving(routing=Routing(gate=gate)) as address:
        replies = [post(address, question=question) for question in (SHORT, LONG)]
        page = httpx.get(f"{address}/metrics").text
    told = [reply.json()["sg_agent"] for reply in replies]
    assert [reply.headers["x-sg-agent-route"] for reply in replies] == ["direct", "guided"]
    assert [(one["route"], one["decision"]["route"], one["recheck"]) for one in told] == [
        ("direct", "direct", None), ("guided", "guided", None)
    ]  # fmt: skip
    assert set(told[1]["decision"]["scores"]) == {"direct", "guided"}
    lines = [record.fields for record in caplog.records]  # type: ignore[attr-defined]
    assert [(line["route"], line["decision"]) for line in lines] == [(one["route"], one["decision"]) for one in told]
    assert "pens" not in str(lines)
    assert 'sg_agent_routes_total{decided="direct",model="s",route="direct"} 1.0' in page
    assert 'sg_agent_routes_total{decided="guided",model="s",route="guided"} 1.0' in page


@pytest.mark.parametrize("stream", [False, True])
def test_guidance_that_is_dropped_is_shown_to_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    caplog.set_level(logging.INFO, "sg_agent.serve.requests")
    gate = make(second=head("guidance:characters", 0.0, -5.0), looks_again=True)
    with serving(routing=Routing(gate=fitted(tmp_path / "gate.json", gate))) as address:
        if stream:
            deltas, told = streamed(address, question=LONG)
            assert "sg_agent_guidance" not in str(deltas)
            assert "Add what came" not in str(deltas)
        else:
            told = post(address, question=LONG).json()["sg_agent"]
        page = httpx.get(f"{address}/metrics").text
    assert (told["route"], told["guidance"], told["reconsidered"]["route"]) == ("direct", None, "direct")
    (line,) = (record.fields for record in caplog.records)  # type: ignore[attr-defined]
    assert (line["guide"], line["decision"]["route"]) == ("dropped", "guided")
    assert line["reconsidered"] == told["reconsidered"]
    assert 'outcome="dropped"' in page
    assert 'sg_agent_routes_total{decided="guided",model="s",route="direct"} 1.0' in page


def test_the_responses_endpoint_and_a_vote_are_routed_too() -> None:
    with serving(routing=Routing("never")) as address:
        asked = {"model": "auto@3/s", "input": SHORT, "sg_agent": MATH}
        response = httpx.post(f"{address}/v1/responses", json=asked)
    assert response.headers["x-sg-agent-route"] == "direct"
    assert response.json()["sg_agent"]["decision"]["reason"] == "never guided"
    assert response.json()["model"] == "auto@3/s"


def test_without_a_policy_it_is_not_offered_and_the_error_names_the_flag() -> None:
    with serving() as address:
        named, field = post(address), post(address, "s", sg_agent={"arm": "auto"})
        models = httpx.get(f"{address}/v1/models").json()["data"]
    assert (named.status_code, named.json()["error"]["code"]) == (404, "model_not_found")
    assert (field.status_code, field.json()["error"]["param"]) == (400, "sg_agent.arm")
    for reply in (named, field):
        assert "--policy or --gate" in reply.json()["error"]["message"]
    assert "auto/s" not in {model["id"] for model in models}


def test_a_gate_is_offered_only_for_the_solver_that_it_was_fitted_for(tmp_path: Path) -> None:
    gate = fitted(tmp_path / "gate.json", make())
    other = ScriptedModel(replies=lambda _: "7", model="other")
    with serving(solvers={"s": solver(), "o": other}, routing=Routing(gate=gate)) as address:
        names = {model["id"] for model in httpx.get(f"{address}/v1/models").json()["data"]}
        assert {"auto/s", "guided/o"} < names
        assert "auto/o" not in names
        refused = post(address, "auto/o")
    assert refused.status_code == 404
    assert "fitted for another solver" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("change", "routing", "error", "said"),
    [
        ({"solvers": {"o": "openai:other@http://127.0.0.1:9/v1"}}, {"gate": "GATE"}, ModelError, "for the solver"),
        ({"guide": "openai:other@http://127.0.0.1:9/v1"}, {"gate": "GATE"}, ModelError, "fitted for the guide"),
        ({"solvers": {"s": solver(), "o": stronger()}, "arm": "auto"}, {"gate": "GATE"}, ModelError, "for the solver"),
        ({}, {"policy": "by_task:math=escalate"}, ConfigError, "no stronger solver"),
        ({}, {"policy": "always", "gate": "GATE"}, ConfigError, "leave one out"),
        ({}, {"gate": "/nowhere/gate.json"}, ConfigError, "cannot be read"),
        ({"arm": "auto"}, {}, ConfigError, "--policy or --gate"),
    ],
)  # fmt: skip
def test_what_cannot_be_routed_refuses_to_start(
    tmp_path: Path, change: dict[str, Any], routing: dict[str, str], error: type[Exception], said: str
) -> None:
    gate = str(fitted(tmp_path / "gate.json", make()))
    given = Routing(**{name: gate if value == "GATE" else value for name, value in routing.items()})
    config = ServeConfig(**{"guide": guide(), "solvers": {"s": solver()}, **change}, routing=given)
    with pytest.raises(error, match=said):
        auto_offer(config)


def test_a_direct_question_streams_as_it_is_written_where_nobody_can_take_its_place() -> None:
    with serving(routing=Routing("never"), arm="auto") as address:
        deltas, told = streamed(address, model="s")
    assert [delta.get("content") for delta in deltas] == ["There", " are", " 7", " pens."]
    assert told["decision"]["route"] == "direct"


def test_an_answer_that_is_escalated_is_never_streamed() -> None:
    doubted = solver("I do not know.")
    with serving(solvers={"s": doubted}, routing=Routing("always", stronger=stronger())) as address:
        deltas, told = streamed(address)
        whole = post(address).json()
    assert deltas == [{"reasoning_content": PLAN}, {"content": "Surely 7.\nAnswer: 7"}]
    assert (told["route"], told["answer"], told["recheck"]["route"]) == ("escalate", "7", "escalate")
    assert [choice["message"]["content"] for choice in whole["choices"]] == ["Surely 7.\nAnswer: 7"]


def test_an_answer_that_stands_comes_whole_once_that_is_known() -> None:
    sure = solver("Answer: 7")
    with serving(solvers={"s": sure}, routing=Routing("never", stronger=stronger())) as address:
        deltas, told = streamed(address)
    assert (deltas, told["route"]) == ([{"content": "Answer: 7"}], "direct")


def test_a_question_that_goes_to_the_stronger_solver_at_once_streams_its_words() -> None:
    cheap = solver()
    with serving(solvers={"s": cheap}, routing=Routing(ESCALATE, stronger=stronger("It is 7."))) as address:
        deltas, told = streamed(address)
    assert [delta["content"] for delta in deltas] == ["It", " is", " 7."]
    assert (told["route"], cheap.calls) == ("escalate", [])


def test_a_cascade_of_a_gate_is_served(tmp_path: Path) -> None:
    gate = fitted(tmp_path / "gate.json", cascading(), stronger="scriptedmodel:stronger")
    routing = Routing(gate=gate, stronger=stronger())
    for text, route in (("3 + 4 = 8. #### 8", "escalate"), ("3 + 4 = 7. #### 7", "direct")):
        with serving(solvers={"s": solver(text)}, routing=routing) as address:
            assert post(address).json()["sg_agent"]["route"] == route


def test_several_choices_are_refused_where_one_answer_may_be_escalated() -> None:
    with serving(routing=Routing("never", stronger=stronger())) as address:
        assert post(address, n=2).json()["error"]["param"] == "n"
    with serving(routing=Routing("never")) as address:
        assert len(post(address, n=2).json()["choices"]) == 2


def quotes(row: Row) -> Decision:
    return {"route": "direct", "scores": {}, "threshold": None, "reason": f"it asks {row.question}"}


def breaks(row: Row) -> Decision:
    raise ValueError(row.question)


@pytest.mark.parametrize("function", [quotes, breaks])
def test_a_policy_that_quotes_the_question_is_quoted_neither_in_the_log_nor_in_the_reply(
    function: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sg_agent.serve.requests")
    with serving(routing=Routing(ByFunction(function))) as address:
        told = post(address).json()["sg_agent"]
    (record,) = caplog.records
    fields = record.fields  # type: ignore[attr-defined]
    assert fields["decision"] == told["decision"]
    reasons = ("the policy's own", "the policy failed: ValueError; guided, to be safe")
    assert told["decision"]["reason"] in reasons
    assert "pens" not in told["reason"] + told["decision"]["reason"]
    assert "pens" not in str(fields)


def test_a_spend_limit_counts_the_stronger_solver(tmp_path: Path) -> None:
    prices, dear = tmp_path / "prices.yaml", "openai:dear@http://127.0.0.1:9/v1"
    path, (secret, sha256) = tmp_path / "keys.yaml", new_key()
    path.write_text(json.dumps([{"name": "alice", "sha256": sha256, "max_usd": 1.0}]))
    prices.write_text('- {model: "openai:dear", input: 0, output: 1000000}')  # a dollar a token
    with serving(keys=path, prices=prices, routing=Routing("never", stronger=dear)) as address:
        asked = {"headers": {"authorization": f"Bearer {secret}"}, "timeout": 30}
        url = f"{address}/v1/chat/completions"
        assert httpx.post(url, json=body("standard/s", max_tokens=2), **asked).status_code == 200  # type: ignore[arg-type]
        refused = httpx.post(url, json=body("auto/s", max_tokens=2), **asked)  # type: ignore[arg-type]
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
