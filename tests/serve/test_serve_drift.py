"""A running server and questions, answers and models that are no longer those of calibration."""

import json
import logging
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_server import chat_server
from gate_runs import is_hard, rows, weak_run
from serving import PLAN, guide, serving, solver

from sg_agent.evals.gate.calibrate import Goal, calibrate
from sg_agent.evals.gate.examples import read_examples
from sg_agent.evals.gate.fit import fit_gate
from sg_agent.gate import Gate, save_gate
from sg_agent.gate.gate import Known
from sg_agent.gate.routing import Routing
from sg_agent.scripted import ScriptedModel

MODELS = {"guide": Known(name="scriptedmodel:guide"), "solver": Known(name="scriptedmodel:solver")}
SCORES = {"decision:direct", "decision:guided"}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """Calibrated on questions of one to twelve events."""
    examples = read_examples([weak_run(tmp_path_factory.mktemp("run"), rows(700)).path])
    return calibrate(fit_gate(examples, hold_out=0.6).gate, examples, Goal(max_breaks=0.1), {})[0]


def served(gate: Gate, path: Path) -> Routing:
    """The gate's file, as if fitted for the scripted models."""
    versions: dict[str, dict[str, list[str]]] = {"solver": {"scriptedmodel:solver": []}}
    assert gate.reference
    change = {
        "passport": gate.passport.model_copy(update=MODELS),
        "reference": gate.reference.model_copy(update={"versions": versions}),
    }
    save_gate(gate.model_copy(update=change), path)
    return Routing(gate=path)


def ask(client: httpx.Client, question: str, model: str = "auto/s") -> str:
    turns = [{"role": "user", "content": question}]
    reply = client.post("/v1/chat/completions", json={"model": model, "messages": turns, "sg_agent": {"task": "math"}})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["id"])


def drifts(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record)["fields"] | {"level": record.levelname} for record in caplog.records if "drift" in record.msg]


def page(client: httpx.Client, name: str) -> dict[str, float]:
    lines = [line.split() for line in client.get("/metrics").text.splitlines() if line.startswith(f"{name}{{")]
    return {label.split('"')[1]: float(value) for label, value in lines}


def test_calibration_writes_what_its_questions_are_like(gate: Gate) -> None:
    reference = gate.reference
    assert reference
    assert reference.right and reference.guidance and reference.agreement and gate.promise  # noqa: PT018
    assert set(reference.scores) == SCORES
    n = reference.right.n
    assert all(scores.n == n == gate.promise["n"] for scores in reference.scores.values())
    assert reference.right.hits / n == pytest.approx(gate.promise["accuracy"])
    assert reference.guidance.hits == reference.guidance.n < n
    assert reference.agreement.attempts == 1
    assert reference.versions["solver"] == {"openai:gpt-4.1-mini": []}
    assert Gate.model_validate_json(gate.model_dump_json()) == gate


