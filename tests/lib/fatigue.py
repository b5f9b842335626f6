"""A live service over the tiny province whose vehicles drive a timetable, with a real model, store and ledgers."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

from features.live.cli import SCORER
from features.live.fatigue import FatigueRows
from features.live.positions import Records
from features.live.roster import roster_of
from features.live.service import LiveService, open_service
from features.online import OnlineStore
from features.snapshot import read_snapshot
from registry.bundle import ScoreBundle
from registry.errors import RoadRiskError
from registry.products import DRIVER_FATIGUE
from registry.settings import Settings
from serving.fatigue.part import open_fatigue
from serving.fatigue.scorer import LiveFatigue
from tests.lib.homes import make_live
from tests.lib.live import fed, records
from tests.lib.positions import MIDNIGHT, Leg, drive
from tests.lib.real_bundles import rate_bundle

INPUTS = ("duty_cont_drive_h", "duty_drive_h_24h", "duty_kss", "distance_km_30d")
DAY_S = 86_400
assert f"{open_fatigue.__module__}:{open_fatigue.__name__}" == SCORER


def fatigue_bundle(*, driving: float = 8.0, names: Sequence[str] = INPUTS) -> ScoreBundle:
    """Return a bundle whose risk rises with driving by so much."""
    upper = {"duty_cont_drive_h": 4.0, "duty_drive_h_24h": 10.0, "duty_kss": 9.0, "distance_km_30d": 20_000.0}
    weights = {"duty_cont_drive_h": driving, "duty_drive_h_24h": 0.5, "duty_kss": 1.0, "distance_km_30d": 0.3}
    return rate_bundle(
        DRIVER_FATIGUE.id, names, upper=[upper[name] for name in names], weights=[weights[name] for name in names]
    )


class Fleet:
    """Vehicles of the tiny province that send positions after its data end.

    Parameters
    ----------
    tiny
        The tiny province with a filled store.
    folder
        Where its copy may lie.
    n
        How many vehicles; the same come again where the province has fewer.
    bundles
        Models that go live.
    """

    def __init__(self, tiny: Settings, folder: Path, *, n: int = 2, bundles: Sequence[ScoreBundle] | None = None) -> None:
        shutil.copytree(tiny.home, folder / "home")
        shutil.copytree(tiny.keys_dir, folder / "keys")
        self.settings = tiny.model_copy(update={
            "home": folder / "home", "keys_dir": folder / "keys", "push_key": SecretStr("secret"),
        })
        if bundles is None:
            bundles = [fatigue_bundle()]
        if bundles:
            make_live(self.settings, bundles)
        snapshot = read_snapshot(self.settings.feature_dir)
        self.start_s = int(snapshot.as_of_time.timestamp()) // DAY_S * DAY_S + DAY_S - 8 * 3600
        """Local midnight after the snapshot."""
        known = known_vehicles(self.settings)
        self.vehicles = [known[place % len(known)] for place in range(n)]
        rows = [(vehicle, f"{place:016x}", operator, "8") for place, (vehicle, operator) in enumerate(self.vehicles, 1)]
        self.service: LiveService = open_service(self.settings, replay=True, roster=roster_of(rows, None))
        self.fatigue: LiveFatigue = open_fatigue(self.service, self.settings)
        self.service.fatigue = self.fatigue
        self._done: dict[int, int] = {}
        self._found: dict[int, Records] = {}

    def drives(self, slot: int, legs: Sequence[Leg]) -> None:
        """Let a vehicle drive a timetable that begins at the fleet's midnight."""
        found = records(drive(legs))
        shift = self.start_s - int(MIDNIGHT.timestamp())
        found["time_s"] += shift
        found["received_us"] += shift * 1_000_000
        self._found[slot], self._done[slot] = found, 0

    def until(self, at_s: int) -> None:
        """Let all messages come that were sent up to seconds after midnight."""
        now = self.start_s + at_s
        for slot, found in self._found.items():
            upto = int(np.searchsorted(found["time_s"], now, side="right"))
            fed(self.service.engine.fold, found[self._done[slot]:upto], slot=slot, at_once=500)
            self._done[slot] = upto
        self.service.saw(now * 1_000_000)

    def look(self, at_s: int) -> Any:
        """Let a look be scored; return the tiers."""
        self.until(at_s)
        return self.fatigue.tiers(FatigueRows.take(self.service.engine.fold, self.start_s + at_s))

    def close(self) -> None:
        """Let go of everything."""
        self.fatigue.close()
        self.service.engine.corrections.close()
        self.service.intake.journal.close()
        if self.service.engine.push is not None:
            self.service.engine.push.close()


def known_vehicles(settings: Settings) -> list[tuple[str, str]]:
    """Return vehicles that the store knows for this product, each with its enterprise."""
    import pyarrow.parquet as pq

    profiles = pq.read_table(settings.feature_dir / "vehicle_profile.parquet", columns=["vehicle_id"])
    ids = sorted(set(profiles["vehicle_id"].to_pylist()))
    store = OnlineStore(settings, lambda: datetime.now(UTC))
    found = store.read_many(DRIVER_FATIGUE.id, ids)
    store.close()
    known = [(one.entity_id, one.related["enterprise"]) for one in found if not isinstance(one, RoadRiskError)]
    assert len(known) > 1
    return known
