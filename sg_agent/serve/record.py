"""What is kept of one request for metrics and logs: no prompt, no reply, no key."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from sg_agent.gate.decision import Decision, GateRoute, decided
from sg_agent.ledger import CallRecord
from sg_agent.quoting import told
from sg_agent.serve.answering import Answer, GuideOutcome, Run


@dataclass
class Record:
    """One request, filled in as it goes. `arm` and `solver` are only ever names that the server knows.

    `route` and `decisions`, by stage, are there of the arm `auto`.
    """

    id: str
    started: float = field(default_factory=time.perf_counter)
    endpoint: str = ""
    key: str | None = None
    arm: str = "none"
    solver: str = "none"
    stream: bool = False
    status: int = 500
    error: str | None = None
    guide_outcome: GuideOutcome = "unanswered"
    retries: int = 0
    overhead_s: float | None = None
    ledger: list[CallRecord] = field(default_factory=list)
    seconds: float = 0.0
    cost_usd: float | None = 0.0
    content: dict[str, object] | None = None
    route: GateRoute | None = None
    decisions: dict[str, Decision | None] = field(default_factory=dict)

    def answered(self, answer: Answer) -> None:
        """Note how the question was answered."""
        self.status, self.error = 200, None
        self.guide_outcome, self.retries = answer.guide_outcome, answer.retries
        self.overhead_s = answer.overhead_s
        if "decision" in answer.output:
            self.route = answer.output["route"]
            self.decisions = {stage: told(one) for stage, one in decided(answer.output).items()}
        self.ledger, self.cost_usd = answer.output["ledger"], answer.cost_usd

    def failed(self, run: Run) -> None:
        """Note what calls were made in vain."""
        self.ledger, self.cost_usd = run.ledger or [], run.cost_usd

    @property
    def ended(self) -> bool:
        """Whether the reply is over."""
        return self.seconds > 0

    def end(self) -> None:
        """The reply is over."""
        self.seconds = time.perf_counter() - self.started

    @property
    def tokens(self) -> Iterator[tuple[str, str, int]]:
        """Role, direction and number of the tokens that were used."""
        for role in ("guide", "solver"):
            calls = [call for call in self.ledger if call["role"] == role and not call["cached"]]
            yield role, "input", sum(call["input_tokens"] for call in calls)
            yield role, "output", sum(call["output_tokens"] for call in calls)
