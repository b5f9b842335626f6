"""The registers (#4 to #7): a first snapshot of every vehicle and operator, then a row whenever something changed.

A register is brought up to date at the end of each month; an accident counts once the authority has it, so accidents of
the last days of a month enter with the next. [A]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.accidents import AccidentModel, Accidents
from features.simulation.assumptions import VEHICLE_CLASSES, VehicleClass
from features.simulation.clock import Days, Instants, Month, add_months, instants, local_days
from features.simulation.condition import Condition
from features.simulation.credit import OperatorRecords
from features.simulation.deliveries import Batch, next_morning, only_where
from features.simulation.enforcement import Cases
from features.simulation.identities import PLATE_COLOR, Identities
from features.simulation.streams import Stream, generator
from features.simulation.world import BUSINESSES, FREIGHT, INDIVIDUAL, World

IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

SCOPES: Final = {"freight": "02101", "passenger": "01103", "hazmat": "03131"}
INDUSTRY: Final = {"freight": "8", "passenger": "1", "hazmat": "3"}
BRANDS: Final = ("赣骏", "远程甲", "东岭", "华越", "北驰", "江川")
REGISTRATION_LAG_D: Final = 10
LENGTHS_MM: Final = {"tractor": 6_900, "medium": 7_200, "dump": 8_600}
NO_DAY: Final = np.datetime64("NaT", "D")


@dataclass
class VehicleRegister:
    """What the transport certificate shows and nobody else keeps, arrays of shape (n_vehicles,)."""

    accidents: IntArray
    accidents_pending: IntArray
    case_status: npt.NDArray[np.object_]
    version: IntArray


def initial_register(world: World, model: AccidentModel) -> VehicleRegister:
    """Return the register at the start: past accidents came at the present rate."""
    rng, n = generator(world.seed, Stream.SNAPSHOTS), len(world.vehicles)
    years = np.clip(world.vehicles.age_years(world.start), 0.0, 4.0)
    return VehicleRegister(
        accidents=rng.poisson(model.per_day * 290.0 * 0.4 * years), accidents_pending=np.zeros(n, dtype=np.int64),
        case_status=np.full(n, "0", dtype=object), version=np.zeros(n, dtype=np.int64),
    )


def first_snapshots(
    world: World, identities: Identities, register: VehicleRegister, condition: Condition, records: OperatorRecords
) -> list[Batch]:
    """Return the four registers as the first delivery brings them."""
    rng = generator(world.seed, Stream.SNAPSHOTS, 0, 1)
    present = np.flatnonzero(world.vehicles.enters == world.start)
    everybody = np.arange(len(world.operators))
    moment = instants(np.full(len(present), world.start), 0.5 + rng.random(len(present)))
    arrived = instants(np.full(len(present), world.start), 3.0 + rng.random(len(present)))
    whole = instants(np.full(len(everybody), world.start), 0.5 + rng.random(len(everybody)))
    return [
        basic_batch(world, identities, present, moment, arrived),
        permit_batch(world, identities, register, condition, present, moment, arrived, day=world.start),
        operator_batch(rng, world, identities, records, everybody, whole),
        licence_batch(rng, world, identities, records, everybody, whole),
    ]


def monthly_changes(
    world: World, identities: Identities, month: Month, register: VehicleRegister, condition: Condition,
    records: OperatorRecords, touched: IntArray, cases: Cases, accidents: Accidents, *, rated: bool,
) -> list[Batch]:
    """Return the rows that a month's events change.

    Parameters
    ----------
    touched
        Vehicles maintained, inspected or reviewed this month.
    rated
        Whether enterprise ratings were published this month.
    """
    rng = generator(world.seed, Stream.SNAPSHOTS, month.index + 1)
    changed = _update(world, month, register, touched, cases, accidents)
    entering = _between(world.vehicles.enters, month) & (world.vehicles.enters > world.start)
    changed |= entering | _between(world.vehicles.leaves, month)
    vehicle = np.flatnonzero(changed & (world.vehicles.enters < month.end))
    last = np.full(len(vehicle), month.end - 1)
    moment = instants(last, 18.0 + 5.9 * rng.random(len(vehicle)))
    new = np.flatnonzero(entering)
    new_moment = instants(world.vehicles.enters[new], 9.0 + 8.0 * rng.random(len(new)))
    batches = [
        basic_batch(world, identities, new, new_moment, next_morning(rng, world.vehicles.enters[new])),
        permit_batch(world, identities, register, condition, vehicle, moment, next_morning(rng, last), day=month.end - 1),
    ]
    operators = np.unique(np.concatenate([
        cases.operator, np.flatnonzero(np.arange(len(world.operators)) % 12 == month.index % 12),
        np.flatnonzero(world.operators.stratum != INDIVIDUAL) if rated else np.empty(0, dtype=np.int64),
    ]).astype(np.int64))
    when = instants(np.full(len(operators), month.end - 1), 18.0 + 5.9 * rng.random(len(operators)))
    return [
        *batches, operator_batch(rng, world, identities, records, operators, when),
        licence_batch(rng, world, identities, records, operators, when, open_cases=cases),
    ]


def _update(
    world: World, month: Month, register: VehicleRegister, touched: IntArray, cases: Cases, accidents: Accidents
) -> BoolArray:
    """Count accidents that reached the authority and cases; return whose row changes."""
    n = len(register.accidents)
    in_time = local_days(accidents.occurred) < month.end - REGISTRATION_LAG_D
    now = np.bincount(accidents.vehicle[accidents.registered & in_time], minlength=n) + register.accidents_pending
    register.accidents_pending = np.bincount(accidents.vehicle[accidents.registered & ~in_time], minlength=n)
    register.accidents = register.accidents + now
    was_open = register.case_status == "1"
    register.case_status[was_open] = "2"
    register.case_status[cases.vehicle] = "1"
    changed: BoolArray = (now > 0) | was_open
    changed[cases.vehicle] = True
    changed[touched] = True
    return changed


def _between(days: Days, month: Month) -> BoolArray:
    result: BoolArray = (days >= month.first) & (days < month.end)
    return result


def _kind_values(world: World, vehicle: IntArray, value: str) -> npt.NDArray[np.object_]:
    table = np.array([getattr(kind, value) for kind in VEHICLE_CLASSES], dtype=object)
    result: npt.NDArray[np.object_] = table[world.vehicles.kind[vehicle]]
    return result


def _tank_m3(kind: VehicleClass) -> float:
    return 24.0 if kind.business == "hazmat" else np.nan


def basic_batch(world: World, identities: Identities, vehicle: IntArray, moment: Instants, arrived: Instants) -> Batch:
    """Return rows of technical data (#4)."""
    vehicles, kind = world.vehicles, world.vehicles.kind[vehicle]
    registered = vehicles.registered[vehicle]
    years = _kind_values(world, vehicle, "retire_after_years").astype(np.int64)
    business = _kind_values(world, vehicle, "business")
    gross = _kind_values(world, vehicle, "gross_t").astype(np.float64)
    load = _kind_values(world, vehicle, "load_t").astype(np.float64)
    columns: dict[str, Any] = {
        "vin": identities.vin[vehicle], "plate_no": identities.plate_no[vehicle], "plate_color": PLATE_COLOR,
        "modify_time": moment, "brand": np.array(BRANDS, dtype=object)[vehicle % len(BRANDS)],
        "vehicle_type": _kind_values(world, vehicle, "vehicle_type"),
        "coach_grade": only_where(business == "passenger", "23"),
        "seats": _kind_values(world, vehicle, "seats").astype(np.int64), "load_t": load,
        "teu": np.where(_kind_values(world, vehicle, "id") == "container", 2, 0),
        "tank_m3": np.array([_tank_m3(item) for item in VEHICLE_CLASSES])[kind],
        "fuel_type": vehicles.fuel[vehicle].astype(str).astype(object),
        "engine_kw": _kind_values(world, vehicle, "engine_kw").astype(np.float64),
        "made_date": registered - np.timedelta64(45, "D"), "bought_date": registered - np.timedelta64(8, "D"),
        "registered_date": registered, "scrap_date": add_months(registered, 12 * years),
        "length_mm": np.array([float(LENGTHS_MM.get(item.id, 10_500)) for item in VEHICLE_CLASSES])[kind],
        "width_mm": np.full(len(vehicle), 2_500.0), "height_mm": np.full(len(vehicle), 3_800.0),
        "axles": _kind_values(world, vehicle, "axles").astype(np.int64), "gross_mass_t": gross,
        "curb_mass_t": np.round(np.maximum(gross - load, 4.0), 1), "cert_no": identities.cert_no[vehicle],
    }
    row_id = np.array([f"CL{vin}" for vin in identities.vin[vehicle]], dtype=object)
    return Batch("vehicle_basic", columns, row_id=row_id, arrived=arrived)


def permit_batch(
    world: World, identities: Identities, register: VehicleRegister, condition: Condition, vehicle: IntArray,
    moment: Instants, arrived: Instants, *, day: np.datetime64,
) -> Batch:
    """Return rows of the transport certificate (#5): the state of the register on a day."""
    vehicles, operator = world.vehicles, world.vehicles.operator[vehicle]
    business = world.operators.business[operator]
    first_issue = vehicles.registered[vehicle] + np.timedelta64(10, "D")
    overdue = condition.due[vehicle] < day
    register.version[vehicle] += 1
    is_hazmat = _kind_values(world, vehicle, "business") == "hazmat"
    columns: dict[str, Any] = {
        "plate_no": identities.plate_no[vehicle], "plate_color": PLATE_COLOR, "vin": identities.vin[vehicle],
        "uscc": identities.uscc[operator], "modify_time": moment, "owner_name": identities.operator_name[operator],
        "licence_prefix": "赣", "licence_no": identities.licence_no[operator], "cert_prefix": "赣交运管",
        "cert_no": identities.cert_no[vehicle], "cert_medium": "1", "first_issue_date": first_issue,
        "valid_from": first_issue, "valid_to": add_months(first_issue, 12 * 16),
        "levy_tonnage_t": _kind_values(world, vehicle, "load_t").astype(np.float64),
        "levy_seats": _kind_values(world, vehicle, "seats").astype(np.int64),
        "industry_type": np.array([INDUSTRY[name] for name in BUSINESSES], dtype=object)[business],
        "business_scope": np.array([SCOPES[name] for name in BUSINESSES], dtype=object)[business],
        "op_status": np.where(vehicles.leaves[vehicle] <= day, "80", "10").astype(object),
        "second_maint_status": np.where(overdue, "2", "1").astype(object),
        "second_maint_date": condition.maintained[vehicle], "next_second_maint_date": condition.due[vehicle],
        "second_maint_cycle_d": np.full(len(vehicle), float(world.assumed.condition.maintenance_interval_d)),
        "second_maint_interval_km": np.full(len(vehicle), world.assumed.condition.maintenance_interval_km),
        "overhaul_count": (condition.odometer_km[vehicle] // 450_000).astype(np.int64),
        "tech_level": condition.tech_level[vehicle].astype(str).astype(object),
        "enforcement_status": register.case_status[vehicle], "accident_count": register.accidents[vehicle],
        "insured_status": "1", "review_status": condition.review_result[vehicle].astype(str).astype(object),
        "reissue_count": vehicle % 3 // 2, "recorder_fitted": np.ones(len(vehicle), dtype=np.bool_),
        "locator_fitted": np.ones(len(vehicle), dtype=np.bool_),
        "tank_exam_date": np.where(is_hazmat, condition.maintained[vehicle], NO_DAY),
        "affiliated": vehicles.affiliated[vehicle],
        "affiliate_name": only_where(vehicles.affiliated[vehicle], identities.driver_name[vehicles.driver[vehicle]]),
        "region_code": identities.operator_region[operator],
        "carrier_liability_valid_to": np.where(business != FREIGHT, add_months(first_issue, 12 * 20), NO_DAY),
    }
    numbers = zip(identities.cert_no[vehicle], register.version[vehicle].tolist(), strict=True)
    row_id = np.array([f"YZ{cert}-{version}" for cert, version in numbers], dtype=object)
    return Batch("vehicle_transport_permit", columns, row_id=row_id, arrived=arrived)


def operator_batch(
    rng: np.random.Generator, world: World, identities: Identities, records: OperatorRecords, operator: IntArray,
    moment: Instants,
) -> Batch:
    """Return rows of operators (#6)."""
    operators = world.operators
    individual = operators.stratum[operator] == INDIVIDUAL
    business = operators.business[operator]
    capital = np.where(individual, np.nan, 500_000.0 * operators.size[operator])
    columns: dict[str, Any] = {
        "uscc": identities.uscc[operator], "modify_time": moment, "name": identities.operator_name[operator],
        "region_code": identities.operator_region[operator],
        "economic_type": np.where(individual, "175", "173").astype(object), "is_individual": individual,
        "legal_rep": identities.legal_rep[operator], "registered_capital_cny": capital,
        "established_date": operators.opened[operator], "status": "1",
        "business_scope": np.array([SCOPES[name] for name in BUSINESSES], dtype=object)[business],
        "credit_year": _known_year(records.grade_year[operator]), "credit_grade": records.grade[operator],
        "locked": np.zeros(len(operator), dtype=np.bool_),
    }
    return Batch(
        "operator_basic", columns, row_id=_versioned("YH", identities.uscc[operator], moment),
        arrived=next_morning(rng, local_days(moment) - 1) if _is_first(world, moment) else next_morning(rng, local_days(moment)),
    )


def licence_batch(
    rng: np.random.Generator, world: World, identities: Identities, records: OperatorRecords, operator: IntArray,
    moment: Instants, *, open_cases: Cases | None = None,
) -> Batch:
    """Return rows of operating licences (#7)."""
    operators, days = world.operators, local_days(moment)
    opened = operators.opened[operator]
    terms = ((days - opened).astype(np.int64) // 1_461).clip(min=0)
    has_open = np.zeros(len(operator), dtype=np.bool_) if open_cases is None else np.isin(operator, open_cases.operator)
    exam_year = days.astype("datetime64[Y]").astype(np.int64) + 1970
    columns: dict[str, Any] = {
        "licence_prefix": "赣", "licence_no": identities.licence_no[operator], "uscc": identities.uscc[operator],
        "modify_time": moment, "valid_from": add_months(opened, 48 * terms), "valid_to": add_months(opened, 48 * (terms + 1)),
        "approved_date": opened, "first_issue_date": opened, "opened_date": opened,
        "business_scope": np.array([SCOPES[name] for name in BUSINESSES], dtype=object)[operators.business[operator]],
        "cert_status": "1", "issue_reason": "1", "operator_status": "1",
        "enforcement_status": np.where(has_open, "1", "0").astype(object), "reissue_count": operator % 4 // 3,
        "exam_year": exam_year, "exam_date": days - operator % 300, "exam_status": "1",
        "credit_grade": records.grade[operator], "region_code": identities.operator_region[operator],
    }
    return Batch(
        "operator_licence", columns, row_id=_versioned("XK", identities.licence_no[operator], moment),
        arrived=next_morning(rng, days - 1) if _is_first(world, moment) else next_morning(rng, days),
    )


def _is_first(world: World, moment: Instants) -> bool:
    return len(moment) > 0 and bool(local_days(moment[:1])[0] == world.start)


def _known_year(years: IntArray) -> npt.NDArray[np.object_]:
    return np.array([year or None for year in years.tolist()], dtype=object)


def _versioned(prefix: str, keys: npt.NDArray[np.object_], moment: Instants) -> npt.NDArray[np.object_]:
    days = np.datetime_as_string(local_days(moment), unit="D").tolist()
    return np.array([f"{prefix}{key}-{day}" for key, day in zip(keys, days, strict=True)], dtype=object)
