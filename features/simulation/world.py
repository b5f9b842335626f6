"""Who exists: operators with a safety culture, vehicles that wear, drivers with skill and a taste for risk.

Latent traits are standard normal by construction where they enter an effect; identifiers are made in `identities`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.assumptions import VEHICLE_CLASSES, Assumptions, FleetAssumptions
from features.simulation.cities import CITIES, inspection_intensity
from features.simulation.clock import Days, Month, months_from, whole_days
from features.simulation.presets import Preset
from features.simulation.streams import Stream, generator

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

INDIVIDUAL, SMALL, LARGE = 0, 1, 2
FREIGHT, PASSENGER, HAZMAT = 0, 1, 2
BUSINESSES: Final = ("freight", "passenger", "hazmat")
COMPANY_FLEET_LIMIT: Final = 150
"""Passenger and hazmat operators are drawn from companies below this size, so that one firm does not hold the sector."""


@dataclass(frozen=True)
class Operators:
    """Road-transport operators (业户), arrays of shape (n_operators,)."""

    stratum: IntArray
    business: IntArray
    city: IntArray
    size: IntArray
    culture: FloatArray
    opened: Days
    has_uscc: BoolArray

    def __len__(self) -> int:
        return len(self.stratum)


@dataclass(frozen=True)
class Vehicles:
    """Commercial vehicles (营运车辆), arrays of shape (n_vehicles,)."""

    operator: IntArray
    kind: IntArray
    registered: Days
    enters: Days
    leaves: Days
    annual_km: FloatArray
    night_share: FloatArray
    wear: FloatArray
    odometer_km: FloatArray
    fuel: IntArray
    affiliated: BoolArray
    owner_culture: FloatArray
    has_adas: BoolArray
    terminal_maker: IntArray
    driver: IntArray

    def __len__(self) -> int:
        return len(self.operator)

    def age_years(self, day: np.datetime64) -> FloatArray:
        """Return years since registration on a day."""
        result: FloatArray = (day - self.registered).astype(np.float64) / 365.25
        return result

    def in_service(self, days: Days) -> BoolArray:
        """Return (n_vehicles, n_days): whether the vehicle is in service."""
        result: BoolArray = (self.enters[:, None] <= days[None, :]) & (self.leaves[:, None] > days[None, :])
        return result


@dataclass(frozen=True)
class Drivers:
    """Professional drivers (从业驾驶员), arrays of shape (n_drivers,)."""

    operator: IntArray
    risk_taking: FloatArray
    skill: FloatArray
    age: FloatArray
    experience_years: FloatArray
    first_licensed: Days

    def __len__(self) -> int:
        return len(self.operator)


@dataclass(frozen=True)
class World:
    """Everybody, the window and the assumptions."""

    seed: int
    preset: Preset
    assumed: Assumptions
    months: tuple[Month, ...]
    operators: Operators
    vehicles: Vehicles
    drivers: Drivers
    city_intensity: FloatArray

    @property
    def start(self) -> np.datetime64:
        """First day of the window."""
        return self.months[0].first

    @property
    def end(self) -> np.datetime64:
        """First day after the window."""
        return self.months[-1].end

    @property
    def vehicle_culture(self) -> FloatArray:
        """Safety culture at work in each vehicle: its operator's; under 挂靠 mostly that of the owner who drives it."""
        fleet, firm = self.assumed.fleet, self.operators.culture[self.vehicles.operator]
        owner = fleet.culture_mean[INDIVIDUAL] + fleet.culture_sd * self.vehicles.owner_culture
        share = fleet.affiliated_influence
        result: FloatArray = np.where(self.vehicles.affiliated, share * firm + np.sqrt(1.0 - share**2) * owner, firm)
        return result

    @property
    def vehicle_city(self) -> IntArray:
        """City of each vehicle's operator."""
        return self.operators.city[self.vehicles.operator]

    @property
    def vehicle_risk(self) -> FloatArray:
        """Risk-taking of each vehicle's usual driver."""
        return self.drivers.risk_taking[self.vehicles.driver]

    def class_values(self, attribute: str) -> FloatArray:
        """Return a number of `VehicleClass` for every vehicle."""
        table = np.array([getattr(kind, attribute) for kind in VEHICLE_CLASSES], dtype=np.float64)
        result: FloatArray = table[self.vehicles.kind]
        return result


