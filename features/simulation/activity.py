"""What vehicles do: one month of vehicle-days at a time, the exposure that everything else is driven by.

A row exists for every vehicle and day with driving. Columns are float32 or int32 arrays of one length; rows are ordered by
vehicle, then day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.assumptions import VEHICLE_CLASSES, ActivityAssumptions
from features.simulation.clock import Days, Month, around_spring_festival, month_of_year, weekday
from features.simulation.streams import Stream, generator
from features.simulation.world import PASSENGER, World

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

MAX_DRIVE_H: Final = 17.0
MONTH_FACTORS: Final = (0.92, 0.80, 1.05, 1.03, 1.03, 0.98, 0.96, 0.98, 1.04, 1.05, 1.08, 1.08)
"""Freight demand by month of the year, mean 1 [A]."""


@dataclass(frozen=True)
class ActivityMonth:
    """The vehicle-days of one month.

    Parameters
    ----------
    month
        The month.
    vehicle, day
        Index of the vehicle and day of each row, shape (n_rows,).
    columns
        Measured columns by their declared identifiers, each of shape (n_rows,).
    """

    month: Month
    vehicle: Int32
    day: Days
    columns: dict[str, npt.NDArray[Any]]

    def per_vehicle(self, values: npt.NDArray[Any], n_vehicles: int) -> npt.NDArray[np.float64]:
        """Return sums of a row value by vehicle, shape (n_vehicles,)."""
        sums: npt.NDArray[np.float64] = np.bincount(self.vehicle, weights=values, minlength=n_vehicles).astype(np.float64)
        return sums


def simulate_activity(world: World, month: Month) -> ActivityMonth:
    """Draw the vehicle-days of a month."""
    rng = generator(world.seed, Stream.ACTIVITY, month.index)
    vehicle, day_of_month = _active_days(rng, world, month)
    driving = _driving(rng, world, month, vehicle, day_of_month)
    behaviour = _behaviour(rng, world, month, vehicle, day_of_month, driving)
    return ActivityMonth(month, vehicle, month.days[day_of_month], driving | behaviour)


def _active_days(rng: np.random.Generator, world: World, month: Month) -> tuple[Int32, Int32]:
    days, assumed = month.days, world.assumed.activity
    rate = world.class_values("active_rate").astype(np.float32)
    factor = _demand(days, assumed).astype(np.float32)
    is_passenger = world.operators.business[world.vehicles.operator] == PASSENGER
    # People travel when freight rests.
    by_day = np.where(is_passenger[:, None], np.minimum(1.1, 1.9 - 0.9 * factor)[None, :], factor[None, :])
    active = rng.random((len(rate), len(days)), dtype=np.float32) < rate[:, None] * by_day
    active &= world.vehicles.in_service(days)
    active[:, days == np.datetime64(assumed.missing_day)] = False
    vehicle, day_of_month = np.nonzero(active)
    return vehicle.astype(np.int32), day_of_month.astype(np.int32)


def _demand(days: Days, assumed: ActivityAssumptions) -> npt.NDArray[np.float64]:
    factor = np.ones(len(days))
    factor[weekday(days) == 6] *= assumed.sunday_factor
    factor[around_spring_festival(days, before_d=3, after_d=8)] *= assumed.festival_factor
    return factor


def _driving(
    rng: np.random.Generator, world: World, month: Month, vehicle: Int32, day_of_month: Int32
) -> dict[str, npt.NDArray[Any]]:
    n, assumed, vehicles = len(vehicle), world.assumed.activity, world.vehicles
    season = np.array(MONTH_FACTORS)[month_of_year(month.days) - 1] * np.sqrt(_demand(month.days, assumed))
    usual = vehicles.annual_km / 365.25 / world.class_values("active_rate")
    usual *= np.exp(assumed.month_sigma * rng.standard_normal(len(vehicles)) - assumed.day_sigma**2 / 2.0)
    speed = world.class_values("speed_kmh").astype(np.float32)[vehicle]
    speed *= np.exp(np.float32(0.09) * _normal(rng, n))
    distance = usual.astype(np.float32)[vehicle] * season.astype(np.float32)[day_of_month]
    distance *= np.exp(np.float32(assumed.day_sigma) * _normal(rng, n))
    drive_h = np.minimum(distance / speed, np.float32(MAX_DRIVE_H))
    distance = drive_h * speed
    logit = np.log(vehicles.night_share / (1.0 - vehicles.night_share)).astype(np.float32)[vehicle]
    night_share = 1.0 / (1.0 + np.exp(-(logit + np.float32(0.8) * _normal(rng, n))))
    night_h = np.minimum(night_share * drive_h, np.float32(7.9))
    # Coaches must stand from 2 to 5 o'clock; most do.
    small_hours = np.where(world.operators.business[vehicles.operator] == PASSENGER, 0.04, 0.375).astype(np.float32)
    deep_night_h = np.minimum(night_h * small_hours[vehicle] * rng.random(n, dtype=np.float32) * 2.0, 3.0)
    stretch = np.exp(np.float32(0.32) * _normal(rng, n) + _long_stretches(world)[vehicle])
    max_cont = np.minimum(drive_h, np.float32(2.3) * stretch)
    over_4h = np.where(max_cont > 4.0, np.maximum(1.0, np.floor(drive_h / (max_cont + 0.4))), 0.0)
    return {
        "distance_km": np.round(distance, 1), "drive_h": np.round(drive_h, 2), "night_drive_h": np.round(night_h, 2),
        "h_2_5": np.round(deep_night_h.astype(np.float32), 2), "max_cont_drive_h": np.round(max_cont, 2),
        "n_cont_over_4h": over_4h.astype(np.int32),
        "n_rest_20min": rng.poisson(drive_h / (0.8 * max_cont + 0.7)).astype(np.int32),
    }


def _long_stretches(world: World) -> Float32:
    """Return the vehicle's log tendency to drive without a break: the driver's taste for risk and long hauls."""
    haul = np.log(world.class_values("annual_km") / 60_000.0)
    result: Float32 = (0.16 * world.vehicle_risk + 0.30 * haul).astype(np.float32)
    return result


def _behaviour(
    rng: np.random.Generator, world: World, month: Month, vehicle: Int32, day_of_month: Int32,
    driving: dict[str, npt.NDArray[Any]],
) -> dict[str, npt.NDArray[Any]]:
    n, assumed = len(vehicle), world.assumed.activity
    risk, skill = world.vehicle_risk, world.drivers.skill[world.vehicles.driver]
    fast, hard, near = _terminal_bias(world)
    hundreds = driving["distance_km"] / np.float32(100.0)
    speeding = (assumed.speeding_per_100km * np.exp(0.45 * risk + fast - 0.20)).astype(np.float32)[vehicle] * hundreds
    braking = (assumed.harsh_brakes_per_100km * np.exp(0.35 * risk - 0.30 * skill + hard - 0.20)).astype(np.float32)
    adas = assumed.adas_alarms_per_100km * np.exp(0.25 * risk - 0.20 * skill + near) * world.vehicles.has_adas * 0.12
    fatigue = assumed.fatigue_alarms_per_100km * hundreds * _firmware(world, month)[vehicle, day_of_month]
    tired = 0.6 + 0.9 * (driving["max_cont_drive_h"] > 4.0) + 1.5 * driving["h_2_5"] / 3.0
    n_speed = rng.poisson(speeding).astype(np.int32)
    class_speed = world.class_values("speed_kmh").astype(np.float32)[vehicle]
    return {
        "overspeed_min": np.round(n_speed * np.float32(1.3) * (0.5 + rng.random(n, dtype=np.float32)), 1),
        "p95_speed_kmh": np.round(
            np.minimum(class_speed * 1.32 + 2.5 * (risk + 2.0 * fast).astype(np.float32)[vehicle] + 4.0 * _normal(rng, n), 130.0), 1
        ),
        "n_alarm_fatigue": rng.poisson(fatigue * tired).astype(np.int32),
        "n_alarm_speed": n_speed + (rng.random(n, dtype=np.float32) < 0.25 * hundreds / (1.0 + hundreds)),
        "n_alarm_collision": rng.poisson(adas.astype(np.float32)[vehicle] * hundreds).astype(np.int32),
        "n_harsh_brake": rng.poisson(braking[vehicle] * hundreds).astype(np.int32),
        **_messages(rng, world, vehicle, driving["drive_h"]),
    }


def _terminal_bias(world: World) -> tuple[npt.NDArray[np.float64], ...]:
    """Return lasting log errors of speed, brake and distance alarms by vehicle: routes and sensors, not the driver."""
    rng = generator(world.seed, Stream.ACTIVITY)
    sd = world.assumed.activity.terminal_bias_sd
    return tuple(sd * rng.standard_normal((3, len(world.vehicles))))


def _firmware(world: World, month: Month) -> Float32:
    """Return the alarm factor by vehicle and day: one terminal maker changed its rule on a known day."""
    after = month.days >= np.datetime64(world.assumed.activity.firmware_day)
    changed = (world.vehicles.terminal_maker == 1)[:, None] & after[None, :]
    return np.where(changed, world.assumed.activity.firmware_factor, 1.0).astype(np.float32)


def _messages(
    rng: np.random.Generator, world: World, vehicle: Int32, drive_h: Float32
) -> dict[str, npt.NDArray[Any]]:
    """Return offline hours (careless operators leave terminals broken) and the number of 30-second messages."""
    share = np.minimum(world.assumed.activity.offline_base * np.exp(-0.5 * world.vehicle_culture), 0.6)
    offline = rng.random(len(vehicle), dtype=np.float32) < share.astype(np.float32)[vehicle]
    offline_h = np.where(offline, drive_h * rng.random(len(vehicle), dtype=np.float32), 0.0).astype(np.float32)
    return {
        "offline_h": np.round(offline_h, 2),
        "n_messages": np.maximum((drive_h - offline_h) * 120.0 + 8.0, 1.0).astype(np.int32),
    }


def _normal(rng: np.random.Generator, n: int) -> Float32:
    return rng.standard_normal(n, dtype=np.float32)


def class_mean_night_share(world: World) -> npt.NDArray[np.float64]:
    """Return the typical night share of each vehicle's class, the reference of the night effect."""
    table = np.array([kind.night_share for kind in VEHICLE_CLASSES])
    result: npt.NDArray[np.float64] = table[world.vehicles.kind]
    return result
