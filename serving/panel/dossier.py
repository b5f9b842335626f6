"""Read what the sources tell about one subject, from the tables that lie beside the panel (`features.dossier`)."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow.parquet as pq

from features.dossier import DRIVERS, EVENTS, HOURS, PLACES, VEHICLES, build_dossier
from registry.errors import NotFound
from serving.panel.layout import panel_folder, write_json

if TYPE_CHECKING:
    from features.snapshot import FeatureSnapshot
    from registry.settings import Settings

FOLDER: Final = "dossier"
ABOUT: Final = "about.json"
Row = dict[str, Any]


def dossier_folder(settings: Settings) -> Path:
    """Return where the tables lie."""
    return panel_folder(settings) / FOLDER


def refresh_dossier(settings: Settings, snapshot: FeatureSnapshot, *, again: bool) -> bool:
    """Make the tables of a feature build unless they are there; return whether they were made."""
    folder = dossier_folder(settings)
    about = {"snapshot": snapshot.digest, "warehouse": snapshot.warehouse, "as_of": snapshot.as_of}
    path = folder / ABOUT
    if not again and path.is_file() and json.loads(path.read_bytes()) == about:
        return False
    path.unlink(missing_ok=True)
    build_dossier(settings, folder, snapshot.as_of_time)
    write_json(path, about)
    return True


class Dossier:
    """The tables of a home; cheap to open, read when asked.

    Parameters
    ----------
    folder
        Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def as_of(self) -> datetime:
        """Nothing that arrived later is told.

        Raises
        ------
        NotFound
            If the tables were never made.
        """
        path = self._folder / ABOUT
        if not path.is_file():
            raise NotFound("no dossier of the subjects", where=str(path), remedy="Run `roadrisk panel build`.")
        return datetime.fromisoformat(json.loads(path.read_bytes())["as_of"])

    def vehicle(self, vehicle_id: str) -> Row | None:
        """Return what is known of a vehicle; None where nothing is."""
        return next(iter(self._rows(VEHICLES, [("vehicle_id", "=", vehicle_id)])), None)

    def fleet(self, enterprise_id: str) -> list[Row]:
        """Return the vehicles that an enterprise operates or operated last."""
        return self._rows(VEHICLES, [("enterprise_id", "=", enterprise_id)])

    def driver(self, driver_id: str) -> Row | None:
        """Return the newest rating of a driver; None where there is none."""
        return next(iter(self._rows(DRIVERS, [("driver_id", "=", driver_id)])), None)

    def drivers(self, enterprise_id: str) -> list[Row]:
        """Return the drivers whom the newest ratings name as an enterprise's."""
        return self._rows(DRIVERS, [("enterprise_id", "=", enterprise_id)])

    def events(self, subject_ids: Collection[str]) -> list[Row]:
        """Return what happened to subjects, newest first."""
        if not subject_ids:
            return []
        found = self._rows(EVENTS, [("subject_id", "in", sorted(subject_ids))])
        return sorted(found, key=lambda row: (row["event_time"], row["row_id"]), reverse=True)

    def subjects_of(self, rows: Collection[str]) -> list[Row]:
        """Return the events that rest on rows of the sources, whomever they are about."""
        return self._rows(EVENTS, [("row_id", "in", sorted(rows))]) if rows else []

    def hours(self, vehicle_id: str) -> list[Row]:
        """Return the driving hours of a vehicle in the last days, oldest first."""
        return self._rows(HOURS, [("vehicle_id", "=", vehicle_id)])

    def places(self) -> list[Row]:
        """Return every facility along the roads, in the order of the roads."""
        return self._rows(PLACES, None)

    def _rows(self, name: str, filters: Sequence[tuple[str, str, Any]] | None) -> list[Row]:
        path = self._folder / f"{name}.parquet"
        if not path.is_file():
            raise NotFound("no dossier of the subjects", where=str(path), remedy="Run `roadrisk panel build`.")
        read: list[Row] = pq.read_table(path, filters=list(filters) if filters else None).to_pylist()
        return read
