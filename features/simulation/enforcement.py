"""Enforcement cases: true violations, found where inspectors look, filed and decided with lags."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.assumptions import EnforcementAssumptions
from features.simulation.cities import CITIES, detection_probability
from features.simulation.clock import Days, Instants, Month, instants, local_days
from features.simulation.condition import Condition
from features.simulation.routes import weigh_station_exposure
from features.simulation.rule_changes import changed_reasons, detection_factors
from features.simulation.streams import Stream, generator
from features.simulation.world import BUSINESSES, FREIGHT, HAZMAT, INDIVIDUAL, PASSENGER, World
from registry.codes import CASE_SEVERITY

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

OVERLOAD, MAINTENANCE, PERMIT, MODIFICATION, OTHER = range(5)
REASONS: Final[dict[int, dict[int, tuple[tuple[str, ...], tuple[float, ...]]]]] = {
    OVERLOAD: {FREIGHT: (("C11", "C12", "C13"), (0.72, 0.24, 0.04)), HAZMAT: (("C11", "C12"), (0.9, 0.1))},
    MAINTENANCE: {FREIGHT: (("C09",), (1.0,)), PASSENGER: (("C09",), (1.0,)), HAZMAT: (("C09",), (1.0,))},
    PERMIT: {
        FREIGHT: (("C01", "C04", "C05", "C15"), (0.2, 0.25, 0.05, 0.5)),
        PASSENGER: (("C02", "C04", "C06", "C15"), (0.3, 0.2, 0.1, 0.4)),
        HAZMAT: (("C03", "C04", "C06", "C15"), (0.15, 0.25, 0.1, 0.5)),
    },
    MODIFICATION: {FREIGHT: (("C10",), (1.0,)), PASSENGER: (("C10",), (1.0,)), HAZMAT: (("C10",), (1.0,))},
    OTHER: {
        FREIGHT: (("C08", "C14"), (0.5, 0.5)), PASSENGER: (("C07", "C14"), (0.7, 0.3)),
        HAZMAT: (("C14", "C16"), (0.3, 0.7)),
    },
}
"""Family of violation -> business -> (case reasons, shares) [A]."""
FINES: Final[dict[str, tuple[float, float]]] = {
    "C01": (3_000, 10_000), "C02": (10_000, 50_000), "C03": (30_000, 80_000), "C04": (200, 2_000), "C05": (2_000, 10_000),
    "C06": (1_000, 5_000), "C07": (1_000, 2_000), "C08": (1_000, 3_000), "C09": (1_000, 5_000), "C10": (5_000, 20_000),
    "C14": (800, 1_500), "C15": (100, 500), "C16": (2_000, 20_000),
}
"""Fine bands in yuan of the articles in the case-reason list; over-limit fines follow the mass."""
OVERLOAD_RATIOS: Final[dict[str, tuple[float, float]]] = {"C11": (0.02, 0.30), "C12": (0.30, 1.0), "C13": (1.0, 1.5)}
FINE_PER_TONNE_OVER: Final = 500.0
FINE_CAP: Final = 30_000.0
WRONG_CASE_REQUEST_D: Final = 3
WRONG_CASE_CORRECTED_D: Final = 8
WRONG_CASE_DECIDED_D: Final = 21
"""Days after filing on which the wrong case is contested, corrected and decided. Five calendar days between request and
correction never exceed ten working days."""
NO_TIME: Final = np.datetime64("NaT", "us")


@dataclass(frozen=True)
class Cases:
    """Cases by month of violation, arrays of shape (n_cases,).

    Parameters
    ----------
    vehicle, driver, operator
        Who.
    registered_vehicle
        The vehicle that the case is first registered against: another one in the wrong case.
    city
        Where it was found.
    reason
        Case reason code.
    illegal, receipt, filing, decision, close
        UTC instants.
    fine_cny, overload_ratio
        NaN where there is none.
    not_punished, withdrawn, misregistered
        What became of it; a mis-registered case has a wrong reason or a wrong vehicle at first.
    corrected, revoked
        When a mis-registered case was corrected and a withdrawn one revoked, NaT elsewhere.
    """

    vehicle: IntArray
    driver: IntArray
    operator: IntArray
    registered_vehicle: IntArray
    city: IntArray
    reason: npt.NDArray[np.object_]
    illegal: Instants
    receipt: Instants
    filing: Instants
    decision: Instants
    close: Instants
    fine_cny: FloatArray
    overload_ratio: FloatArray
    not_punished: npt.NDArray[np.bool_]
    withdrawn: npt.NDArray[np.bool_]
    misregistered: npt.NDArray[np.bool_]
    corrected: Instants
    revoked: Instants

    @property
    def wrong_vehicle(self) -> npt.NDArray[np.bool_]:
        """Where the case is first registered against another's vehicle."""
        result: npt.NDArray[np.bool_] = self.registered_vehicle != self.vehicle
        return result

    def __len__(self) -> int:
        return len(self.vehicle)


