"""What temperature is taken when nobody gives one."""

import pytest

from sg_agent.errors import ConfigError
from sg_agent.graphs.sampling import VOTE_TEMPERATURE, greedy, solver_temperature
from sg_agent.graphs.state import Settings


def test_a_graph_leaves_one_attempt_to_the_model_and_varies_several() -> None:
    asked = [Settings(), Settings(attempts=3), Settings(temperature=0.2), Settings(attempts=3, temperature=0.2)]
    assert [solver_temperature(settings) for settings in asked] == [None, VOTE_TEMPERATURE, 0.2, 0.2]


def test_evals_and_ask_are_greedy_but_for_several_attempts() -> None:
    asked = [greedy(settings) for settings in (Settings(), Settings(attempts=3), Settings(temperature=0.2))]
    assert [solver_temperature(settings) for settings in asked] == [0.0, VOTE_TEMPERATURE, 0.2]
    assert {settings.guide_temperature for settings in asked} == {0.0}
    assert greedy(Settings(guide_temperature=0.4)).guide_temperature == 0.4


def test_several_attempts_at_0_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 attempts at temperature 0 are all the same"):
        greedy(Settings(attempts=3, temperature=0.0))
