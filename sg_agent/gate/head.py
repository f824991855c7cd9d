"""P(right) of one route: a standardised, calibrated logistic regression, stored as JSON, evaluated in Python."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

FARTHEST = 5.0  # standard deviations: what is farther out than fitting ever saw weighs no more
SIGNAL, WORD = "signal:", "word:"


class Bin(BaseModel):
    """Questions of similar P(right): how many, what was predicted and what share was right."""

    model_config = ConfigDict(frozen=True)

    n: int
    predicted: float
    right: float


class Quality(BaseModel):
    """How good a head is on questions it was not fitted on, by nested cross-validation.

    `auc` is the chance that a right answer scores above a wrong one, `ece` the expected calibration error over `bins`,
    `log_loss` beside that of always predicting the share of right answers.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    right: int
    auc: float
    ece: float
    log_loss: float
    base_log_loss: float
    bins: list[Bin]


class Head(BaseModel):
    """`slope` and `offset` calibrate the regression's log-odds (Platt). A feature that is absent counts as 0."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="forbid")

    features: list[str]
    mean: list[float]
    scale: list[float]
    weight: list[float]
    bias: float
    slope: float = 1.0
    offset: float = 0.0
    quality: Quality | None = None

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if not len(self.features) == len(self.mean) == len(self.scale) == len(self.weight):
            raise ValueError("features, mean, scale and weight must have the same length")
        if any(scale <= 0 for scale in self.scale):
            raise ValueError("every scale must be above 0")
        return self

    @property
    def uses_words(self) -> bool:
        """Whether there are hashed words among the features: they come last."""
        return bool(self.features) and self.features[-1].startswith(WORD)

    def missing(self, values: Mapping[str, float]) -> list[str]:
        """Signals that the head was fitted with and `values` lacks."""
        return [name for name in self.features if SIGNAL in name and name not in values]

    def log_odds(self, values: Mapping[str, float]) -> float:
        """Before calibration."""
        return self._at_zero + sum(
            self._term(self._places[name], value) - self._term(self._places[name], 0.0)
            for name, value in values.items()
            if value and name in self._places
        )

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.features)}

    @cached_property
    def _at_zero(self) -> float:
        """Log-odds where every feature is 0: of thousands of words, a question has a few."""
        return self.bias + sum(self._term(place, 0.0) for place in range(len(self.features)))

    def _term(self, place: int, value: float) -> float:
        standard = (value - self.mean[place]) / self.scale[place]
        return self.weight[place] * max(-FARTHEST, min(FARTHEST, standard))

    def probability(self, values: Mapping[str, float]) -> float:
        """The calibrated chance that the route's answer is right."""
        odds = self.slope * self.log_odds(values) + self.offset
        return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0
