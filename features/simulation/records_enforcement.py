"""Rows of enforcement cases (#19), their vehicles (#21) and parties (#22), in the versions in which they arrive."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.assumptions import VEHICLE_CLASSES
from features.simulation.cities import CITIES
from features.simulation.clock import Instants, Month, local_days
from features.simulation.deliveries import Batch, next_morning, only_where
from features.simulation.enforcement import Cases
from features.simulation.identities import PLATE_COLOR, Identities
from features.simulation.streams import Stream, generator
from features.simulation.world import INDIVIDUAL, World

Texts = npt.NDArray[np.object_]

INDUSTRY: Final = {"freight": "8", "passenger": "1", "hazmat": "3"}
MISTAKEN_FOR: Final = "C15"
"""What a mis-registered case is first registered as; it is corrected within 10 working days. [A]"""
NO_TIME: Final = np.datetime64("NaT", "us")


def enforcement_batches(world: World, identities: Identities, month: Month, cases: Cases) -> list[Batch]:
    """Return the rows of a month's violations."""
    rng = generator(world.seed, Stream.ENFORCEMENT, month.index + 1, 1)
    case_id = np.array([f"AJ{month.label}{serial:06d}" for serial in range(len(cases))], dtype=object)
    return [
        *_case_versions(rng, world, identities, cases, case_id), _vehicle_batch(rng, world, identities, cases, case_id),
        _party_batch(rng, world, identities, cases, case_id),
    ]


def _case_versions(
    rng: np.random.Generator, world: World, identities: Identities, cases: Cases, case_id: Texts
) -> list[Batch]:
    """Return a case as filed, as decided and as closed: the same row three times, each arriving after its step."""
    fixed = _case_columns(rng, world, identities, cases, case_id)
    everything = np.ones(len(cases), dtype=np.bool_)
    corrected_on = local_days(cases.filing) + rng.integers(3, 13, len(cases)).astype("timedelta64[D]")
    batches = [_version(rng, fixed, cases, case_id, everything, step="filed", after=cases.filing)]
    wrong = np.where(cases.misregistered, MISTAKEN_FOR, cases.reason).astype(object)
    first = dict(batches[0].columns) | {"case_reason": wrong}
    batches[0] = Batch("enforcement_case", first, batches[0].row_id, batches[0].arrived, versions=True)
    if cases.misregistered.any():
        moment = corrected_on.astype("datetime64[us]")
        batches.append(_version(rng, fixed, cases, case_id, cases.misregistered, step="filed", after=moment))
    decided = ~cases.withdrawn
    batches.append(_version(rng, fixed, cases, case_id, decided, step="decided", after=cases.decision))
    batches.append(_version(rng, fixed, cases, case_id, decided, step="closed", after=cases.close))
    batches.append(_version(rng, fixed, cases, case_id, cases.withdrawn, step="withdrawn", after=cases.decision))
    return batches


def _version(
    rng: np.random.Generator, fixed: dict[str, Any], cases: Cases, case_id: Texts, rows: npt.NDArray[np.bool_], *,
    step: str, after: Instants,
) -> Batch:
    n = int(rows.sum())
    columns = {name: values[rows] if isinstance(values, np.ndarray) else values for name, values in fixed.items()}
    state = {"filed": "2", "decided": "3", "closed": "4", "withdrawn": "5"}[step]
    is_decided, is_closed = step in ("decided", "closed"), step == "closed"
    columns |= {
        "state": state,
        "penalty_decision_time": cases.decision[rows] if is_decided else np.full(n, NO_TIME),
        "close_time": cases.close[rows] if is_closed else np.full(n, NO_TIME),
        "fine_cny": cases.fine_cny[rows] if is_decided else np.full(n, np.nan),
        "not_punish": cases.not_punished[rows] if is_decided else np.zeros(n, dtype=np.bool_),
    }
    return Batch(
        "enforcement_case", columns, row_id=case_id[rows], arrived=next_morning(rng, local_days(after[rows])),
        versions=True,
    )


