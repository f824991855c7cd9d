"""P(right) of one route: a standardised, calibrated logistic regression, stored as JSON, evaluated in Python."""

import math
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

FARTHEST = 5.0  # standard deviations: what is farther out than fitting ever saw weighs no more
SIGNAL = "signal:"


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

    def missing(self, values: Mapping[str, float]) -> list[str]:
        """Signals that the head was fitted with and `values` lacks."""
        return [name for name in self.features if SIGNAL in name and name not in values]

    def log_odds(self, values: Mapping[str, float]) -> float:
        """Before calibration."""
        total = self.bias
        for name, mean, scale, weight in zip(self.features, self.mean, self.scale, self.weight, strict=True):
            total += weight * max(-FARTHEST, min(FARTHEST, (values.get(name, 0.0) - mean) / scale))
        return total

    def probability(self, values: Mapping[str, float]) -> float:
        """The calibrated chance that the route's answer is right."""
        odds = self.slope * self.log_odds(values) + self.offset
        return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0
