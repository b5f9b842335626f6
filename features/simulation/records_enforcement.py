"""Rows of enforcement cases (#19), their vehicles (#21) and parties (#22), in the versions in which they arrive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.assumptions import VEHICLE_CLASSES
from features.simulation.cities import CITIES
from features.simulation.clock import Instants, Month, local_days
from features.simulation.deliveries import Batch, next_morning, only_where
from features.simulation.enforcement import NO_TIME, Cases
from features.simulation.identities import PLATE_COLOR, Identities
from features.simulation.streams import Stream, generator
from features.simulation.world import INDIVIDUAL, World

Texts = npt.NDArray[np.object_]

INDUSTRY: Final = {"freight": "8", "passenger": "1", "hazmat": "3"}
MISTAKEN_FOR: Final = "C15"
"""What a mis-registered case is first registered as; it is corrected within 10 working days. [A]"""


def enforcement_batches(world: World, identities: Identities, month: Month, cases: Cases) -> list[Batch]:
    """Return the rows of a month's violations."""
    rng = generator(world.seed, Stream.ENFORCEMENT, month.index + 1, 1)
    case_id = case_ids(month, len(cases))
    return [
        *_case_versions(rng, world, identities, cases, case_id),
        *_with_correction("case_vehicle", _vehicle_columns, "-V1", rng, world, identities, cases, case_id),
        *_with_correction("case_party", _party_columns, "-P1", rng, world, identities, cases, case_id),
    ]


def case_ids(month: Month, n: int) -> Texts:
    """Return the numbers of a month's cases, shape (n,)."""
    return np.array([f"AJ{month.label}{serial:06d}" for serial in range(n)], dtype=object)


def as_first_registered(world: World, cases: Cases) -> Cases:
    """Return the cases with the vehicle and operator against which each is registered at first."""
    vehicle = cases.registered_vehicle
    return replace(cases, vehicle=vehicle, operator=world.vehicles.operator[vehicle])


def _case_versions(
    rng: np.random.Generator, world: World, identities: Identities, cases: Cases, case_id: Texts
) -> list[Batch]:
    """Return a case as filed, corrected, decided, closed or revoked: one row in versions, each arriving after its step."""
    fixed = _case_columns(rng, world, identities, cases, case_id)
    everything = np.ones(len(cases), dtype=np.bool_)
    batches = [_version(rng, fixed, cases, case_id, everything, step="filed", after=cases.filing)]
    wrong_reason = cases.misregistered & ~cases.wrong_vehicle
    first = dict(batches[0].columns) | _holder_columns(world, identities, as_first_registered(world, cases))
    first["case_reason"] = np.where(wrong_reason, MISTAKEN_FOR, cases.reason).astype(object)
    batches[0] = replace(batches[0], columns=first)
    for step, rows, after in (
        ("filed", cases.misregistered, cases.corrected), ("decided", everything, cases.decision),
        ("closed", ~cases.withdrawn, cases.close), ("withdrawn", cases.withdrawn, cases.revoked),
    ):
        if rows.any():
            batches.append(_version(rng, fixed, cases, case_id, rows, step=step, after=after))
    return batches


def _with_correction(
    resource_id: str, columns_of: Callable[..., dict[str, Any]], suffix: str, rng: np.random.Generator, world: World,
    identities: Identities, cases: Cases, case_id: Texts,
) -> list[Batch]:
    """Return the rows that name somebody: as registered at first, and again where that was the wrong one."""
    columns, filed = columns_of(rng, world, identities, cases, case_id), next_morning(rng, local_days(cases.filing))
    wrong = cases.wrong_vehicle
    row_id = (case_id + suffix).astype(object)

    def batch(values: dict[str, Any], rows: npt.NDArray[np.bool_], arrived: Instants, *, versions: bool) -> Batch:
        chosen = {name: item[rows] if isinstance(item, np.ndarray) else item for name, item in values.items()}
        return Batch(resource_id, chosen, row_id=row_id[rows], arrived=arrived[rows], versions=versions)

    batches = [batch(columns, ~wrong, filed, versions=False)]
    if wrong.any():
        other = columns_of(rng, world, identities, as_first_registered(world, cases), case_id)
        corrected = _arrival(rng, cases.corrected)
        batches += [batch(other, wrong, filed, versions=True), batch(columns, wrong, corrected, versions=True)]
    return batches


def _arrival(rng: np.random.Generator, moments: Instants) -> Instants:
    """Return the mornings after moments, of which some are not a time."""
    known = ~np.isnat(moments)
    arrived = np.full(len(moments), NO_TIME)
    arrived[known] = next_morning(rng, local_days(moments[known]))
    return arrived