def _case_columns(
    rng: np.random.Generator, world: World, identities: Identities, cases: Cases, case_id: Texts
) -> dict[str, Any]:
    n = len(cases)
    by_person = _party_is_person(world, cases)
    known = world.operators.has_uscc[cases.operator] & ~by_person
    lon = np.array([city.lon for city in CITIES])[cases.city] + 0.25 * rng.standard_normal(n)
    lat = np.array([city.lat for city in CITIES])[cases.city] + 0.20 * rng.standard_normal(n)
    over = ~np.isnan(cases.overload_ratio)
    return {
        "case_id": case_id, "case_no": case_id, "uscc": only_where(known, identities.uscc[cases.operator]),
        "company_name": only_where(~by_person, identities.operator_name[cases.operator]),
        "party_name": only_where(by_person, identities.driver_name[cases.driver]),
        "source": np.where(over & (rng.random(n) < 0.4), "2", rng.choice(["1", "1", "1", "3", "4"], n)).astype(object),
        "case_type": np.where(cases.reason == "C15", "1", "2").astype(object),
        "industry_type": _industry(world, cases), "case_reason": cases.reason, "illegal_time": cases.illegal,
        "receipt_time": cases.receipt, "case_filing_time": cases.filing,
        "region_code": np.array([city.code for city in CITIES], dtype=object)[cases.city],
        "lon_deg": np.round(lon, 6), "lat_deg": np.round(lat, 6),
        "handle_org": np.array([city.zh + "交通运输综合行政执法支队" for city in CITIES], dtype=object)[cases.city],
        "accept_check": rng.random(n) > 0.01, "rushed_checkpoint": rng.random(n) < 0.004,
        "overload_ratio": cases.overload_ratio,
    }


def _party_is_person(world: World, cases: Cases) -> npt.NDArray[np.bool_]:
    """Return where the party is a person: individual operators without a code, and affiliated (挂靠) owner-drivers."""
    individual = world.operators.stratum[cases.operator] == INDIVIDUAL
    result: npt.NDArray[np.bool_] = (individual & ~world.operators.has_uscc[cases.operator]) | world.vehicles.affiliated[
        cases.vehicle
    ]
    return result


def _industry(world: World, cases: Cases) -> Texts:
    codes = np.array([INDUSTRY[kind.business] for kind in VEHICLE_CLASSES], dtype=object)
    result: Texts = codes[world.vehicles.kind[cases.vehicle]]
    return result


def _vehicle_batch(
    rng: np.random.Generator, world: World, identities: Identities, cases: Cases, case_id: Texts
) -> Batch:
    n, vehicle = len(cases), cases.vehicle
    limit = np.where(np.isnan(cases.overload_ratio), np.nan, world.class_values("gross_t")[vehicle])
    individual = world.operators.stratum[cases.operator] == INDIVIDUAL
    columns: dict[str, Any] = {
        "case_id": case_id, "plate_no": identities.plate_no[vehicle],
        # Officers write the wrong colour now and then: such a row joins nothing.
        "plate_color": np.where(rng.random(n) < 0.015, "1", PLATE_COLOR).astype(object),
        "recorded_at": cases.receipt, "cert_no": only_where(rng.random(n) >= 0.08, identities.cert_no[vehicle]),
        "temporary_plate": np.zeros(n, dtype=np.bool_),
        "vehicle_type": np.array([kind.vehicle_type for kind in VEHICLE_CLASSES], dtype=object)[world.vehicles.kind[vehicle]],
        "industry_type": _industry(world, cases), "vehicle_region_code": identities.operator_region[cases.operator],
        "owner_name": identities.operator_name[cases.operator], "licence_no": identities.licence_no[cases.operator],
        "qualification_no": only_where(
            (cases.reason != "C04") & (rng.random(n) >= 0.10), identities.qualification_no[cases.driver]
        ),
        "driver_name": identities.driver_name[cases.driver],
        "driver_owner_relation": np.where(individual | world.vehicles.affiliated[vehicle], "1", "2").astype(object),
        "axles": world.class_values("axles")[vehicle].astype(np.int64),
        "gross_mass_t": np.round(limit * (1.0 + cases.overload_ratio), 2), "limit_t": limit,
    }
    return Batch("case_vehicle", columns, row_id=case_id + "-V1", arrived=next_morning(rng, local_days(cases.filing)))


def _party_batch(
    rng: np.random.Generator, world: World, identities: Identities, cases: Cases, case_id: Texts
) -> Batch:
    by_person = _party_is_person(world, cases)
    known = world.operators.has_uscc[cases.operator] & ~by_person
    columns: dict[str, Any] = {
        "case_id": case_id, "party_no": np.ones(len(cases), dtype=np.int64), "recorded_at": cases.receipt,
        "party_type": np.where(by_person, "1", "2").astype(object),
        "uscc": only_where(known, identities.uscc[cases.operator]),
        "qualification_no": only_where(by_person, identities.qualification_no[cases.driver]),
        "licence_no": identities.licence_no[cases.operator],
        "party_name": np.where(by_person, identities.driver_name[cases.driver], identities.operator_name[cases.operator]),
        "region_code": identities.operator_region[cases.operator],
        "licence_first_date": world.operators.opened[cases.operator],
    }
    return Batch("case_party", columns, row_id=case_id + "-P1", arrived=next_morning(rng, local_days(cases.filing)))
