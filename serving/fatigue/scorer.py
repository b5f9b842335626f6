"""Scores the live fleet: each look in one matrix, forecasts in pieces, explanations for those that are shown or alarmed.

The arithmetic is that of every other score: the bundle's boosters for a look, `serving.answering.answer_score` for what is shown or
recorded. Where a score lies within 1e-6 points of a cut-point, its tier is that of the exact explanation, so both always agree.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from features.live.fatigue import RANKED_TIERS, FatigueBoard, FatigueRows, Why
from registry.decisions import Decision, DecisionLedger
from registry.errors import RoadRiskError, ServiceUnavailable
from registry.products import DRIVER_FATIGUE
from registry.supervision.events import AlertEvent
from serving.answering import Scored, answer_score
from serving.asked import Asked
from serving.desk import ScoringDesk, new_score_id
from serving.detail import reduced
from serving.fatigue.ahead import forecast
from serving.fatigue.care import CareNotices
from serving.fatigue.documents import document_of
from serving.fatigue.inputs import KnownInputs
from serving.fatigue.model import FollowedModel
from serving.fatigue.points import enough, on_trip, points_and_tiers
from serving.fatigue.readers import reader_routes
from serving.gate import open_gate

if TYPE_CHECKING:
    from starlette.routing import Route

    from features.live.service import LiveService
    from features.online import OnlineInputs, OnlineStore
    from registry.access.grants import Grant
    from registry.settings import Settings
    from serving.live import LiveScorer

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
RULE: Final = "fatigue_score"
RAISES: Final = frozenset({"raised", "worsened", "reopened"})
AT_ONCE: Final = 500
"""Vehicles that are forecast in one piece, for which the state stands still."""
_REMEMBERED: Final = 2_000
_log = logging.getLogger("roadrisk.fatigue")


class LiveFatigue:
    """The scorer of a live service (`features.live.fatigue.FatigueScorer`).

    Parameters
    ----------
    service
        The live service.
    settings
        Names the ledger of access.
    model
        The live model, followed.
    open_store
        Opens the online store; it may not be filled yet.
    decisions
        Ledger in which the scores behind alerts are recorded.
    """

    def __init__(
        self, service: LiveService, settings: Settings, model: FollowedModel, open_store: Callable[[], OnlineStore],
        decisions: DecisionLedger,
    ) -> None:
        self._service, self._settings, self._model = service, settings, model
        self._open_store, self._decisions = open_store, decisions
        n = service.engine.fold.n_vehicles
        self.board = FatigueBoard(n)
        self._inputs: KnownInputs | None = None
        self._lock = threading.RLock()
        self._values = np.full((n, 0), np.nan)
        self._answers: OrderedDict[tuple[int, int, str, frozenset[str] | None], tuple[OnlineInputs, Scored]] = OrderedDict()
        self._waiting: list[Decision] = []
        self._named: list[tuple[int, int, str]] = []
        self._recorded: dict[int, tuple[int, str]] = {}
        self._cares: list[CareNotices] = []
        self._problem = ""
        self._counts = {"scored": 0, "forecast": 0, "explained": 0, "recorded": 0}
        self._cpu_s = {"scored": 0.0, "forecast": 0.0}

    def tiers(self, rows: FatigueRows) -> FloatArray:
        """Score a look and return the signal `fatigue_tier` by slot."""
        began = time.thread_time()
        with self._lock:
            why = rows.why.copy()
            self.board.forget(why != Why.SCORED, ahead=False)
            self.board.forget(~on_trip(why))
            try:
                self._score(rows, why)
                self._problem = ""
            except RoadRiskError as error:
                # The store does not answer or is empty: nothing is said, and the next look tries again.
                if error.message != self._problem:
                    _log.error("fatigue is not scored: %s", error)
                self._problem = error.message
                why[rows.slots] = Why.NO_INPUTS
                self.board.forget(rows.slots)
            self.board.why = why
            # Who rests, has hardly driven or has just taken over has nothing to be alarmed about; who is silent is unknown.
            quiet = rows.fresh & (np.isin(why, (Why.RESTING, Why.SHORT, Why.SWAPPED)))
            tier = self.board.tier.astype(np.float64)
            found: FloatArray = np.where(rows.fresh & (why == Why.SCORED), tier, np.where(quiet, 0.0, np.nan))
        self._cpu_s["scored"] += time.thread_time() - began
        return found

    def backed(self, events: Sequence[AlertEvent]) -> list[AlertEvent]:
        """Return events, those that a score raised with the id of the decision that will be kept for it."""
        found = []
        for event in events:
            raises = event.rule_id == RULE and event.kind in RAISES and not event.score_id
            decision = self._decision(event) if raises else None
            if decision is not None:
                self._waiting.append(decision)
                slot = self._service.roster.slot(event.vehicle_id)
                self._named.append((slot, int(self.board.row_s[slot]), decision.score_id))
            found.append(event if decision is None else replace(event, score_id=decision.score_id))
        return found

    def keep(self) -> None:
        """Record the decisions behind events; raises ServiceUnavailable where the ledger does not take them, and keeps them."""
        if self._waiting:
            self._decisions.record_many(self._waiting)
            self._counts["recorded"] += len(self._waiting)
            with self._lock:
                self._recorded.update({slot: (row_s, score_id) for slot, row_s, score_id in self._named})
            self._waiting, self._named = [], []

    def seen(self) -> tuple[FatigueBoard, npt.NDArray[np.object_]]:
        """Return a copy of the board as of now, and by slot the id under which that very score was recorded, else empty."""
        with self._lock:
            seen = self.board.seen_at(int(self._service.now.timestamp()))
            named = np.full(seen.n_vehicles, "", dtype=object)
            for slot, (row_s, score_id) in self._recorded.items():
                if int(seen.row_s[slot]) == row_s:
                    named[slot] = score_id
        return seen, named

    def look_ahead(self, at_s: int) -> None:
        """Forecast the vehicles on a trip whose positions have moved on since the last forecast."""
        model, began = self._model.scorer, time.thread_time()
        if model is None or self._inputs is None:
            return
        driving = np.flatnonzero(on_trip(self.board.why))
        try:
            for start in range(0, len(driving), AT_ONCE):
                self._forecast(model, driving[start:start + AT_ONCE], at_s)
        except RoadRiskError as error:
            _log.error("fatigue is not forecast: %s", error)
        self._cpu_s["forecast"] += time.thread_time() - began

    def document(self, slot: int, at_s: int) -> dict[str, Any]:
        """Return what is known of one vehicle, with the reasons of its score; single inputs' points stay inside."""
        return reduced(self.whole_document(slot, at_s), "groups")

    def whole_document(self, slot: int, at_s: int) -> dict[str, Any]:
        """Return what is known of one vehicle, with the exact decomposition of its score."""
        with self._lock:
            model, seen = self._model.scorer, self.board.seen_at(at_s, np.array([slot]))
            why = Why(int(seen.why[0])) if model is not None else Why.NO_MODEL
        scored = None
        if why == Why.SCORED:
            assert model is not None
            try:
                scored = self.scored(slot, at_s)
            except RoadRiskError:
                why = Why.NO_INPUTS
        return document_of(seen, at_s, why, model, None if scored is None else scored[1].answer)

    def scored(self, slot: int, at_s: int, *, grant: Grant | None = None) -> tuple[OnlineInputs, Scored]:
        """Return inputs and answer of a vehicle's newest live score, with its exact explanation.

        Parameters
        ----------
        grant
            Under which it is asked: what its resources do not cover is not known. None for the platform itself.

        Raises
        ------
        ServiceUnavailable
            If there is none, or the store does not answer.
        """
        with self._lock:
            model, inputs = self._model.scorer, self._inputs
            row_s = int(self.board.row_s[slot])
            values = self._values[slot].copy() if row_s else None
        if model is None or inputs is None or values is None:
            raise ServiceUnavailable("the vehicle has no live score", remedy="Ask again while it is on a trip.")
        resources = None if grant is None else grant.resources
        key = (slot, row_s, model.scorer.digest, resources)
        with self._lock:
            known = self._answers.get(key)
        if known is not None:
            return known
        at = datetime.fromtimestamp(max(at_s, row_s), UTC)
        found = inputs.of_vehicle(model, slot, values, row_s, at, resources=resources)
        made = found, answer_score(model.scorer, model.version, found, score_id="", product=DRIVER_FATIGUE)
        with self._lock:
            self._counts["explained"] += 1
            self._answers[key] = made
            while len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        return made

    def answered(self, slot: int, at_s: int, asked: Asked) -> dict[str, Any]:
        """Return the live score of a vehicle as it is recorded for whoever asked.

        Raises
        ------
        ServiceUnavailable
            If there is none, or it cannot be recorded.
        QuotaExceeded
            If the consumer has used up what its scenario allows.
        """
        inputs, scored = self.scored(slot, at_s, grant=asked.grant)
        model = self._model.scorer
        assert model is not None
        named = replace(scored, answer={**scored.answer, "score_id": new_score_id()})
        return dict(self.desk().keep(model, inputs, named, asked).answer)

    def routes(self) -> list[Route]:
        """Return the paths on which consumers read live scores under their scenarios."""
        gate = open_gate(self._settings, self._decisions, lambda: datetime.now(UTC))
        care = CareNotices(self._service, self._settings)
        self._cares.append(care)
        return reader_routes(self._service, self, gate, care, self._decisions)

    def desk(self) -> ScoringDesk:
        """Return the desk that records scores of the live fleet; raises ServiceUnavailable where there is no store yet."""
        if self._inputs is None:
            raise ServiceUnavailable("nothing has been scored yet", remedy="Ask again in a minute.")
        return ScoringDesk(self._model, self._inputs.store, self._decisions, lambda: self._service.now)

    def status(self) -> dict[str, Any]:
        """Return how many were scored and what it cost."""
        with self._lock:
            tier = self.board.tier
            by_tier = {name: int((tier == rank).sum()) for rank, name in enumerate(RANKED_TIERS)}
        rates = {
            f"{name}_per_cpu_s": round(self._counts[name] / spent, 1) if spent else None for name, spent in self._cpu_s.items()
        }
        return {
            "model": {"version": self.board.version, "digest": self.board.digest}, "tiers": by_tier, **self._counts,
            "cpu_s": {name: round(spent, 3) for name, spent in self._cpu_s.items()}, **rates,
            "waiting_decisions": len(self._waiting), "problem": self._model.reloads.problem or self._problem,
        }

    def close(self) -> None:
        """Let go of store and ledgers."""
        self._model.close()
        self._decisions.close()
        for care in self._cares:
            care.close()
        if self._inputs is not None:
            self._inputs.store.close()

    def _score(self, rows: FatigueRows, why: npt.NDArray[np.int8]) -> None:
        """Put the scores of a look on the board; `why` is corrected where there is none after all."""
        if self._model.check():
            self.board.forget()
            self._answers.clear()
        model = self._model.scorer
        if model is None:
            why[rows.slots] = Why.NO_MODEL
            return
        self.board.version, self.board.digest = model.version, model.scorer.digest
        if self._inputs is None:
            self._inputs = KnownInputs(self._open_store(), self._service.roster.vehicle_id)
        self._inputs.refresh(model)
        if not self._values.shape[1]:
            self._values = np.full((len(self._values), rows.values.shape[1]), np.nan)
        # A vehicle of which nothing came since keeps its score.
        moved = self.board.row_s[rows.slots] != rows.cutoff_s
        slots, values = rows.slots[moved], rows.values[moved]
        matrix, known = self._inputs.matrix(model, slots, values)
        known &= enough(model, matrix)
        why[slots[~known]] = Why.NO_INPUTS
        self.board.forget(slots[~known])
        slots = slots[known]
        points, tier = points_and_tiers(model, matrix[known])
        self.board.points[slots], self.board.tier[slots] = points, tier
        self.board.row_s[slots], self._values[slots] = rows.cutoff_s[moved][known], values[known]
        self._counts["scored"] += len(slots)
        # What had no inputs at an earlier look has none now, unless it moved.
        why[rows.slots[self.board.row_s[rows.slots] == 0]] = Why.NO_INPUTS

    def _forecast(self, model: LiveScorer, slots: IntArray, at_s: int) -> None:
        fold, lock = self._service.engine.fold, self._service.engine.lock
        with lock:
            last_s = fold.now(at_s, slots)["last_s"].astype(np.int64)
        moved = last_s != self.board.ahead_s[slots]
        slots, last_s = slots[moved], last_s[moved]
        if not len(slots):
            return

        def points(vehicles: IntArray, minutes: IntArray) -> FloatArray:
            with lock:
                cutoff, values = fold.rows_ahead(slots[vehicles], last_s[vehicles, None] + 60 * minutes)
            assert self._inputs is not None
            there = cutoff > 0
            found = np.full(cutoff.shape, np.nan)
            each = np.broadcast_to(slots[vehicles, None], cutoff.shape)[there]
            matrix, known = self._inputs.matrix(model, each, values[there])
            known &= enough(model, matrix)
            scores = np.full(len(each), np.nan)
            scores[known] = model.scorer.points(matrix[known])
            found[there] = scores
            return found

        _, orange, red = model.manifest.cut_points
        found = forecast(np.arange(len(slots)), points, (orange, red))
        with self._lock:
            self.board.orange_min[slots], self.board.red_min[slots] = found.T
            self.board.ahead_s[slots] = last_s
        self._counts["forecast"] += len(slots)

    def _decision(self, event: AlertEvent) -> Decision | None:
        """Return the record of the score that raised an alert; None where it cannot be made any more."""
        slot, model = self._service.roster.places.get(event.vehicle_id), self._model.scorer
        if slot is None or model is None:
            return None
        started = time.perf_counter()
        try:
            inputs, scored = self.scored(slot, event.at_s)
        except RoadRiskError as error:
            _log.error("an alert has no recorded score: %s", error)
            return None
        answer = {**scored.answer, "score_id": new_score_id()}
        asked = Asked(f"alert:{event.alert_id}", started)
        return self.desk().decision_of(model, inputs, replace(scored, answer=answer), asked)
