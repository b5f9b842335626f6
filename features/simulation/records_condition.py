"""Rows of vehicles' condition: inspections (#2), annual reviews (#3), roadside assistance (the insurer's)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.assumptions import VEHICLE_CLASSES
from features.simulation.clock import Days, Month, add_months, local_days
from features.simulation.condition import COMPONENTS, Breakdowns, Inspections, Reviews
from features.simulation.deliveries import Batch, next_morning, spoil_columns
from features.simulation.identities import PLATE_COLOR, Identities
from features.simulation.streams import Stream, generator
from features.simulation.world import World

FloatArray = npt.NDArray[np.floating[Any]]

FAIL_ITEMS: Final = ("lamp", "headlamp_aim", "brake_parts", "service_brake", "steering", "tyre", "emission", "other")
FAIL_ITEM_SHARES: Final = (0.22, 0.21, 0.16, 0.12, 0.10, 0.06, 0.08, 0.05)
STATION_COUNT: Final = 40


def condition_batches(
    world: World, identities: Identities, month: Month, inspections: Inspections, reviews: Reviews,
    breakdowns: Breakdowns,
) -> list[Batch]:
    """Return a month's rows of the three resources."""
    rng = generator(world.seed, Stream.CONDITION, month.index + 1, 1)
    return [
        _inspection_batch(rng, world, identities, month, inspections), _review_batch(rng, identities, month, reviews),
        _rescue_batch(rng, identities, month, breakdowns),
    ]


def _inspection_batch(
    rng: np.random.Generator, world: World, identities: Identities, month: Month, inspected: Inspections
) -> Batch:
    vehicle, n = inspected.vehicle, len(inspected.vehicle)
    report = _serial_ids("JC", month, n)
    failed, retest = inspected.failed, inspected.is_retest
    valid_to = add_months(inspected.day, inspected.interval_months)
    none = np.datetime64("NaT", "D")
    n_items = np.where(failed, 1 + rng.poisson(0.6, n), 0)
    is_tanker = np.array([kind.business == "hazmat" for kind in VEHICLE_CLASSES])[world.vehicles.kind[vehicle]]
    columns: dict[str, Any] = {
        "report_no": report, "plate_no": identities.plate_no[vehicle], "plate_color": PLATE_COLOR,
        "vin": identities.vin[vehicle], "cert_no": identities.cert_no[vehicle],
        "station_code": np.array([f"ST{code:03d}" for code in (vehicle * 7 % STATION_COUNT).tolist()], dtype=object),
        "inspect_type": np.where(retest, "3", "1").astype(object), "inspect_date": inspected.day,
        "odometer_km": inspected.odometer_km,
        "tech_level": np.where(failed, "9", np.where(world.vehicles.wear[vehicle] < 0.5, "1", "2")).astype(object),
        "valid_from": np.where(failed, none, inspected.day), "valid_to": np.where(failed, none, valid_to),
        "next_due": np.where(failed, none, valid_to),
        "result": np.select([failed, retest], ["2", "3"], "1").astype(object),
        **_measurements(rng, inspected.badness), "n_fail_items": n_items, "fail_items": _fail_items(rng, n_items),
        "tank_valid_to": np.where(is_tanker, add_months(inspected.day, 12), none),
    }
    return Batch(
        "vehicle_inspection", columns, row_id=report, arrived=next_morning(rng, inspected.day),
        spoil=spoil_columns("odometer_km", factor=0.1),
    )


def _measurements(rng: np.random.Generator, badness: FloatArray) -> dict[str, FloatArray]:
    """Return measured values: centred on good practice, worse with the vehicle's condition."""
    n = len(badness)

    def around(centre: float, per_badness: float, sd: float, low: float, high: float, digits: int) -> FloatArray:
        values = centre + per_badness * badness + sd * rng.standard_normal(n)
        result: FloatArray = np.round(np.clip(values, low, high), digits)
        return result

    return {
        "brake_total_pct": around(70.0, -2.5, 5.0, 20.0, 110.0, 1), "brake_front_pct": around(72.0, -2.0, 5.5, 20.0, 110.0, 1),
        "brake_imbalance_pct": around(11.0, 2.2, 4.0, 0.0, 60.0, 1), "brake_park_pct": around(27.0, -1.2, 3.5, 5.0, 60.0, 1),
        "headlamp_cd": around(24_000.0, -1_500.0, 4_000.0, 3_000.0, 60_000.0, 0),
        "sideslip_m_per_km": around(0.0, 0.0, 2.2, -12.0, 12.0, 1),
        "speedometer_error_pct": around(3.0, 0.2, 3.0, -15.0, 20.0, 1), "tread_mm": around(7.5, -1.0, 2.2, 0.8, 18.0, 1),
        "emission_k_per_m": around(0.7, 0.18, 0.25, 0.01, 4.0, 2),
    }


def _fail_items(rng: np.random.Generator, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    texts = np.full(len(counts), None, dtype=object)
    for row in np.flatnonzero(counts).tolist():
        wanted = min(int(counts[row]), len(FAIL_ITEMS))
        texts[row] = ",".join(sorted(rng.choice(FAIL_ITEMS, size=wanted, replace=False, p=FAIL_ITEM_SHARES)))
    return texts


def _review_batch(rng: np.random.Generator, identities: Identities, month: Month, reviews: Reviews) -> Batch:
    vehicle = reviews.vehicle
    valid_to = np.where(reviews.passed, np.maximum(add_months(reviews.due, 12), reviews.day), reviews.day + 30)
    columns: dict[str, Any] = {
        "plate_no": identities.plate_no[vehicle], "plate_color": PLATE_COLOR, "vin": identities.vin[vehicle],
        "cert_no": identities.cert_no[vehicle], "review_year": _years(reviews.due), "review_date": reviews.day,
        "due_date": reviews.due, "review_org": "道路运输管理机构",
        "result": np.where(reviews.passed, "1", "2").astype(object), "valid_to": valid_to,
    }
    return Batch(
        "vehicle_annual_review", columns, row_id=_serial_ids("NS", month, len(vehicle)),
        arrived=next_morning(rng, reviews.day),
    )


def _rescue_batch(rng: np.random.Generator, identities: Identities, month: Month, breakdowns: Breakdowns) -> Batch:
    number = _serial_ids("JY", month, len(breakdowns.vehicle))
    columns: dict[str, Any] = {
        "rescue_no": number, "vin": identities.vin[breakdowns.vehicle], "occurred_at": breakdowns.occurred,
        "component": np.array(COMPONENTS, dtype=object)[breakdowns.component],
        "odometer_km": breakdowns.odometer_km,
    }
    return Batch(
        "roadside_assistance", columns, row_id=number, arrived=next_morning(rng, local_days(breakdowns.occurred))
    )


def _serial_ids(prefix: str, month: Month, n: int) -> npt.NDArray[np.object_]:
    return np.array([f"{prefix}{month.label}{serial:06d}" for serial in range(n)], dtype=object)


def _years(days: Days) -> npt.NDArray[np.int64]:
    return days.astype("datetime64[Y]").astype(np.int64) + 1970
