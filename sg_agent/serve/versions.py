"""What models say that they are: the model and `system_fingerprint` that replies name, compared with those known.

Known are those of the runs that the gate was calibrated on, else those seen first. A new one is told once.
"""

import logging

from sg_agent.gate.reference import Reference
from sg_agent.ledger import version_role
from sg_agent.serve.answering import Answer
from sg_agent.serve.arms import Models, Place
from sg_agent.serve.metrics import Metrics

MOST = 100  # that are remembered of one model; after these none is told any more

log = logging.getLogger("sg_agent.serve")


class Versions:
    """The names and fingerprints by which models have replied so far."""

    def __init__(self, models: Models, reference: Reference, metrics: Metrics) -> None:
        self._metrics = metrics
        solvers: list[Place] = [("solver", name) for name in models.routed]
        self._known = {
            place: {model: set(prints) for model, prints in reference.versions.get(place[0], {}).items()}
            for place in [("guide", "guide"), *solvers, ("stronger", "stronger")]
        }

    def answered(self, answer: Answer) -> None:
        """Look at an answer's calls. What stood in for another is left out."""
        if any("fallback" in attempt for attempt in answer.output["attempts"]):
            return
        solver, attempts = answer.ask.target.solver_name, answer.ask.settings.attempts
        for call in answer.output["ledger"]:
            if call["error"] is None:
                role = version_role(call["role"], stronger=(call["attempt"] or 0) >= attempts)
                self._note((role, solver if role == "solver" else role), call["model"], call.get("fingerprint"))

    def _note(self, place: Place, model: str, fingerprint: str | None) -> None:
        known = self._known.setdefault(place, {})
        prints = known.get(model)
        new = prints is None or (fingerprint is not None and fingerprint not in prints)
        if not new or sum(1 + len(found) for found in known.values()) >= MOST:
            return
        if prints or (prints is None and known):
            self._tell(place, model, fingerprint)
        known.setdefault(model, set()).update([fingerprint] if fingerprint else [])

    def _tell(self, place: Place, model: str, fingerprint: str | None) -> None:
        known = [f"{name} {' '.join(sorted(prints))}".strip() for name, prints in self._known[place].items()]
        role, name = place
        fields = {"role": role, "model": name, "replied": model, "fingerprint": fingerprint, "known": known}
        log.warning("drift: a model replies by a name or fingerprint that is new", extra={"fields": fields})
        self._metrics.version_changed(place)