@dataclass(frozen=True)
class ViolationModel:
    """How prone vehicles are, and how near they pass where over-limit transport is weighed.

    Parameters
    ----------
    per_year
        Violations per vehicle-year at the class's mean kilometres, shape (n_vehicles, 5), frailty included.
    base
        The same without any trait: what inspection intensity is averaged over.
    station_exposure
        Relative exposure to weigh stations, mean about 1, shape (n_vehicles,): it raises the finding of over-limit
        transport and nothing else.
    """

    per_year: FloatArray
    base: FloatArray
    station_exposure: FloatArray


def violation_model(world: World) -> ViolationModel:
    """Return how prone each vehicle is to each family of violation, before detection."""
    assumed, business = world.assumed.enforcement, world.operators.business[world.vehicles.operator]
    rng = generator(world.seed, Stream.ENFORCEMENT)
    n = len(world.vehicles)
    log_factor = assumed.culture * world.vehicle_culture + assumed.risk_taking * world.vehicle_risk
    factor = np.exp(log_factor)
    factor /= factor.mean()
    frailty = rng.gamma(assumed.frailty_shape, 1.0 / assumed.frailty_shape, n)
    base = np.array([
        assumed.overload_rate, assumed.maintenance_rate, assumed.permit_rate, assumed.modification_rate,
        assumed.other_rate,
    ])
    heavy = np.clip(world.class_values("gross_t") / 30.0, 0.2, 1.6)
    of_class = np.tile(base, (n, 1))
    of_class[:, OVERLOAD] *= np.where(business == PASSENGER, 0.0, heavy)
    per_year = of_class * (factor * frailty)[:, None]
    per_year[:, MAINTENANCE] *= np.exp(0.3 * world.vehicles.wear)
    return ViolationModel(per_year=per_year, base=of_class, station_exposure=weigh_station_exposure(world))


def simulate_cases(
    world: World, month: Month, model: ViolationModel, month_km: FloatArray, condition: Condition
) -> tuple[Cases, dict[str, FloatArray]]:
    """Draw the cases of a month's violations.

    Parameters
    ----------
    world, month
        Where and when.
    model
        Proneness by vehicle.
    month_km
        Kilometres of each vehicle this month: who does not drive is not found.
    condition
        Overdue vehicles are cited for it.

    Returns
    -------
    tuple
        Cases; and by vehicle, shape (n_vehicles,): ``violation_rate``, true violations; ``p_detect``, the relative
        intensity of inspection averaged over the class's mix of violations, so that nobody's own conduct is in it;
        ``case_rate`` and ``serious_case_rate``, expected standing cases, of all kinds and of the grave ones.
    """
    rng = generator(world.seed, Stream.ENFORCEMENT, month.index + 1)
    exposure = (month_km / (world.class_values("annual_km") / 12.0)) ** 0.7 / 12.0
    true_rate = model.per_year * exposure[:, None]
    overdue = (condition.due < month.first) | (condition.reviewed_valid_to < month.first)
    true_rate[:, MAINTENANCE] *= np.where(overdue, 2.2, 0.8)
    found_in = _where_found(rng, world)
    by_day = detection_factors(world.assumed.enforcement, month.days)
    detection = _detection(world, month, model, found_in, by_day)
    counts = rng.poisson(true_rate * detection)
    vehicle, family = np.nonzero(counts)
    repeat = counts[vehicle, family]
    vehicle, family = np.repeat(vehicle, repeat), np.repeat(family, repeat)
    cases = _cases(rng, world, month, vehicle, family, found_in[vehicle], by_day)
    found, assumed = true_rate * detection, world.assumed.enforcement
    stands = (1.0 - assumed.not_punished_share) * (1.0 - assumed.withdrawn_share)
    business = world.operators.business[world.vehicles.operator]
    return _with_wrong_case(world, month, cases), {
        "violation_rate": true_rate.sum(axis=1),
        "p_detect": (model.base * detection).sum(axis=1) / model.base.sum(axis=1),
        "case_rate": stands * found.sum(axis=1),
        "serious_case_rate": stands * (found * _serious_shares()[business]).sum(axis=1),
    }