def build_world(preset: Preset, seed: int, assumed: Assumptions) -> World:
    """Draw operators, vehicles and drivers of a preset."""
    months = months_from(preset.start, preset.months)
    operators = _operators(preset, seed, assumed.fleet, months)
    drivers_of, vehicles = _vehicles(preset, seed, assumed, months, operators)
    drivers = _drivers(preset, seed, assumed.fleet, months, operators, drivers_of)
    return World(
        seed=seed, preset=preset, assumed=assumed, months=months, operators=operators, vehicles=vehicles,
        drivers=drivers, city_intensity=inspection_intensity(seed, assumed.enforcement),
    )


def _operators(preset: Preset, seed: int, assumed: FleetAssumptions, months: tuple[Month, ...]) -> Operators:
    rng = generator(seed, Stream.OPERATORS)
    n = preset.n_operators
    n_large = max(1, round(n * assumed.stratum_shares[LARGE]))
    n_small = max(4, round(n * assumed.stratum_shares[SMALL]))
    stratum = np.repeat([LARGE, SMALL, INDIVIDUAL], [n_large, n_small, n - n_large - n_small])
    size = _fleet_sizes(rng, stratum, preset, assumed)
    culture = np.array(assumed.culture_mean)[stratum] + assumed.culture_sd * rng.standard_normal(n)
    weights = np.array([city.weight for city in CITIES])
    opened = months[0].first - whole_days(rng.gamma(2.0, 1_100.0, n) + 30.0)
    return Operators(
        stratum=stratum, business=_businesses(rng, stratum, size, preset),
        city=rng.choice(len(CITIES), size=n, p=weights / weights.sum()), size=size, culture=culture, opened=opened,
        has_uscc=(stratum != INDIVIDUAL) | (rng.random(n) >= assumed.uscc_missing_share),
    )


def _fleet_sizes(
    rng: np.random.Generator, stratum: IntArray, preset: Preset, assumed: FleetAssumptions
) -> npt.NDArray[np.int64]:
    individual = 1 + rng.choice(len(assumed.individual_sizes), size=len(stratum), p=assumed.individual_sizes)
    small = np.clip(
        np.rint(np.exp(np.log(assumed.small_median) + assumed.small_sigma * rng.standard_normal(len(stratum)))), 2, 49
    )
    large = 50.0 * (1.0 + rng.pareto(assumed.large_alpha, len(stratum)))
    is_large = stratum == LARGE
    target = preset.n_trucks + preset.n_coaches + preset.n_hazmat
    rest = target - float(np.where(stratum == INDIVIDUAL, individual, small)[~is_large].sum())
    # A Pareto tail of 1.3 has a wild mean: the large fleets share what the target leaves, never below their minimum.
    excess = np.minimum(large[is_large], assumed.large_cap) - 50.0
    scale = max(rest - 50.0 * is_large.sum(), 0.0) / max(float(excess.sum()), 1.0)
    large[is_large] = np.minimum(50.0 + excess * scale, assumed.large_cap)
    sizes: npt.NDArray[np.int64] = np.select(
        [stratum == INDIVIDUAL, stratum == SMALL], [individual, small], large
    ).astype(np.int64)
    return sizes


def _businesses(rng: np.random.Generator, stratum: IntArray, size: IntArray, preset: Preset) -> IntArray:
    business = np.full(len(stratum), FREIGHT)
    companies = rng.permutation(np.flatnonzero((stratum != INDIVIDUAL) & (size >= 5) & (size < COMPANY_FLEET_LIMIT)))
    running = np.cumsum(size[companies])
    until_passenger = int(np.searchsorted(running, preset.n_coaches)) + 1
    business[companies[:until_passenger]] = PASSENGER
    rest = companies[until_passenger:]
    until_hazmat = int(np.searchsorted(np.cumsum(size[rest]), preset.n_hazmat)) + 1
    business[rest[:until_hazmat]] = HAZMAT
    return business


