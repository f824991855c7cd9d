"""Whether live questions and models are still those that the gate was calibrated on: said on /metrics and in the log.

What has moved is logged once, and once more when it is as before. Nothing is done about it: whether to calibrate or
fit anew is the operator's decision. Every worker watches what it serves.
"""

import logging
from collections.abc import Iterator

from sg_agent.gate.decision import decided
from sg_agent.gate.drift import Watch, mean_test, rate_test, score_test
from sg_agent.gate.policy import Learned
from sg_agent.gate.reference import Rate, Reference
from sg_agent.gate.reply import CheapAnswer
from sg_agent.graphs.vote import winner
from sg_agent.serve.answering import Answer
from sg_agent.serve.arms import Models
from sg_agent.serve.metrics import Metrics
from sg_agent.serve.versions import Versions

log = logging.getLogger("sg_agent.serve")


class Drift:
    """Watches answers of the arm `auto`, where its gate carries a reference, and the versions of all models."""

    def __init__(self, models: Models, metrics: Metrics) -> None:
        found = models.policy.gate.reference if isinstance(models.policy, Learned) else None
        self._reference, self._metrics = found or Reference(), metrics
        self._watches = dict(_watches(self._reference))
        for name in self._watches:
            metrics.drift(name, p=1.0, moved=False)
        self._versions = Versions(models, self._reference, metrics)

    def answered(self, answer: Answer) -> None:
        """Look at an answer."""
        self._versions.answered(answer)
        if not self._watches or "decision" not in answer.output or answer.ask.question.get("given_guidance"):
            return
        output = answer.output
        for stage, decision in decided(output).items():
            for route, score in decision["scores"].items() if decision else ():
                self._add(f"{stage}:{route}", score)
        if output["decision"]["route"] == "guided" and answer.guide_outcome in ("used", "dropped", "invalid"):
            self._add("guidance", float(answer.guide_outcome != "invalid"))
        if output["decision"]["route"] != "escalate":
            self._note_agreement(answer)

    def judged(self, *, correct: bool) -> None:
        """Somebody said whether an answer of `auto` is right."""
        self._add("correct", float(correct))

    def _note_agreement(self, answer: Answer) -> None:
        """Of as many attempts as the reference is of, in questions whose answers can be read."""
        agreement = self._reference.agreement
        if agreement is None or agreement.attempts != answer.ask.settings.attempts or not answer.in_form:
            return
        best = winner(answer.cheap, answer.task)
        voted = CheapAnswer.of([dict(one) for one in answer.cheap], best and best["answer"], answer.task)
        self._add("agreement", voted.agreement)

    def _add(self, name: str, value: float) -> None:
        if (watch := self._watches.get(name)) is None:
            return
        changed = watch.add(value)
        if watch.found:
            self._metrics.drift(name, p=watch.found.p, moved=watch.moved)
            if changed:
                self._say(name, watch)

    def _say(self, name: str, watch: Watch) -> None:
        assert watch.found
        rounded = {key: float(f"{value:.4g}") for key, value in watch.found._asdict().items()}
        fields = {"signal": name, "n": watch.n, **rounded}
        if watch.moved:
            log.warning("drift: live questions have moved from those of calibration", extra={"fields": fields})
        else:
            log.info("drift: live questions are as those of calibration again", extra={"fields": fields})


def _watches(reference: Reference) -> Iterator[tuple[str, Watch]]:
    yield from ((name, Watch(score_test(scores))) for name, scores in reference.scores.items())
    if reference.guidance:
        yield "guidance", Watch(rate_test(reference.guidance))
    if (agreed := reference.agreement) and agreed.attempts > 1:
        yield "agreement", Watch(mean_test(agreed))
    elif agreed:  # an answer could be read, or not
        yield "agreement", Watch(rate_test(Rate(n=agreed.n, hits=round(agreed.mean * agreed.n))))
    if reference.right:
        yield "correct", Watch(rate_test(reference.right))