def test_questions_of_the_same_kind_say_nothing_and_others_are_told_once_until_they_return(
    gate: Gate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sg_agent.serve")
    usual = rows(1000, seed=77)
    hard = [row for row in rows(1200, seed=78) if is_hard(row)][:400]
    routing = served(gate, tmp_path / "gate.json")
    with (
        serving(routing=routing, solvers={"s": solver("Answer: 7")}) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        for row in usual[:400]:
            ask(client, row.question)
        assert drifts(caplog) == []
        assert page(client, "sg_agent_drift_moved").keys() == {*SCORES, "guidance", "agreement", "correct"}
        assert set(page(client, "sg_agent_drift_moved").values()) == {0.0}
        for row in hard:
            ask(client, row.question)
        moved = page(client, "sg_agent_drift_moved")
        assert {name for name, value in moved.items() if value} == SCORES
        assert page(client, "sg_agent_drift_p")["decision:direct"] < 1e-4
        for row in usual[400:]:
            ask(client, row.question)
        assert set(page(client, "sg_agent_drift_moved").values()) == {0.0}
    told = drifts(caplog)
    assert Counter((line["signal"], line["level"]) for line in told) == {
        (name, level): 1 for name in SCORES for level in ("WARNING", "INFO")
    }
    assert "depot" not in json.dumps(told)


def test_guidance_agreement_and_feedback_are_watched(
    gate: Gate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dice = random.Random(3)
    writer = ScriptedModel(replies=lambda _: PLAN if dice.random() < 0.5 else "no", model="guide")
    answerer = ScriptedModel(replies=lambda _: "Answer: 7" if dice.random() < 0.8 else "no idea", model="solver")
    routing = served(gate, tmp_path / "gate.json")
    with (
        serving(guide=writer, solvers={"s": answerer}, routing=routing, guidance_cache=0) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        for row in rows(450, seed=5):
            reply_id = ask(client, row.question)
            client.post("/v1/feedback", json={"id": reply_id, "correct": dice.random() < 0.5})
            client.post("/v1/feedback", json={"id": reply_id, "correct": True})  # counts once
        moved = page(client, "sg_agent_drift_moved")
    assert {name for name, value in moved.items() if value} == {"guidance", "agreement", "correct"}
    told = {line["signal"]: line for line in drifts(caplog)}
    assert set(told) == {"guidance", "agreement", "correct"}
    assert told["correct"]["live"] < 0.65 < told["correct"]["reference"]


def test_without_a_reference_nothing_is_watched(gate: Gate, tmp_path: Path) -> None:
    served(gate, path := tmp_path / "gate.json")
    save_gate(Gate.model_validate_json(path.read_text()).model_copy(update={"reference": None}), path)
    with serving(routing=Routing(gate=path)) as address, httpx.Client(base_url=address) as client:
        ask(client, "There are 3.")
        assert page(client, "sg_agent_drift_moved") == {}


def test_a_hosted_model_that_changes_its_version_is_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [
        ("m-1", "fp_a"),
        ("m-1", "fp_a"),
        ("m-1", "fp_b"),
        ("m-1", "fp_a"),
        ("m-1", "fp_b"),
        ("m-2", "fp_b"),
        ("m-2", None),
    ]
    replies = iter(told)

    def completion(model: str, text: str) -> dict[str, Any]:
        name, fingerprint = next(replies)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
        head = {"id": "call", "object": "chat.completion", "created": 0, "model": name, "usage": usage}
        return {**head, "choices": [choice], "system_fingerprint": fingerprint}

    monkeypatch.setattr("chat_server.completion", completion)
    with (
        chat_server(lambda _: "Answer: 7") as upstream,
        serving(solvers={"s": f"openai:m@{upstream.base_url}"}) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        for _ in told:
            ask(client, "How many?", "cot/s")
        text = client.get("/metrics").text
    assert 'sg_agent_version_changes_total{model="s",role="solver"} 2.0' in text
    first, second = drifts(caplog)
    assert (first["replied"], first["fingerprint"]) == ("openai-compatible:m-1", "fp_b")
    assert (second["replied"], second["known"]) == ("openai-compatible:m-2", ["openai-compatible:m-1 fp_a fp_b"])


def test_a_model_that_is_not_as_in_the_runs_is_told_at_once(
    gate: Gate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    routing = served(gate, tmp_path / "gate.json")
    assert routing.gate
    path = Path(routing.gate)
    path.write_text(path.read_text().replace('"scriptedmodel:solver": []', '"scriptedmodel:solver-before": []'))
    with serving(routing=routing, guide=guide()) as address, httpx.Client(base_url=address, timeout=30) as client:
        for _ in range(3):
            ask(client, "How many?", "cot/s")
    (line,) = drifts(caplog)
    assert (line["replied"], line["known"]) == ("scriptedmodel:solver", ["scriptedmodel:solver-before"])
