"""Gates for tests, written by hand."""

from typing import Any

from sg_agent.gate import Gate, GateRoute, Passport
from sg_agent.gate.gate import Known
from sg_agent.gate.head import Head
from sg_agent.rows import Row

EASY, HARD = (Row(id=str(n), question="Add " + "3 and " * n + "1.", answer="1", task="math") for n in (1, 40))


def head(feature: str, weight: float, bias: float = 0.0) -> Head:
    return Head(features=[feature], mean=[3.0], scale=[1.0], weight=[weight], bias=bias)


def make(**change: Any) -> Gate:
    """Direct is right on short questions, guided on all, the stronger solver nearly always."""
    arms: dict[GateRoute, str] = {"direct": "cot", "guided": "guided"}
    passport = Passport(
        guide=Known(name="openai:guide"), solver=Known(name="openai:solver"), suite="depot", arms=arms, prompts=[],
        n=300, questions=[],
    )  # fmt: skip
    heads = {"direct": head("characters", -2.0, 1.0), "guided": head("characters", 0.0, 1.0)}
    return Gate.model_validate({"passport": passport, "heads": heads, "weights": {"direct": 0, "guided": 1}, **change})


def cascading() -> Gate:
    checks = {"direct": head("reply:any_wrong_sum", -3.0, -5.0)}
    gate = make()
    heads = {**gate.heads, "escalate": head("characters", 0.0, 2.0)}
    return make(
        heads=heads, checks=checks, cascade=0.1, start="direct", weights={"direct": 0, "guided": 1, "escalate": 1}
    )