def _serious_shares() -> FloatArray:
    """Return which share of a family's cases has a grave reason, shape (n_businesses, 5), before any change of rules."""
    shares = np.zeros((len(BUSINESSES), len(REASONS)))
    for family, by_business in REASONS.items():
        for business, (codes, parts) in by_business.items():
            shares[business, family] = sum(
                part for code, part in zip(codes, parts, strict=True) if CASE_SEVERITY[code] in ("VSI", "MSI")
            )
    return shares


def _detection(
    world: World, month: Month, model: ViolationModel, found_in: IntArray, by_day: FloatArray
) -> FloatArray:
    """Return the relative probability of being found, shape (n_vehicles, 5): city, season, weigh station and rules."""
    general = detection_probability(world.city_intensity, found_in, month, world.assumed.enforcement)
    business = world.operators.business[world.vehicles.operator]
    detection: FloatArray = general[:, None] * by_day.mean(axis=2).T[business]
    detection[:, OVERLOAD] *= model.station_exposure
    return detection


def _where_found(rng: np.random.Generator, world: World) -> IntArray:
    """Return the city in which a vehicle would be checked: mostly its own."""
    n = len(world.vehicles)
    weights = np.array([city.weight for city in CITIES])
    away = rng.choice(len(CITIES), size=n, p=weights / weights.sum())
    return np.where(rng.random(n) < 0.75, world.vehicle_city, away)


def _cases(
    rng: np.random.Generator, world: World, month: Month, vehicle: IntArray, family: IntArray, city: IntArray,
    by_day: FloatArray,
) -> Cases:
    n, assumed = len(vehicle), world.assumed.enforcement
    business = world.operators.business[world.vehicles.operator[vehicle]]
    day = _days(rng, month, by_day[family, business])
    reason = _reasons(rng, assumed, family, business, day)
    ratio = _overload_ratios(rng, reason)
    illegal = instants(day, rng.choice(24, n, p=_check_hours()) + rng.random(n))
    receipt = illegal + _lag(rng, n, 0.0, 2.0)
    filing = receipt + _lag(rng, n, *assumed.filing_d)
    decision = filing + _lag(rng, n, *assumed.decision_d)
    not_punished = rng.random(n) < assumed.not_punished_share
    withdrawn, misregistered = rng.random(n) < assumed.withdrawn_share, rng.random(n) < assumed.misregistered_share
    # A correction comes before the decision, so that no decided case goes back to being merely filed.
    corrected = np.minimum(filing + _lag(rng, n, 3.0, 12.0), decision - np.timedelta64(1, "D"))
    revoked = decision + _lag(rng, n, *assumed.withdrawn_after_d)
    return Cases(
        vehicle=vehicle, driver=world.vehicles.driver[vehicle], operator=world.vehicles.operator[vehicle],
        registered_vehicle=vehicle, city=city,
        reason=reason, illegal=illegal, receipt=receipt, filing=filing, decision=decision,
        close=decision + _lag(rng, n, 3.0, 40.0),
        fine_cny=np.where(not_punished, np.nan, _fines(rng, reason, ratio, world.class_values("gross_t")[vehicle])),
        overload_ratio=ratio, not_punished=not_punished, withdrawn=withdrawn, misregistered=misregistered,
        corrected=np.where(misregistered, corrected, NO_TIME), revoked=np.where(withdrawn, revoked, NO_TIME),
    )


def _with_wrong_case(world: World, month: Month, cases: Cases) -> Cases:
    """Register one case of one month of the window against another operator's vehicle at first.

    It is the gravest sound case of a company's own vehicle where there is one. The other vehicle belongs to another
    company of the same business, so that two scores depend on the correction.
    """
    wanted = max(len(world.months) - world.assumed.enforcement.wrong_case_months_before_end, 0)
    company = world.operators.stratum != INDIVIDUAL
    sound = ~cases.not_punished & ~cases.withdrawn & ~cases.misregistered
    if month.index != wanted or not sound.any():
        return cases
    grave = np.isin(cases.reason, ("C10", "C12", "C13", "C14", "C16"))
    own = company[cases.operator] & ~world.vehicles.affiliated[cases.vehicle]
    row = int(np.argmax(sound * (1 + 4 * own + 2 * grave)))
    vehicle, operator = int(cases.vehicle[row]), int(cases.operator[row])
    holders = world.vehicles.operator
    others = company[holders] & ~world.vehicles.affiliated & (holders != operator)
    others &= (world.operators.business[holders] == world.operators.business[operator])
    others &= (world.vehicles.enters < month.first) & (world.vehicles.leaves > world.end)
    candidates = np.flatnonzero(others)
    if len(candidates) == 0:
        return cases
    # The nearest number stands for a slip of the pen; nothing hangs on which one it is.
    wrong = candidates[np.argmin(np.abs(candidates - vehicle))]
    return _registered_wrongly(cases, row, int(wrong))


