"""Practitioners' integrity ratings (#27): yearly points of what was found, with the driver's own month of assessment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.accidents import FATAL, AccidentModel, Accidents
from features.simulation.clock import Days, Month, add_months, whole_days
from features.simulation.deliveries import Batch, next_month
from features.simulation.enforcement import Cases
from features.simulation.identities import Identities
from features.simulation.streams import Stream, generator
from features.simulation.world import BUSINESSES, FREIGHT, World
from registry.codes import CASE_SEVERITY

IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

POINTS_BY_SEVERITY: Final = {"MI": 1, "SI": 3, "VSI": 5, "MSI": 10}
POINTS_FOR_FATAL: Final = 20
CATEGORIES: Final = {"freight": "02001", "passenger": "01001", "hazmat": "03001"}
FREIGHT_CLASSES: Final = (("A2", "B2", "A1"), (0.615, 0.269, 0.116))
"""准驾车型 of truck drivers: A2 and B2 [F2] CFLP 2023, the rest [A]."""
DRIVE_CLASSES: Final = {"passenger": "A1", "hazmat": "A2"}


@dataclass
class DriverRecords:
    """What is counted about drivers, arrays of shape (n_drivers,).

    Parameters
    ----------
    points
        Points since the last assessment.
    accidents
        Registered accidents, ever.
    assess_month
        Month of the year of the assessment, 0 to 11.
    blacklisted
        Flag of the register.
    trainings
        Number of trainings.
    """

    points: IntArray
    accidents: IntArray
    assess_month: IntArray
    blacklisted: BoolArray
    trainings: IntArray


def initial_driver_records(world: World, model: AccidentModel) -> DriverRecords:
    """Return the records at the start of the window: a past like the drivers' present."""
    rng, n = generator(world.seed, Stream.PEOPLE), len(world.drivers)
    per_year = np.full(n, 0.15)
    per_year[world.vehicles.driver] = model.per_day * 250.0 * 0.4
    years = np.minimum(world.drivers.experience_years, 6.0)
    return DriverRecords(
        points=_minor_points(rng, world, np.ones(n)), accidents=rng.poisson(per_year * years),
        assess_month=rng.integers(0, 12, n), blacklisted=np.zeros(n, dtype=np.bool_),
        trainings=rng.poisson(2.0 + 0.4 * world.drivers.experience_years),
    )


def _minor_points(rng: np.random.Generator, world: World, years: npt.NDArray[np.float64]) -> IntArray:
    """Draw points that no other resource shows: training missed, complaints, papers."""
    rate = world.assumed.people.points_rate * np.exp(0.45 * world.drivers.risk_taking - 0.10)
    points: IntArray = rng.poisson(rate * years)
    return points


def first_ratings(world: World, identities: Identities, records: DriverRecords) -> Batch:
    """Return the last assessment of every driver before the window, as the first delivery brings it."""
    rng = generator(world.seed, Stream.PEOPLE, 0, 1)
    back = (records.assess_month - _calendar_month(world.months[0])) % 12
    month = world.start.astype("datetime64[M]") - (12 - back) % 12 - 1
    assessed = month.astype("datetime64[D]") + rng.integers(0, 28, len(back)).astype("timedelta64[D]")
    everybody = np.arange(len(back))
    batch = _batch(world, identities, records, everybody, assessed, arrived=next_month(rng, assessed))
    first = np.maximum(batch.arrived, (world.start.astype("datetime64[us]")))
    records.points[:] = 0
    return Batch(batch.resource_id, batch.columns, batch.row_id, first)


def count_month(records: DriverRecords, cases: Cases, accidents: Accidents) -> None:
    """Add a month's cases and accidents to the records."""
    severity = np.array([POINTS_BY_SEVERITY[CASE_SEVERITY[reason]] for reason in cases.reason.tolist()], dtype=np.int64)
    found = ~cases.not_punished & ~cases.withdrawn
    np.add.at(records.points, cases.driver[found], severity[found])
    np.add.at(records.accidents, accidents.driver[accidents.registered], 1)
    np.add.at(records.points, accidents.driver[accidents.severity == FATAL], POINTS_FOR_FATAL)


def monthly_ratings(world: World, identities: Identities, month: Month, records: DriverRecords) -> Batch:
    """Assess the drivers whose year ends this month and start their next period."""
    rng = generator(world.seed, Stream.PEOPLE, month.index + 1)
    records.points += _minor_points(rng, world, np.full(len(world.drivers), 1.0 / 12.0))
    due = np.flatnonzero(records.assess_month == _calendar_month(month))
    assessed = rng.choice(month.days, len(due))
    batch = _batch(world, identities, records, due, assessed, arrived=next_month(rng, assessed))
    records.points[due] = 0
    records.trainings[due] += rng.poisson(1.0, len(due))
    return batch


def _batch(
    world: World, identities: Identities, records: DriverRecords, who: IntArray, assessed: Days, *, arrived: Any
) -> Batch:
    drivers, operator = world.drivers, world.drivers.operator[who]
    business = world.operators.business[operator]
    points = np.minimum(records.points[who], 100)
    year = assessed.astype("datetime64[Y]").astype(np.int64) + 1970
    qualification = identities.qualification_no[who]
    first_issue = drivers.first_licensed[who]
    columns: dict[str, Any] = {
        "qualification_no": qualification, "uscc": identities.uscc[operator], "assess_year": year,
        "assessed_at": assessed, "name": identities.driver_name[who],
        "qualification_category": np.array([CATEGORIES[name] for name in BUSINESSES], dtype=object)[business],
        "drive_class": _drive_classes(who, business), "birth_date": _birth_dates(world)[who],
        "first_issue_date": first_issue, "driving_licence_first_date": first_issue - np.timedelta64(730, "D"),
        "valid_to": add_months(assessed, 12 * (1 + who % 6)), "cert_status": "1",
        "practice_status": np.where(np.isin(who, world.vehicles.driver), "1", "2").astype(object),
        "grade": np.select([points == 0, points < 10, points < 20], ["AAA", "AA", "A"], "B").astype(object),
        "score_points": points.astype(np.float64), "period_start": add_months(assessed, -12), "period_end": assessed,
        "accident_count": records.accidents[who], "training_count": records.trainings[who],
        "continuing_education_done": records.trainings[who] > 2,
        "enforcement_status": np.where(points > 0, "2", "0").astype(object), "blacklisted": records.blacklisted[who],
    }
    row_id = np.array([f"CX{number}{y}" for number, y in zip(qualification, year.tolist(), strict=True)], dtype=object)
    return Batch("road_practitioner_rating", columns, row_id=row_id, arrived=arrived)


def _drive_classes(who: IntArray, business: IntArray) -> npt.NDArray[np.object_]:
    """Return licences: of truck drivers spread by driver number, so that each keeps his over the years."""
    classes, shares = FREIGHT_CLASSES
    # Multiples of the golden ratio fill 0 to 1 evenly.
    place = (who * 0.6180339887498949) % 1.0
    freight = np.array(classes, dtype=object)[np.searchsorted(np.cumsum(shares)[:-1], place, side="right")]
    fixed = np.array([DRIVE_CLASSES.get(name, "") for name in BUSINESSES], dtype=object)[business]
    return np.where(business == FREIGHT, freight, fixed)


def _birth_dates(world: World) -> npt.NDArray[np.object_]:
    return np.datetime_as_string(world.start - whole_days(world.drivers.age * 365.25), unit="D").astype(object)


def _calendar_month(month: Month) -> int:
    return int(month.first.astype("datetime64[M]").astype(np.int64)) % 12
