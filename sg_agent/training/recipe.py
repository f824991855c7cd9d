"""Recipes: the checked-in settings of a training run, one pydantic model per kind of run, read from YAML.

A kind of run adds its keys to `BaseRecipe`. What is shipped stands in recipes/ and is named without folder and suffix.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from sg_agent.errors import ConfigError
from sg_agent.prices import Prices

Learn = Literal["guidance", "cot"]

RECIPES = Path(__file__).parent / "recipes"


class BaseRecipe(BaseModel):
    """What every kind of training needs. Unknown keys are errors.

    `base` is the spec of a local model, `data` names worlds (their train split, `rows_per_world` of each) or files of
    canonical rows. `bf16` computes updates in mixed precision. `threads` are CPU threads of one process, None leaves
    them to torch. `report_to` names trackers (trackio, wandb, tensorboard) that get the metrics too. `prices` is a file
    of the user's own prices.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    base: str
    data: list[str] = Field(min_length=1)
    rows_per_world: PositiveInt = 3000
    seed: NonNegativeInt = 0
    lora_rank: PositiveInt = 16
    lora_alpha: PositiveInt = 32
    learning_rate: PositiveFloat
    batch_size: PositiveInt
    bf16: bool = True
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    threads: PositiveInt | None = None
    report_to: list[str] = []
    prices: str | None = None

    @property
    def own_prices(self) -> Prices | None:
        """What `prices` holds. Raises ConfigError."""
        return None if self.prices is None else Prices.load(self.prices)


class DistillRecipe(BaseRecipe):
    """A distillation, resolved.

    `learn` "guidance" makes a guide. "cot" tunes on the rows' own worked reasoning and answers instead: the
    chain-of-thought tuning that a guide has to beat.
    `batch_size` is that of one optimizer step, over all processes and all `accumulation` parts. With `eval_every` (in
    steps) the guide of that moment writes guidance for `validation_rows` rows of `validation` (worlds, their validation
    split, or files), `solver` answers with it, and the run ends after `patience` such evaluations without a better
    share of right answers; the best adapter is the one kept. `max_cost` (US dollars) is for that solver, whose replies
    have `solver_max_tokens` at most; once it is spent nothing is measured any more. `teacher` is for on_policy alone: a
    local model with the base's vocabulary that rates every token which the guide itself writes, up to `max_guidance` of
    them.
    """

    epochs: PositiveFloat
    learn: Learn = "guidance"
    method: Literal["lora", "qlora", "full", "on_policy"] = "lora"
    teacher: str | None = None
    max_guidance: PositiveInt = 256
    accumulation: PositiveInt = 1
    max_length: PositiveInt | None = None
    packing: bool = False
    group_by_length: bool = True
    save_every: PositiveInt = 100
    validation: list[str] = []
    validation_rows: PositiveInt = 100
    solver: str | None = None
    solver_max_tokens: PositiveInt | None = None
    max_cost: PositiveFloat | None = None
    eval_every: PositiveInt | None = None
    patience: PositiveInt = 3

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.method == "on_policy") != (self.teacher is not None):
            raise ValueError("method on_policy needs a teacher, and no other method takes one")
        if self.packing and (self.attention != "flash_attention_2" or self.max_length is None):
            raise ValueError(
                "packing needs max_length and attention: flash_attention_2, others let rows see each other"
            )
        if self.learn == "cot" and (self.method == "on_policy" or self.eval_every is not None):
            raise ValueError("learn cot has no guidance: it takes neither method on_policy nor eval_every")
        if self.eval_every is not None and not (self.validation and self.solver):
            raise ValueError("eval_every needs validation (worlds or files) and a solver")
        if self.max_cost is not None and self.eval_every is None:
            raise ValueError("max_cost is for the solver of eval_every, and nothing else is paid for")
        return self


R = TypeVar("R", bound=BaseRecipe)


def load_recipe(path: str | Path, model: type[R], *, changes: Mapping[str, Any] | None = None) -> R:
    """The recipe in a YAML file, or the shipped one of that name, with `changes` on top.

    Raises ConfigError naming the file and the field.
    """
    file = find_recipe(path)
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"recipe {str(file)!r} cannot be read: {error}") from error
    if not isinstance(given, dict):
        raise ConfigError(f"recipe {str(file)!r} must hold keys and values, not {type(given).__name__}")
    return make_recipe({**given, **(changes or {})}, model, where=str(file))


def make_recipe(given: Mapping[str, Any], model: type[R], *, where: str) -> R:
    """A checked recipe. Raises ConfigError naming `where` and the first bad field."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise ConfigError(f"{where}: {first['msg']}") from error
        field = ".".join(map(str, first["loc"]))
        known = f"; accepted: {', '.join(model.model_fields)}" if first["type"] == "extra_forbidden" else ""
        value = "" if first["type"] in ("missing", "extra_forbidden") else f", not {first['input']!r:.80}"
        raise ConfigError(f"{where}: {field!r}: {first['msg']}{value}{known}") from error


def find_recipe(path: str | Path) -> Path:
    """The file that `path` names: itself, or a shipped recipe. Raises ConfigError listing those."""
    if Path(path).is_file():
        return Path(path)
    shipped = RECIPES / f"{path}.yaml"
    if Path(path).name == str(path) and shipped.is_file():
        return shipped
    names = ", ".join(sorted(file.stem for file in RECIPES.glob("*.yaml")))
    raise ConfigError(f"no such recipe: {str(path)!r}; a YAML file, or one of {names}")


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """`key: old -> new` for what is not the same, key by key of `now`."""
    return [f"{key}: {before.get(key)!r} -> {value!r}" for key, value in now.items() if before.get(key) != value]
