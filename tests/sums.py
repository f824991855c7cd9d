"""A model that adds, for `faulty_server(by=...)`, so that a right answer can be told; it may fail as hosted ones do.

Asked "what is 12 + 30?", it answers "Answer: 42"; the model `guide` writes a plan.
"""

import json
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from faulty_server import Act

SUM = re.compile(r"(\d+) \+ (\d+)")
PLAN = "1. Read both numbers.\n2. Add the second to the first."
HANG_S = 12.0
FAULTS: Mapping[str, tuple[float, Act]] = {
    "429": (0.05, Act(status=429)),
    "429 with Retry-After": (0.05, Act(status=429, headers={"retry-after": "0.2"})),
    "500": (0.05, Act(status=500)),
    "hang": (0.03, Act(wait_s=HANG_S)),
    "cut": (0.02, Act("I add the", cut=1)),
    "malformed": (0.02, Act(body='{"id": "call", "choices": [{"index"')),
    "empty": (0.01, Act("")),
}
"""What a call may get in place of its answer, and how often. Only a stream is cut; other calls are then answered."""


def add(asked: dict[str, Any]) -> Act:
    """The right reply to a request."""
    found = SUM.search(json.dumps(asked["messages"]))
    assert found, asked
    return Act(PLAN if asked["model"] == "guide" else f"I add the two. Answer: {int(found[1]) + int(found[2])}")


class FaultyAdder:
    """Whether a call fails is drawn from the seed, the question and how often it was asked before.

    So it is the same whatever the order of the calls, and fresh for one that is made again. `given` counts what calls
    got.
    """

    def __init__(self, seed: int, faults: Mapping[str, tuple[float, Act]] = FAULTS) -> None:
        self.seed, self.faults = seed, faults
        self.given: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, asked: dict[str, Any]) -> Act:
        right = add(asked)
        with self._lock:
            self._asked[call := f"{asked['model']} {asked['messages'][-1]['content']}"] += 1
            fault = self._draw(f"{self.seed} {call} {self._asked[call]}")
            if fault == "cut" and not asked.get("stream"):
                fault = None
            self.given[fault or "answered"] += 1
        if fault == "hang":
            return replace(right, wait_s=HANG_S)
        return self.faults[fault][1] if fault else right

    def _draw(self, call: str) -> str | None:
        drawn = Random(call).random()
        for fault, (share, _) in self.faults.items():
            if (drawn := drawn - share) < 0:
                return fault
        return None
