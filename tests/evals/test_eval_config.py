"""What an eval's settings come to."""

from dataclasses import replace
from typing import Any

import pytest
from hosted import Hosted

from sg_agent.evals.config import HOSTED_CONCURRENCY, LOCAL_CONCURRENCY, EvalConfig
from sg_agent.graphs import cot
from sg_agent.scripted import ScriptedModel

HERE, THERE = ScriptedModel(replies=[]), Hosted(replies=[], model="gpt-4.1-mini")
EMBEDDED, OPENAI = "embedded:solver", "openai:gpt-4.1-mini@http://127.0.0.1:9/v1"
mine = cot(HERE)


@pytest.mark.parametrize(
    ("arms", "guide", "solver", "here"),
    [
        (("standard", "guided"), "embedded:guide", EMBEDDED, True),
        (("guided",), "embedded:guide", "local:base@adapter", True),
        (("guided",), HERE, HERE, True),
        (("guided",), "embedded:guide", OPENAI, False),
        (("guided",), OPENAI, EMBEDDED, False),
        (("guided",), THERE, EMBEDDED, False),
        (("guided",), "embedded:guide", THERE, False),
        (("standard", "cot@3"), OPENAI, EMBEDDED, True),
        (("standard", "guide_alone"), OPENAI, EMBEDDED, False),
        (("standard", f"mine={__name__}:mine"), "embedded:guide", EMBEDDED, False),
    ],
)
def test_many_answers_are_in_flight_only_where_every_model_of_every_arm_runs_here(
    arms: tuple[str, ...], guide: Any, solver: Any, here: bool
) -> None:
    config = EvalConfig("depot", arms=arms, guide=guide, solver=solver)
    assert config.answers_in_flight == (LOCAL_CONCURRENCY if here else HOSTED_CONCURRENCY)
    assert replace(config, concurrency=7).answers_in_flight == 7
