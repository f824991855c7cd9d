"""The settings of an RL run: which guide, which frozen solver, what is rewarded."""

from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from sg_agent.training.recipe import BaseRecipe, DistillRecipe
from sg_agent.training.rewards import Part


class RlRecipe(BaseRecipe):
    """GRPO or RLOO on questions and answers alone.

    `guide` is the adapter to go on from (a directory, or that of the run that made it), None a fresh one on `base`. A
    step samples `batch_size` completions of at most `guide_max_tokens`, `group_size` of each question, at
    `temperature`; `micro_batch` of them fit into memory at a time (more with `gradient_checkpointing`, slower). `kl`
    weighs the KL penalty against the guide at the start. `rewards` are weights by part. The solver is asked `attempts`
    times per guidance, `concurrency` guidances at a time, with deadlines in seconds; `max_cost` is in US dollars, an
    equal share for each process. Every `eval_steps` steps the guide is measured on `validation` questions
    (`validation_data`, None: of the worlds in `data`); the best one is kept. `rollouts` "engine" lets the solver answer
    while the guide still writes; "trainer" is TRL's own generation, "vllm" TRL's vLLM in the same process. RLOO always
    uses TRL's.
    """

    guide: str | None = None
    solver: str
    algorithm: Literal["grpo", "rloo"] = "grpo"
    rewards: dict[Part, float] = Field(default={"uplift": 1.0, "rationale": 0.1})
    judge: str | None = None
    steps: PositiveInt
    group_size: int = Field(default=8, ge=2)
    micro_batch: PositiveInt | None = None
    gradient_checkpointing: bool = False
    temperature: PositiveFloat = 1.0
    guide_max_tokens: PositiveInt = 256
    kl: NonNegativeFloat = 0.0
    attempts: PositiveInt = 1
    solver_temperature: NonNegativeFloat | None = None
    solver_max_tokens: PositiveInt | None = None
    concurrency: PositiveInt = 64
    call_deadline_s: PositiveFloat = 60.0
    grade_deadline_s: PositiveFloat = 180.0
    max_error_rate: float = Field(default=0.2, ge=0, le=1)
    max_cost: PositiveFloat | None = None
    validation: NonNegativeInt = 64
    validation_data: str | None = None
    eval_steps: PositiveInt = 10
    save_steps: PositiveInt = 10
    rollouts: Literal["engine", "trainer", "vllm"] = "engine"

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        for name, size in (("group_size", self.group_size), ("micro_batch", self.micro_batch or 1)):
            if self.batch_size % size:
                raise ValueError(f"batch_size {self.batch_size} must be a multiple of {name} {size}")
        return self

    @property
    def asks_judge(self) -> bool:
        """Whether the judge's rating enters a reward."""
        return self.judge is not None and bool(self.rewards.get("rationale"))

    def as_distillation(self) -> DistillRecipe:
        """The distillation that updates as much at a time: it needs the same memory."""
        return DistillRecipe(
            base=self.base,
            data=self.data,
            lora_rank=self.lora_rank,
            lora_alpha=self.lora_alpha,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            accumulation=self.batch_size // (self.micro_batch or self.batch_size),
            attention=self.attention,
            threads=self.threads,
            epochs=1,
        )
