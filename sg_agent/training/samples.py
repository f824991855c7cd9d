"""Guidance sampled while a guide trains, kept in samples.jsonl: what it writes, and how that changes.

    log = SampleLog(out)
    log.write(step, [Sample("depot-train-0-7", "1. Start with the lamps.", {"task": 1.0, "brevity": None})])

Only process 0 may write. A step's samples are the first few given: the file stays small however large the batch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sg_agent.training.step_log import SAMPLES, append

LONGEST_GUIDANCE = 8000  # characters kept of one guidance


@dataclass(frozen=True)
class Sample:
    """One guidance. A reward of None could not be given, as when the solver was down; it is not a zero."""

    question_id: str
    guidance: str
    rewards: Mapping[str, float | None] = field(default_factory=dict)


class SampleLog:
    """Appends to `out`/samples.jsonl, of every `every`-th step at most `most` samples."""

    def __init__(self, out: Path, *, most: int = 4, every: int = 1) -> None:
        self.path, self.most, self.every = out / SAMPLES, most, every

    def write(self, step: int, samples: Sequence[Sample]) -> None:
        """Keep samples of the update `step`, counted from 1: `state.global_step + 1` while its rewards are computed.

        Raises RunError when the file cannot be written.
        """
        if samples and step % self.every == 0:
            append(self.path, [_record(step, sample) for sample in samples[: self.most]])


def _record(step: int, sample: Sample) -> dict[str, object]:
    rewards = {name: _finite(value) for name, value in sample.rewards.items()}
    guidance = sample.guidance[:LONGEST_GUIDANCE]
    return {"step": step, "question_id": sample.question_id, "guidance": guidance, "rewards": rewards}


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 6)
