"""True accidents: one process that claims, permit counters and traffic emergencies are three partial views of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.activity import ActivityMonth, class_mean_night_share
from features.simulation.clock import Days, Instants, instants, month_of_year
from features.simulation.streams import Stream, generator
from features.simulation.world import World

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

PROPERTY, INJURY, FATAL = 0, 1, 2
DAY_HOURS: Final = tuple(range(6, 22))
NIGHT_HOURS: Final = (22, 23, 0, 1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Accidents:
    """Accidents of one month, arrays of shape (n_accidents,).

    Parameters
    ----------
    vehicle, driver
        Who.
    occurred
        UTC instants.
    severity
        0 property damage, 1 injury, 2 fatal.
    registered
        Counted by the transport authority.
    emergency
        Became a traffic emergency.
    """

    vehicle: IntArray
    driver: IntArray
    occurred: Instants
    severity: IntArray
    registered: npt.NDArray[np.bool_]
    emergency: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.vehicle)


@dataclass(frozen=True)
class AccidentModel:
    """The part of the intensity that does not change from day to day.

    Parameters
    ----------
    per_day
        Accidents on a day with the class's mean kilometres, shape (n_vehicles,), frailty included.
    reference_km
        Kilometres of such a day.
    night_reference
        Night share at which the night effect is one.
    """

    per_day: FloatArray
    reference_km: FloatArray
    night_reference: FloatArray


def accident_model(world: World) -> AccidentModel:
    """Return the intensity's vehicle factors; their mean over the province is one times the class's rate."""
    assumed, drivers, driver = world.assumed.accidents, world.drivers, world.vehicles.driver
    rng = generator(world.seed, Stream.ACCIDENTS)
    log_factor = (
        assumed.culture * world.vehicle_culture + assumed.risk_taking * drivers.risk_taking[driver]
        + assumed.skill * drivers.skill[driver] + assumed.wear * world.vehicles.wear
        + assumed.inexperience * (drivers.experience_years[driver] < 3.0)
    )
    factor = np.exp(log_factor - log_factor.mean())
    frailty = rng.gamma(assumed.frailty_shape, 1.0 / assumed.frailty_shape, len(factor))
    active_days = 365.25 * world.class_values("active_rate")
    reported = world.assumed.insurance.reported_share
    per_year = assumed.level * world.class_values("claim_rate") / reported * factor / factor.mean() * frailty
    return AccidentModel(
        per_day=per_year / active_days, reference_km=world.class_values("annual_km") / active_days,
        night_reference=class_mean_night_share(world),
    )


def daily_intensity(world: World, model: AccidentModel, activity: ActivityMonth) -> npt.NDArray[np.float32]:
    """Return expected accidents of each vehicle-day of a month, shape (n_rows,)."""
    assumed, columns, vehicle = world.assumed.accidents, activity.columns, activity.vehicle
    relative_km = columns["distance_km"] / model.reference_km.astype(np.float32)[vehicle]
    night = columns["night_drive_h"] / np.maximum(columns["drive_h"], np.float32(0.05))
    night_excess = night - model.night_reference.astype(np.float32)[vehicle]
    winter = np.isin(month_of_year(activity.month.days[:1]), (1, 2, 3, 12))[0]
    log_effect = np.float32(assumed.exposure_power) * np.log(np.maximum(relative_km, np.float32(1e-3)))
    log_effect += np.float32(assumed.night_log_per_share) * night_excess
    log_effect += np.float32(assumed.long_drive) * (columns["max_cont_drive_h"] > 4.0)
    log_effect += np.float32(assumed.winter_rain if winter else 0.0)
    result: npt.NDArray[np.float32] = model.per_day.astype(np.float32)[vehicle] * np.exp(log_effect)
    return result


def simulate_accidents(
    world: World, activity: ActivityMonth, intensity: npt.NDArray[np.float32], part: int = 0
) -> Accidents:
    """Draw the accidents of a month, or of its part, from the intensity of its vehicle-days."""
    assumed = world.assumed.accidents
    rng = generator(world.seed, Stream.ACCIDENTS, activity.month.index + 1, part)
    rows = np.flatnonzero(rng.random(len(intensity), dtype=np.float32) < intensity)
    vehicle = activity.vehicle[rows].astype(np.int64)
    night = activity.columns["night_drive_h"][rows] / np.maximum(activity.columns["drive_h"][rows], 0.05)
    severity = _severity(rng, world, vehicle, night)
    return Accidents(
        vehicle=vehicle, driver=world.vehicles.driver[vehicle], occurred=_moments(rng, activity.day[rows], night),
        severity=severity, registered=rng.random(len(rows)) < np.array(assumed.registered)[severity],
        emergency=rng.random(len(rows)) < np.array(assumed.emergency)[severity],
    )


def all_accidents(parts: Sequence[Accidents]) -> Accidents:
    """Return the accidents of all parts of a month."""
    return Accidents(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Accidents)))


def _severity(rng: np.random.Generator, world: World, vehicle: IntArray, night: FloatArray) -> IntArray:
    """Draw severities: risk-taking and night make accidents graver."""
    _, injury, fatal = world.assumed.accidents.severity_shares
    graver = np.exp(0.25 * world.vehicle_risk[vehicle] + 0.6 * (night - 0.2) - 0.14)
    draw = rng.random(len(vehicle))
    p_fatal, p_injury = np.minimum(fatal * graver, 0.2), np.minimum(injury * graver, 0.6)
    return np.where(draw < p_fatal, FATAL, np.where(draw < p_fatal + p_injury, INJURY, PROPERTY))


def _moments(rng: np.random.Generator, day: Days, night: FloatArray) -> Instants:
    by_night = rng.random(len(day)) < np.minimum(1.3 * night, 0.95)
    hour = np.where(by_night, rng.choice(NIGHT_HOURS, len(day)), rng.choice(DAY_HOURS, len(day)))
    return instants(day, hour + rng.random(len(day)))