def _vehicles(
    preset: Preset, seed: int, assumed: Assumptions, months: tuple[Month, ...], operators: Operators
) -> tuple[IntArray, Vehicles]:
    rng = generator(seed, Stream.VEHICLES)
    operator = np.repeat(np.arange(len(operators)), operators.size)
    n = len(operator)
    kind = _kinds(rng, operators.business[operator])
    table = {name: np.array([getattr(c, name) for c in VEHICLE_CLASSES])[kind] for name in
             ("annual_km", "night_share", "retire_after_years")}
    age = np.minimum(rng.gamma(2.0, assumed.fleet.mean_age_years / 2.0, n), table["retire_after_years"] - 2.5)
    registered = months[0].first - whole_days(age * 365.25)
    enters, leaves = _service_dates(rng, n, months, assumed.fleet)
    new = enters > months[0].first
    registered = np.where(new, enters - np.timedelta64(12, "D"), registered)
    annual_km = table["annual_km"] * np.exp(assumed.fleet.annual_km_sigma * rng.standard_normal(n))
    logit = assumed.fleet.night_logit_scale * np.log(table["night_share"] / (1.0 - table["night_share"]))
    logit += 0.6 * rng.standard_normal(n)
    company = operators.stratum[operator] != INDIVIDUAL
    freight = operators.business[operator] == FREIGHT
    age_at_start = np.where(new, 0.0, age)
    own = generator(seed, Stream.VEHICLES, 1).standard_normal(n)
    vehicles = Vehicles(
        operator=operator, kind=kind, registered=registered, enters=enters, leaves=leaves, annual_km=annual_km,
        night_share=1.0 / (1.0 + np.exp(-logit)),
        wear=-0.25 * operators.culture[operator] + np.sqrt(1 - 0.25**2) * rng.standard_normal(n),
        odometer_km=np.rint(age_at_start * annual_km * rng.uniform(0.8, 1.05, n)),
        fuel=rng.choice([2, 3, 5], size=n, p=assumed.fleet.fuel_shares),
        affiliated=company & freight & (rng.random(n) < assumed.fleet.affiliated_share),
        owner_culture=own, has_adas=rng.random(n) < assumed.activity.adas_share,
        terminal_maker=(rng.random(n) < assumed.activity.firmware_share).astype(np.int64), driver=np.arange(n),
    )
    return operator, vehicles


def _kinds(rng: np.random.Generator, business: IntArray) -> IntArray:
    kind = np.zeros(len(business), dtype=np.int64)
    for code, name in enumerate(BUSINESSES):
        members = np.flatnonzero(business == code)
        choices = [index for index, item in enumerate(VEHICLE_CLASSES) if item.business == name]
        shares = np.array([VEHICLE_CLASSES[index].share for index in choices])
        kind[members] = rng.choice(choices, size=len(members), p=shares / shares.sum())
    return kind


def _service_dates(
    rng: np.random.Generator, n: int, months: tuple[Month, ...], assumed: FleetAssumptions
) -> tuple[Days, Days]:
    start, end = months[0].first, months[-1].end
    length = int((end - start).astype(np.int64))
    fate, moment = rng.random(n), whole_days(rng.uniform(20.0, length - 20.0, n))
    enters = np.where(fate < assumed.enter_share, start + moment, start)
    leaving = (fate >= assumed.enter_share) & (fate < assumed.enter_share + assumed.leave_share)
    return enters, np.where(leaving, start + moment, np.datetime64("2099-01-01"))


def _drivers(
    preset: Preset, seed: int, assumed: FleetAssumptions, months: tuple[Month, ...], operators: Operators,
    operator_of_vehicle: IntArray,
) -> Drivers:
    rng = generator(seed, Stream.DRIVERS)
    spare = max(preset.n_practitioners - len(operator_of_vehicle), 0)
    operator = np.concatenate([operator_of_vehicle, rng.choice(operator_of_vehicle, size=spare)])
    n = len(operator)
    load = assumed.driver_from_culture
    age = np.clip(43.0 + 7.5 * rng.standard_normal(n), 23.0, 59.5)
    experience = np.clip(rng.gamma(2.2, 5.0, n), 0.2, age - 21.0)
    return Drivers(
        operator=operator,
        risk_taking=load * operators.culture[operator] + np.sqrt(1 - load**2) * rng.standard_normal(n),
        skill=rng.standard_normal(n), age=age, experience_years=experience,
        first_licensed=months[0].first - whole_days(experience * 365.25),
    )
