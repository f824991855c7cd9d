"""The temperatures of calls for which nobody gave one.

A graph by itself leaves them to the models, but for several attempts, which would all be the same at 0. Evals and `ask`
are greedy, so that the same question gets the same answer.
"""

from dataclasses import replace

from sg_agent.errors import ConfigError
from sg_agent.graphs.state import Settings

VOTE_TEMPERATURE = 0.7


def solver_temperature(settings: Settings) -> float | None:
    """The one given, VOTE_TEMPERATURE for several attempts, else None: the model's own."""
    return VOTE_TEMPERATURE if settings.attempts > 1 and settings.temperature is None else settings.temperature


def greedy(settings: Settings) -> Settings:
    """`settings` with guide and single attempt at temperature 0 by default; several attempts as `solver_temperature`.

    Raises ConfigError for several attempts at temperature 0.
    """
    attempts, temperature = settings.attempts, settings.temperature
    if attempts > 1 and temperature == 0:
        raise ConfigError(f"{attempts} attempts at temperature 0 are all the same; give a temperature above 0")
    return replace(
        settings,
        temperature=0.0 if attempts == 1 and temperature is None else temperature,
        guide_temperature=settings.guide_temperature or 0.0,
    )
