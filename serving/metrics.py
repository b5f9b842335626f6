"""Figures of the service for Prometheus. Labels are route templates and declared names, never a raw path or key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from serving.breaker import Breaker
from serving.drift import RecentScores
from serving.holder import ModelHolder
from serving.stages import Stage

if TYPE_CHECKING:
    from serving.desk import ScoringDesk
    from serving.stages import Marks

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
STAGE_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)
POINTS: Final = tuple(float(points) for points in range(100, 1000, 100))
GAUGES: Final = (
    ("model_reloads", "Changes of the promotion ledger that this service took, or could not load", ("outcome",)),
    ("store_breaker_open", "1 while the online store is not asked because it did not answer", ()),
    ("score_stability_index", "Population stability index of recent points against the bundle's reference", ("product",)),
)
METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Metrics:
    """The figures of one application, in a registry of its own.

    Where several worker processes run, BentoML names a folder in which they share their figures, and `exposition` adds
    them up.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "roadrisk_request_seconds", "Time to answer a request", ("route", "method", "status"), buckets=SECONDS,
            registry=self._registry,
        )
        self._stages = Histogram(
            "roadrisk_stage_seconds", "Time of the stages of a request", ("stage",), buckets=STAGE_SECONDS,
            registry=self._registry,
        )
        # Looking a figure up by its labels costs as much as counting; the labels are declared, so these stay few.
        self._of_requests: dict[tuple[str, str, int], Histogram] = {}
        self._of_stages = {name: self._stages.labels(name) for name in get_args(Stage)}
        self._points = Histogram(
            "roadrisk_score_points", "Points of the scores answered", ("product", "version"), buckets=POINTS,
            registry=self._registry,
        )
        self._tiers = Counter(
            "roadrisk_decisions", "Decisions answered, by tier", ("product", "tier"), registry=self._registry
        )
        # The same for every answer of a publication, so a figure that is set where it changed, not counted with every answer.
        self._ages = Gauge(
            "roadrisk_source_age_days", "Age of the sources of the inputs of the last answer", ("product", "resource"),
            registry=self._registry, multiprocess_mode="max",
        )
        self._ages_told: dict[tuple[str, str], float] = {}
        self._replayed = Counter(
            "roadrisk_idempotent_replays", "Answers that an idempotency key got again", registry=self._registry
        )
        self._problems = Counter(
            "roadrisk_problems", "Answers that are no 2xx, by kind", ("problem",), registry=self._registry
        )
        self._state = {
            name: Gauge(f"roadrisk_{name}", text, labels, registry=self._registry, multiprocess_mode="max")
            for name, text, labels in GAUGES
        }
        self._recent = RecentScores()

    def observe_replay(self) -> None:
        """Count an answer that was given again."""
        self._replayed.inc()

    def observe_state(self, desk: ScoringDesk) -> None:
        """Read off how the worker stands: reloads, breaker, drift of the scores, group commits."""
        if isinstance(desk.live, ModelHolder):
            self._state["model_reloads"].labels("taken").set(desk.live.reloads.taken)
            self._state["model_reloads"].labels("failed").set(desk.live.reloads.failed)
        if isinstance(desk.source, Breaker):
            self._state["store_breaker_open"].set(desk.source.circuit.state != "closed")
        for name, model in desk.live.current.live.items():
            index = self._recent.index(name, model.scorer.digest, model.manifest.reference.point_quantiles)
            if index is not None:
                self._state["score_stability_index"].labels(name).set(index)

    def observe_request(self, scope: Mapping[str, Any], status: int, seconds: float, marks: Marks) -> None:
        """Count one request, its stages and its problem; a path that matched no route counts under `unmatched`."""
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in METHODS else "other"
        asked = self._of_requests.get((route, method, status))
        if asked is None:
            asked = self._of_requests[route, method, status] = self._requests.labels(route, method, str(status))
        asked.observe(seconds)
        for name, begun, over in marks:
            self._of_stages[name].observe(over - begun)
        if slug := scope["state"].get("problem"):
            self._problems.labels(slug).inc()

    def observe_answer(self, answer: Mapping[str, Any]) -> None:
        """Count one answer of a score."""
        product = answer["product"]
        self._tiers.labels(product, answer["tier"]["code"]).inc()
        if answer["points"] is not None:
            self._recent.add(product, answer["model"]["digest"], answer["points"])
            self._points.labels(product, answer["model"]["version"]).observe(answer["points"])
        for source in answer["sources"]:
            told, age_d = (product, source["resource"]), source["age_d"]
            if age_d is not None and age_d != self._ages_told.get(told):
                self._ages_told[told] = age_d
                self._ages.labels(*told).set(age_d)

    def exposition(self) -> bytes:
        """Return all figures in the text format, of all workers where there are several."""
        # The client library decided when it was imported; Feast sets the variable of that decision later.
        if values.ValueClass is values.MutexValue:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        together.register(_OwnFigures())
        return generate_latest(together)


class _OwnFigures(Collector):
    """The shared figures of all workers, without those that libraries put into the same folder."""

    def collect(self) -> Iterable[Metric]:
        """Return our families."""
        shared: Iterable[Metric] = MultiProcessCollector(None).collect()  # type: ignore[no-untyped-call]
        return [family for family in shared if family.name.startswith("roadrisk_")]
