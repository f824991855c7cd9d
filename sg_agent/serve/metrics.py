"""Counters for Prometheus. Each request is counted once, when it ends, in every family at the same moment.

With several workers the counts are shared through the files of PROMETHEUS_MULTIPROC_DIR.
"""

import os
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from sg_agent.serve.arms import Models, Place
from sg_agent.serve.record import Record
from sg_agent.throttle import Load

disable_created_metrics()  # type: ignore[no-untyped-call] # a series more for every counter, that says nothing here

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The server's metrics, in a registry of their own."""

    def __init__(self, models: Models) -> None:
        self._models, self._known = models, dict[Place, Load]()
        own = self.registry = CollectorRegistry()
        which = ("arm", "model")
        self._requests = Counter("sg_agent_requests", "Requests that ended.", (*which, "status"), registry=own)
        self._guides = Counter(
            "sg_agent_guide_outcomes",
            "What became of the guidance, of every request.",
            (*which, "outcome"),
            registry=own,
        )
        self._routes = Counter(
            "sg_agent_routes",
            "Answers of the arm auto, by what was decided and who answered.",
            ("model", "decided", "route"),
            registry=own,
        )
        self._judged = Counter(
            "sg_agent_feedback", "Answers that feedback was given on.", (*which, "correct"), registry=own
        )
        self._shadows = Counter(
            "sg_agent_shadows", "Questions drawn to ask another route too.", ("model", "outcome"), registry=own
        )
        self._shadow_cost = Counter("sg_agent_shadow_cost_usd", "US dollars, where known.", registry=own)
        self._drift_p = Gauge(
            "sg_agent_drift_p",
            "Chance that live values differ so much from those of calibration.",
            ("signal",),
            registry=own,
            multiprocess_mode="livemin",
        )
        self._drift_moved = Gauge(
            "sg_agent_drift_moved",
            "1 while live values are taken to have moved from those of calibration.",
            ("signal",),
            registry=own,
            multiprocess_mode="livemax",
        )
        self._versions = Counter(
            "sg_agent_version_changes", "New names or fingerprints that replies have.", ("role", "model"), registry=own
        )
        self._latency = Histogram(
            "sg_agent_request_seconds", "Seconds from request to end of reply.", which, buckets=BUCKETS, registry=own
        )
        self._tokens = Counter("sg_agent_tokens", "Tokens by role.", (*which, "role", "direction"), registry=own)
        self._cost = Counter("sg_agent_cost_usd", "US dollars, where prices are known.", which, registry=own)
        self._unpriced = Counter("sg_agent_unpriced_requests", "Requests of unknown cost.", which, registry=own)
        self._retries = Counter("sg_agent_retries", "Model calls that were made again.", which, registry=own)
        self._in_flight = Gauge("sg_agent_in_flight", "Requests under way.", registry=own, multiprocess_mode="livesum")
        place = ("role", "model")
        self._calls = Counter("sg_agent_upstream_calls", "Calls to hosted models.", (*place, "outcome"), registry=own)
        self._now = {
            name: Gauge(
                f"sg_agent_upstream_{name}", f"Calls to hosted models {said}.", place, registry=own,
                multiprocess_mode="livesum",
            )
            for name, said in (("in_flight", "under way"), ("limit", "that may be under way"))
        }  # fmt: skip

    def begin(self) -> None:
        """A request has come."""
        self._in_flight.inc()

    def end(self, record: Record) -> None:
        """A request has ended."""
        which = (record.arm, record.solver)
        self._in_flight.dec()
        self._requests.labels(*which, str(record.status)).inc()
        self._guides.labels(*which, record.guide_outcome).inc()
        if (decision := record.decisions.get("decision")) and record.route:
            self._routes.labels(record.solver, decision["route"], record.route).inc()
        self._latency.labels(*which).observe(record.seconds)
        for role, direction, tokens in record.tokens:
            self._tokens.labels(*which, role, direction).inc(tokens)
        if record.cost_usd is None:
            self._unpriced.labels(*which).inc()
        else:
            self._cost.labels(*which).inc(record.cost_usd)
        self._retries.labels(*which).inc(record.retries)
        self._note_loads()

    def judged(self, arm: str, solver: str, *, correct: bool) -> None:
        """Somebody said whether an answer is right."""
        self._judged.labels(arm, solver, str(correct).lower()).inc()

    def shadow(self, solver: str, outcome: str) -> None:
        """A question that was drawn has its shadow, or not."""
        self._shadows.labels(solver, outcome).inc()

    def shadow_cost(self, usd: float) -> None:
        """What a shadow cost."""
        self._shadow_cost.inc(usd)

    def drift(self, signal: str, *, p: float, moved: bool) -> None:
        """How live values compare with those of calibration."""
        self._drift_p.labels(signal).set(p)
        self._drift_moved.labels(signal).set(moved)

    def version_changed(self, place: Place) -> None:
        """A model replies by a new name or fingerprint."""
        self._versions.labels(*place).inc()

    def _note_loads(self) -> None:
        for place, load in self._models.loads:
            known = self._known.get(place, Load(0, 0, 0, 0))
            self._known[place] = load
            self._calls.labels(*place, "answered").inc(load.answered - known.answered)
            self._calls.labels(*place, "refused").inc(load.refused - known.refused)
            self._now["in_flight"].labels(*place).set(load.in_flight)
            self._now["limit"].labels(*place).set(load.limit)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format, of all workers."""
        self._note_loads()
        if not (folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR")):
            return generate_latest(self.registry)
        _forget_dead(Path(folder))
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def _forget_dead(folder: Path) -> None:
    """Drop the requests that were under way in a worker that was killed."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            file.unlink(missing_ok=True)