def _version(
    rng: np.random.Generator, fixed: dict[str, Any], cases: Cases, case_id: Texts, rows: npt.NDArray[np.bool_], *,
    step: str, after: Instants,
) -> Batch:
    n = int(rows.sum())
    columns = {name: values[rows] if isinstance(values, np.ndarray) else values for name, values in fixed.items()}
    state = {"filed": "2", "decided": "3", "closed": "4", "withdrawn": "5"}[step]
    is_decided, is_closed = step in ("decided", "closed", "withdrawn"), step == "closed"
    columns |= {
        "state": state,
        "penalty_decision_time": cases.decision[rows] if is_decided else np.full(n, NO_TIME),
        "close_time": cases.close[rows] if is_closed else np.full(n, NO_TIME),
        "fine_cny": cases.fine_cny[rows] if is_decided else np.full(n, np.nan),
        "not_punish": cases.not_punished[rows] if is_decided else np.zeros(n, dtype=np.bool_),
    }
    return Batch(
        "enforcement_case", columns, row_id=case_id[rows], arrived=next_morning(rng, local_days(after[rows])),
        versions=True, withdrawn=step == "withdrawn",
    )


def _case_columns(
    rng: np.random.Generator, world: World, identities: Identities, cases: Cases, case_id: Texts
) -> dict[str, Any]:
    n = len(cases)
    lon = np.array([city.lon for city in CITIES])[cases.city] + 0.25 * rng.standard_normal(n)
    lat = np.array([city.lat for city in CITIES])[cases.city] + 0.20 * rng.standard_normal(n)
    over = ~np.isnan(cases.overload_ratio)
    return {
        "case_id": case_id, "case_no": case_id, **_holder_columns(world, identities, cases),
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


def _holder_columns(world: World, identities: Identities, cases: Cases) -> dict[str, Any]:
    """Return whom a case names: a company by its code, or a person, who has none."""
    by_person = _party_is_person(world, cases)
    known = world.operators.has_uscc[cases.operator] & ~by_person
    return {
        "uscc": only_where(known, identities.uscc[cases.operator]),
        "company_name": only_where(~by_person, identities.operator_name[cases.operator]),
        "party_name": only_where(by_person, identities.driver_name[cases.driver]),
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


def _vehicle_columns(
    rng: np.random.Generator, world: World, identities: Identities, cases: Cases, case_id: Texts
) -> dict[str, Any]:
    assumed = world.assumed.enforcement
    n, vehicle = len(cases), cases.vehicle
    limit = np.where(np.isnan(cases.overload_ratio), np.nan, world.class_values("gross_t")[vehicle])
    individual = world.operators.stratum[cases.operator] == INDIVIDUAL
    plate_no = identities.plate_no[vehicle].copy()
    slips = np.flatnonzero((rng.random(n) < assumed.plate_typo_share) & ~cases.misregistered)
    plate_no[slips] = mistyped(plate_no[slips], identities)
    wrong_color = (rng.random(n) < assumed.wrong_color_share) & ~cases.misregistered
    return {
        "case_id": case_id, "plate_no": plate_no,
        # Officers write a wrong sign or the wrong colour now and then: such a row joins nothing.
        "plate_color": np.where(wrong_color, "1", PLATE_COLOR).astype(object),
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


def mistyped(plates: Texts, identities: Identities) -> Texts:
    """Return plates with another last sign, such that nobody has them."""
    signs, taken = "0123456789ABCDEFGHJKLMNPQRSTUVWX", frozenset(identities.plate_no.tolist())
    wrong = plates.copy()
    for row, plate in enumerate(plates.tolist()):
        start = signs.index(plate[-1])
        others = (plate[:-1] + signs[(start + step) % len(signs)] for step in range(1, len(signs)))
        wrong[row] = next((other for other in others if other not in taken), plate)
    return wrong


def _party_columns(
    _rng: np.random.Generator, world: World, identities: Identities, cases: Cases, case_id: Texts
) -> dict[str, Any]:
    by_person = _party_is_person(world, cases)
    known = world.operators.has_uscc[cases.operator] & ~by_person
    return {
        "case_id": case_id, "party_no": np.ones(len(cases), dtype=np.int64), "recorded_at": cases.receipt,
        "party_type": np.where(by_person, "1", "2").astype(object),
        "uscc": only_where(known, identities.uscc[cases.operator]),
        "qualification_no": only_where(by_person, identities.qualification_no[cases.driver]),
        "licence_no": identities.licence_no[cases.operator],
        "party_name": np.where(by_person, identities.driver_name[cases.driver], identities.operator_name[cases.operator]),
        "region_code": identities.operator_region[cases.operator],
        "licence_first_date": world.operators.opened[cases.operator],
    }
