"""What `make science` measures: its cells, what each is about and what it needs first."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

RUNS = Path(__file__).parent.parent / "runs" / "science"
SEEDS = (0, 1, 2)
SIZES = {"depot": (30, 100, 300, 1000, 3000), "archive": (30, 100, 300)}
RL_FROM, RL_QUESTIONS = 100, 1000
ABLATION_ROWS = 1000

Kind = Literal["guide", "cot", "rl", "ablation", "transfer"]


@dataclass(frozen=True)
class Cell:
    """One measurement. `rows` is the size of what was learned from, `reward` an RL run's."""

    kind: Kind
    world: str
    seed: int
    rows: int
    reward: str = ""

    @property
    def name(self) -> str:
        return "-".join(filter(None, [self.kind, self.world, str(self.rows), self.reward, f"seed{self.seed}"]))

    @property
    def needs(self) -> list["Cell"]:
        """The cells whose adapters this one starts from."""
        match self.kind:
            case "rl":
                return [Cell("guide", self.world, self.seed, RL_FROM)]
            case "ablation":
                return [Cell("guide", self.world, self.seed, self.rows), Cell("cot", self.world, self.seed, self.rows)]
            case "transfer":
                return [
                    Cell("guide", self.world, self.seed, RL_FROM),
                    Cell("rl", self.world, self.seed, RL_QUESTIONS, "uplift"),
                ]
            case _:
                return []

    @property
    def adapter(self) -> Path:
        return RUNS / self.name / "adapter"


def cells() -> Iterator[Cell]:
    """All cells, each after what it needs; what says most in the least time comes first."""
    for seed in SEEDS:
        yield from (Cell("guide", "depot", seed, rows) for rows in SIZES["depot"])
        yield Cell("rl", "depot", seed, RL_QUESTIONS, "uplift")
        yield from (Cell("cot", "depot", seed, rows) for rows in SIZES["depot"])
        yield Cell("ablation", "depot", seed, ABLATION_ROWS)
        yield Cell("transfer", "depot", seed, RL_QUESTIONS)
    for seed in SEEDS:
        yield from (Cell("rl", "depot", seed, RL_QUESTIONS, reward) for reward in ("rationale", "task"))
        yield from (Cell("cot", "depot", seed, rows) for rows in (10_000, 30_000))
    for seed in SEEDS:
        yield from (Cell("guide", "archive", seed, rows) for rows in SIZES["archive"])
        yield from (Cell("cot", "archive", seed, rows) for rows in (*SIZES["archive"], 1000))