def _registered_wrongly(cases: Cases, row: int, wrong: int) -> Cases:
    filing = local_days(cases.filing[row : row + 1]).astype("datetime64[us]")[0]
    day = np.timedelta64(1, "D")
    changes: dict[str, tuple[npt.NDArray[Any], Any]] = {
        "registered_vehicle": (cases.registered_vehicle, wrong), "misregistered": (cases.misregistered, True),
        "corrected": (cases.corrected, filing + WRONG_CASE_CORRECTED_D * day),
        "decision": (cases.decision, max(cases.decision[row], filing + WRONG_CASE_DECIDED_D * day)),
        "close": (cases.close, max(cases.close[row], filing + (WRONG_CASE_DECIDED_D + 10) * day)),
    }
    changed = {}
    for name, (values, value) in changes.items():
        changed[name] = values.copy()
        changed[name][row] = value
    return replace(cases, **changed)


def _days(rng: np.random.Generator, month: Month, weights: FloatArray) -> Days:
    """Draw one day of the month per row from weights of shape (n, n_days)."""
    cumulative = np.cumsum(weights, axis=1)
    draw = rng.random(len(weights)) * cumulative[:, -1]
    result: Days = month.days[(draw[:, None] >= cumulative).sum(axis=1)]
    return result


def _check_hours() -> FloatArray:
    """Return when checks happen by clock hour: day shifts, with night shifts against over-limit transport."""
    weights = np.array([4, 4, 3, 2, 1, 1, 2, 3, 6, 8, 8, 6, 4, 5, 7, 8, 7, 5, 3, 3, 4, 5, 5, 5], dtype=np.float64)
    result: FloatArray = weights / weights.sum()
    return result


def _lag(rng: np.random.Generator, n: int, low_d: float, high_d: float) -> npt.NDArray[np.timedelta64]:
    """Return waiting times from a triangle that leans to the short end, in whole seconds."""
    days = rng.triangular(low_d, low_d + 0.2 * (high_d - low_d), high_d, n)
    return np.rint(days * 86_400.0).astype("timedelta64[s]").astype("timedelta64[us]")


def _reasons(
    rng: np.random.Generator, assumed: EnforcementAssumptions, family: IntArray, business: IntArray, day: Days
) -> npt.NDArray[np.object_]:
    reason = np.empty(len(family), dtype=object)
    for family_code, by_business in REASONS.items():
        for business_code, (codes, shares) in by_business.items():
            rows = np.flatnonzero((family == family_code) & (business == business_code))
            reason[rows] = rng.choice(np.array(codes, dtype=object), size=len(rows), p=shares)
    for changed, codes, shares in changed_reasons(assumed, family, business, day):
        reason[changed] = rng.choice(np.array(codes, dtype=object), size=len(changed), p=shares)
    return reason


def _overload_ratios(rng: np.random.Generator, reason: npt.NDArray[np.object_]) -> FloatArray:
    ratio = np.full(len(reason), np.nan)
    for code, (low, high) in OVERLOAD_RATIOS.items():
        rows = np.flatnonzero(reason == code)
        ratio[rows] = np.round(low + (high - low) * rng.beta(1.2, 2.5, len(rows)), 3)
    return ratio


def _fines(
    rng: np.random.Generator, reason: npt.NDArray[np.object_], ratio: FloatArray, limit_t: FloatArray
) -> FloatArray:
    """Return fines: a band by reason, or 500 yuan per tonne above the limit with its cap and its first free tonne."""
    over_t = np.floor(np.nan_to_num(ratio) * limit_t)
    fine = np.where(over_t > 1.0, np.minimum(over_t * FINE_PER_TONNE_OVER, FINE_CAP), 0.0)
    for code, (low, high) in FINES.items():
        rows = np.flatnonzero(reason == code)
        fine[rows] = np.round(low + (high - low) * rng.beta(1.3, 3.0, len(rows)), -2)
    return fine
