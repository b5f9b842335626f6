"""The live score of fatigue: vehicles scored, forecast and explained in a second of processor time, one thread.

The parts are those of the service: live rows from the fold, everything else from the online store of the tiny province, a bundle
of 938 trees on all numeric inputs of `driver_fatigue`, as many as the demonstration's model has. 2,000 vehicles (those of the
province, several times) have driven for two hours. The first look reads the store, the second finds every vehicle one message
further; then each is forecast (17 points of the grid, and every minute before a tier is reached) and 300 are explained exactly.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Final

from features.products import PRODUCT_FEATURES
from registry.products import DRIVER_FATIGUE
from tests.lib.fatigue import Fleet
from tests.lib.positions import Leg, at
from tests.lib.provinces import load, settled, simulate, take_in
from tests.lib.real_bundles import rate_bundle

TITLE: Final = "Live score of fatigue"
FIGURES: Final = {
    "first_look_per_cpu_s": "vehicles scored in a second of processor time where the store is read for each",
    "scored_per_cpu_s": "vehicles scored in a second of processor time at every later look",
    "forecast_per_cpu_s": "vehicles forecast over four hours in a second of processor time",
    "explained_per_cpu_s": "vehicles explained exactly, with their inputs read anew, in a second of processor time",
}
HIGHER_IS_BETTER: Final = tuple(FIGURES)
N_VEHICLES, N_EXPLAINED, N_TREES = 2_000, 300, 938


def run() -> dict[str, float]:
    """Return the figures."""
    names = [feature.name for feature in PRODUCT_FEATURES[DRIVER_FATIGUE.id].features if feature.dtype == "float"]
    upper = [4.0 if name == "duty_cont_drive_h" else 10.0 for name in names]
    weights = [3.0 if name == "duty_cont_drive_h" else 0.05 for name in names]
    bundle = rate_bundle(DRIVER_FATIGUE.id, names, upper=upper, weights=weights, rounds=N_TREES)
    with tempfile.TemporaryDirectory() as name:
        settings = settled(Path(name) / "tiny")
        simulate(settings)
        take_in(settings)
        load(settings)
        fleet = Fleet(settings, Path(name) / "fleet", n=N_VEHICLES, bundles=[bundle])
        for slot in range(N_VEHICLES):
            fleet.drives(slot, [Leg("06:00", "08:10", 60.0 + slot % 30)])
        found = _measured(fleet)
        fleet.close()
        return found


def _measured(fleet: Fleet) -> dict[str, float]:
    # What is compiled or loaded once is no part of a look.
    fleet.look(at("06:30"))
    fleet.until(at("08:00"))
    first = _spent(fleet, lambda: fleet.look(at("08:00")), "scored")
    later = _spent(fleet, lambda: fleet.look(at("08:01")), "scored")
    now_s = fleet.start_s + at("08:01")
    fleet.fatigue.look_ahead(now_s)
    fleet.until(at("08:02"))
    ahead = _spent(fleet, lambda: fleet.fatigue.look_ahead(now_s + 60), "forecast")
    began = time.thread_time()
    for slot in range(N_EXPLAINED):
        fleet.fatigue.scored(slot, now_s)
    return {
        "first_look_per_cpu_s": first, "scored_per_cpu_s": later, "forecast_per_cpu_s": ahead,
        "explained_per_cpu_s": N_EXPLAINED / (time.thread_time() - began),
    }


def _spent(fleet: Fleet, work, kind: str) -> float:  # type: ignore[no-untyped-def]
    before = fleet.fatigue.status()
    work()
    after = fleet.fatigue.status()
    return (after[kind] - before[kind]) / (after["cpu_s"][kind] - before["cpu_s"][kind])
