"""Enforcement cases of vehicles and of enterprises, counted as they were known and still stood at the cut-off.

A case counts for the operator named as a party; where none is named, for the holder of the vehicle's transport permit at
the cut-off. Its vehicle is the one that bore the plate at the time of the case. It is a finding from the arrival of its
decision on: a case that is only filed accuses and does not count. Cases without punishment (不予行政处罚), revoked (撤销) and
withdrawn ones are no findings and never count.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from features.exact import exact_sum
from features.families.base import Family
from features.families.vehicle_profile import days_between, fleet
from features.holders import with_vehicle
from registry.codes import CASE_SEVERITY
from registry.entities import ENTERPRISE, VEHICLE
from registry.feature_spec import Feature

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

WINDOW_D: Final = 365
RECENT_D: Final = 90
OVERLOAD_REASONS: Final = ("C11", "C12", "C13")
MAINTENANCE_REASONS: Final = ("C09", "C10", "C15")
SERIOUS_REASONS: Final = tuple(reason for reason, severity in CASE_SEVERITY.items() if severity in ("VSI", "MSI"))
"""Case reasons that count as serious outcomes. [A] severity classes."""
DECIDED_STATES: Final = ("3", "4")
"""案件状态 of a case with a penalty decision: decided, closed. [A] codes."""
REVOKED_STATE: Final = "5"
"""案件状态 of a case whose decision was revoked (行政处罚法 Art. 48). [A] code."""
_CASE, _CASE_VEHICLE = "enforcement_case", "case_vehicle"
_RATES: Final = {
    "case": "n_case_365d", "overload": "n_overload_365d", "serious_case": "n_serious_365d",
    "maintenance_case": "n_maintenance_case_365d", "fine_cny": "fine_cny_365d",
}
"""Rate -> count over the window."""
_RESOURCES: Final = (_CASE, _CASE_VEHICLE, "vehicle_transport_permit")


def cases(known: Known, *, days: int = WINDOW_D) -> ir.Table:
    """Return standing cases of the last days at each cut-off, with the vehicle and the operator they count for."""
    return known.shared(f"cases_{days}d", partial(_cases, days=days))


def _cases(known: Known, *, days: int) -> ir.Table:
    columns = ["case_id", "enterprise_id", "case_reason", "fine_cny", "overload_ratio", "not_punish", "state"]
    found = known.at_cutoffs(_CASE, columns, days=days)
    found = found.filter(is_finding(found)).drop("not_punish", "state", "arrived_at")
    plates = known.at_cutoffs(_CASE_VEHICLE, ["case_id", "plate_id"], days=days + 60)
    # A case counts once; of several vehicles it is always the same one.
    plates = plates.group_by(["case_id", "cutoff"]).aggregate(
        plate_id=plates.plate_id.min(), n_plates=plates.plate_id.nunique()
    )
    # The plate names the vehicle that bore it when the law was broken, whoever bears it now.
    named = with_vehicle(known, found.left_join(plates, ["case_id", "cutoff"], rname="p_{name}").drop("p_cutoff", "p_case_id"))
    holders = fleet(known).select("cutoff", VEHICLE.id_column, holder_id="enterprise_id")
    joined = named.left_join(holders, [VEHICLE.id_column, "cutoff"], rname="h_{name}")
    return joined.select(
        "cutoff", "case_id", "case_reason", "fine_cny", "overload_ratio", "event_time", "n_plates", VEHICLE.id_column,
        enterprise_id=joined.enterprise_id.coalesce(joined.holder_id),
    )


def is_finding(rows: ir.Table) -> ir.BooleanValue:
    """Return whether a case is decided, not revoked, and ended with a penalty."""
    finding: ir.BooleanValue = rows.state.isin(DECIDED_STATES) & ~rows.not_punish
    return finding


def _counts(rows: ir.Table) -> dict[str, ir.Value]:
    import ibis

    recent = rows.event_time >= rows.cutoff - ibis.interval(days=RECENT_D)
    return {
        "n_case_365d": rows.count().cast("float64"),
        "n_case_90d": recent.sum().cast("float64"),
        "n_overload_365d": rows.case_reason.isin(OVERLOAD_REASONS).sum().cast("float64"),
        "n_serious_365d": rows.case_reason.isin(SERIOUS_REASONS).sum().cast("float64"),
        "n_maintenance_case_365d": rows.case_reason.isin(MAINTENANCE_REASONS).sum().cast("float64"),
        "fine_cny_365d": exact_sum(rows.fine_cny),
        "max_overload_ratio_365d": rows.overload_ratio.max(),
        "last_case": rows.event_time.max(),
    }


def _vehicle(known: Known) -> ir.Table:
    rows, key = cases(known), [VEHICLE.id_column, "cutoff"]
    named = rows.filter(rows[VEHICLE.id_column].notnull())
    counted = named.group_by(key).aggregate(**_counts(named))
    joined = fleet(known).select(*key).left_join(counted, key, rname="c_{name}")
    years = known.observed_years(joined.cutoff, days=WINDOW_D)
    return joined.select(
        *key,
        **{f"vehicle_{name}_per_year": joined[column].fill_null(0.0) / years for name, column in _RATES.items()},
        vehicle_n_case_90d=joined.n_case_90d.fill_null(0.0),
        vehicle_max_overload_ratio_365d=joined.max_overload_ratio_365d,
        vehicle_last_case_age_d=days_between(joined.last_case, joined.cutoff),
    )


def _enterprise(known: Known) -> ir.Table:
    rows, key = cases(known), [ENTERPRISE.id_column, "cutoff"]
    counted = rows.group_by(key).aggregate(**_counts(rows), n_vehicles_overload=_vehicles_with_overload(rows))
    vehicles = fleet(known)
    size = vehicles.group_by(key).aggregate(fleet_size=vehicles.count().cast("float64"))
    joined = size.left_join(counted, key, rname="c_{name}")
    vehicle_years = joined.fleet_size * known.observed_years(joined.cutoff, days=WINDOW_D)
    return joined.select(
        *key,
        **{f"{name}_per_vehicle_year": joined[column].fill_null(0.0) / vehicle_years for name, column in _RATES.items()},
        n_case_90d=joined.n_case_90d.fill_null(0.0),
        overload_vehicle_share_365d=joined.n_vehicles_overload.fill_null(0.0) / joined.fleet_size,
        last_case_age_d=days_between(joined.last_case, joined.cutoff),
    )


def _vehicles_with_overload(rows: ir.Table) -> ir.FloatingScalar:
    count: ir.FloatingScalar = rows[VEHICLE.id_column].nunique(where=rows.case_reason.isin(OVERLOAD_REASONS)).cast("float64")
    return count


_STANDING: Final = "more standing findings never lower the assessed risk"


def _adverse(name: str, entity: str, zh: str, en: str, unit: str, code: str, days: int) -> Feature:
    return Feature(
        name=name, entity=entity, zh=zh, en=en, group="enforcement", unit=unit, resources=(_CASE, _CASE_VEHICLE),
        window_d=days, null_rule="zero", monotone=1, monotone_reason=_STANDING, reason_code=code, actionable=True,
    )


def _age(name: str, entity: str) -> Feature:
    return Feature(
        name=name, entity=entity, zh="距最近处罚天数", en="days since the last case", group="enforcement", unit="d",
        resources=(_CASE, _CASE_VEHICLE), window_d=WINDOW_D, reason_code="R01",
    )


_KINDS: Final = (
    ("case", "处罚次数", "cases", "R01"),
    ("overload", "超限次数", "overload cases", "R01"),
    ("serious_case", "严重违法次数", "serious cases", "R10"),
    ("maintenance_case", "维护检测类处罚次数", "maintenance cases", "R06"),
)

VEHICLE_FAMILY: Final = Family(
    id="vehicle_enforcement", entity=VEHICLE, resources=_RESOURCES, expression=_vehicle,
    features=(
        *(
            _adverse(f"vehicle_{name}_per_year", "vehicle", f"近一年车辆{zh}", f"{en} of the vehicle per year", "1/year", code,
                     WINDOW_D)
            for name, zh, en, code in _KINDS
        ),
        _adverse("vehicle_fine_cny_per_year", "vehicle", "近一年车辆罚款", "fines of the vehicle per year", "CNY/year", "R01",
                 WINDOW_D),
        _adverse("vehicle_n_case_90d", "vehicle", "近90日车辆处罚次数", "cases of the vehicle in 90 days", "1", "R01", RECENT_D),
        _adverse("vehicle_max_overload_ratio_365d", "vehicle", "近一年最大超限率", "highest overload ratio in 365 days", "1",
                 "R01", WINDOW_D),
        _age("vehicle_last_case_age_d", "vehicle"),
    ),
)

ENTERPRISE_FAMILY: Final = Family(
    id="enterprise_enforcement", entity=ENTERPRISE, resources=_RESOURCES, expression=_enterprise,
    features=(
        *(
            _adverse(f"{name}_per_vehicle_year", "enterprise", f"近一年车均{zh}", f"{en} per vehicle-year", "1/vehicle_year",
                     code, WINDOW_D)
            for name, zh, en, code in _KINDS
        ),
        _adverse("fine_cny_per_vehicle_year", "enterprise", "近一年车均罚款", "fines per vehicle-year", "CNY/vehicle_year",
                 "R01", WINDOW_D),
        _adverse("n_case_90d", "enterprise", "近90日处罚次数", "cases in 90 days", "1", "R01", RECENT_D),
        _adverse("overload_vehicle_share_365d", "enterprise", "超限车辆占比", "share of vehicles with overload cases", "1",
                 "R01", WINDOW_D),
        _age("last_case_age_d", "enterprise"),
    ),
)
