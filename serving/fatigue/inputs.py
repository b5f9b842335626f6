"""What the model reads of vehicles: the live row of the view `duty`, and all else from the online store, read in bulk and kept.

The other views change when a build is published, so they are read once per vehicle and publication.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from features.live.duty_rows import COLUMNS
from features.live.online_push import VIEW
from features.online import OnlineInputs, OnlineStore
from features.online_held import LIVE_VIEWS
from features.online_inputs import with_row
from registry.encoding import Matrix
from registry.errors import RoadRiskError
from registry.products import DRIVER_FATIGUE
from serving.answering import model_inputs
from serving.desk import complete
from serving.live import LiveScorer

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
_UNREAD: Final = -1
_UNKNOWN: Final = -2


class KnownInputs:
    """Matrices of the model's inputs by slot.

    Parameters
    ----------
    store
        The online store.
    vehicle_ids
        Pseudonyms by slot.
    """

    def __init__(self, store: OnlineStore, vehicle_ids: Sequence[str]) -> None:
        self._store, self._ids = store, vehicle_ids
        self._place = np.full(len(vehicle_ids), _UNREAD)
        self._rows: Matrix = np.zeros((0, 0))
        self._n, self._digest = 0, ""
        self.read = 0

    @property
    def store(self) -> OnlineStore:
        """The online store."""
        return self._store

    def refresh(self, model: LiveScorer) -> None:
        """Forget what another publication or model has made void."""
        if self._store.refresh() or self._digest != model.scorer.digest:
            self._place[:] = _UNREAD
            self._rows, self._n = np.zeros((0, len(model.manifest.feature_names))), 0
            self._digest = model.scorer.digest
            names = model.manifest.feature_names
            self._of_live = np.array([name in COLUMNS for name in names])
            self._from = np.array([COLUMNS.index(name) for name in names if name in COLUMNS], dtype=np.int64)
            self._zero = np.array([feature.null_rule == "zero" for feature in model.manifest.features])[self._of_live]

    def matrix(self, model: LiveScorer, slots: IntArray, values: FloatArray) -> tuple[Matrix, npt.NDArray[np.bool_]]:
        """Return the matrix of vehicles with live rows, and which of them the store knows; the others' rows are empty.

        Parameters
        ----------
        slots
            Vehicles, shape (n,), in any order and number.
        values
            Live rows (`features.live.duty_rows.COLUMNS`), shape (n, n_columns).
        """
        self._learn(model, np.unique(slots[self._place[slots] == _UNREAD]))
        place = self._place[slots]
        known = place >= 0
        found: Matrix = np.full((len(slots), self._rows.shape[1]), np.nan)
        found[known] = self._rows[place[known]]
        live = values[:, self._from]
        found[:, self._of_live] = np.where(np.isnan(live) & self._zero, 0.0, live)
        return found, known

    def of_vehicle(
        self, model: LiveScorer, slot: int, values: FloatArray, cutoff_s: int, at: datetime, *,
        resources: frozenset[str] | None = None,
    ) -> OnlineInputs:
        """Return everything that is known about one vehicle with its live row.

        Parameters
        ----------
        values, cutoff_s
            The live row, shape (n_columns,), and the end of its hour.
        at
            Instant of the question.
        resources
            Resources that may be read; None for all.

        Raises
        ------
        RoadRiskError
            If the store does not know the vehicle or does not answer.
        """
        (found,) = self._store.read_many(DRIVER_FATIGUE.id, [self._ids[slot]], resources=resources)
        if isinstance(found, RoadRiskError):
            raise found
        if resources is not None and LIVE_VIEWS[VIEW] not in resources:
            return complete(model, found)
        told = dict(zip(COLUMNS, (None if np.isnan(value) else float(value) for value in values), strict=True))
        instant = datetime.fromtimestamp(cutoff_s, UTC)
        return complete(model, with_row(found, VIEW, LIVE_VIEWS[VIEW], told, instant, at))

    def _learn(self, model: LiveScorer, slots: IntArray) -> None:
        if not len(slots):
            return
        answers = self._store.read_many(DRIVER_FATIGUE.id, [self._ids[slot] for slot in slots.tolist()])
        self.read += len(answers)
        known = [(slot, one) for slot, one in zip(slots.tolist(), answers, strict=True) if isinstance(one, OnlineInputs)]
        self._place[slots] = _UNKNOWN
        if not known:
            return
        rows, _ = model.scorer.encode([model_inputs(model.manifest, complete(model, one)) for _, one in known])
        while self._n + len(rows) > len(self._rows):
            self._rows = np.concatenate([self._rows, np.full((max(len(self._rows), 256), self._rows.shape[1]), np.nan)])
        self._rows[self._n:self._n + len(rows)] = rows
        self._place[[slot for slot, _ in known]] = np.arange(self._n, self._n + len(rows))
        self._n += len(rows)
