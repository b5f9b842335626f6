"""The tables over a home's simulated deliveries and truth that the measures of the calibration read.

Deliveries are read raw, as suppliers send them, in DuckDB: what is large (vehicle-days, positions) streams through and is
never held.
"""

# ruff: noqa: S608  the queries are put together from constants of this module and the home's own folders

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from features.simulation.assumptions import VEHICLE_CLASSES, Assumptions
from features.simulation.marker import MARKER
from registry.errors import NotFound
from registry.settings import Settings

if TYPE_CHECKING:
    import duckdb

TRUTHS: Final = ("vehicle_month", "operator", "vehicle", "driver", "city", "driving_hour", "events")
NEWEST: Final = (
    "operator_basic", "vehicle_basic", "enforcement_case", "case_vehicle", "case_party", "vehicle_inspection",
    "vehicle_annual_review", "roadside_assistance", "claim", "policy", "road_practitioner_rating", "vehicle_transport_permit",
)
"""Resources of which only the last standing version of each row counts."""
STREAMED: Final = ("vehicle_day", "vehicle_location", "enforcement_case")
"""Resources that are read in all versions: three in a thousand vehicle-days come twice, which no magnitude notices."""

_FAMILY: Final = """
case when case_reason in ('C11', 'C12', 'C13') then 'overload' when case_reason = 'C09' then 'maintenance'
     when case_reason in ('C01', 'C02', 'C03', 'C04', 'C05', 'C06', 'C15') then 'permit'
     when case_reason = 'C10' then 'modification' else 'other' end
"""

_TABLES: Final[dict[str, str]] = {
    "span": """
        select min(month) as first, max(month) + interval 1 month as ended,
               date_diff('day', min(month), max(month) + interval 1 month) / 365.25 as years from vehicle_month""",
    "vehicle": """
        select t.*, k.id as kind_id, k.business, o.stratum, o.size, b.registered_date,
               greatest(0, date_diff('day', greatest(t.enters, s.first), least(t.leaves, s.ended))) / 365.25 as years,
               date_diff('day', b.registered_date, s.ended) / 365.25 - s.years / 2 as age_years
        from truth_vehicle t join kind k on t.kind = k.number join truth_operator o using (uscc)
        left join vehicle_basic_newest b using (vin), span s""",
    "operator": "select * from truth_operator",
    "months": "select * from vehicle_month",
    "event": "select * from truth_events",
    "city": "select * from truth_city",
    "per_vehicle": """
        select v.vin, sum(distance_km) as km, sum(drive_h) as drive_h, sum(night_drive_h) as night_h, count(*) as days,
               sum(n_alarm_speed) as n_speed, sum(n_alarm_fatigue) as n_fatigue, sum(n_alarm_collision) as n_collision
        from vehicle_day d join vehicle v on v.plate_no = d.plate_no and d.day >= v.enters and d.day < v.leaves
        where not d.withdrawn group by v.vin""",
    "found": f"""
        select c.*, v.vin, v.business, v.kind_id, v.stratum, {_FAMILY} as family,
               (c.illegal_time + interval 8 hour)::date as day
        from enforcement_case_newest c join case_vehicle_newest p using (case_id)
        join vehicle v on v.plate_no = p.plate_no and (c.illegal_time + interval 8 hour)::date >= v.enters
             and (c.illegal_time + interval 8 hour)::date < v.leaves""",
    "cases_per_year": """
        with year as (select vin, count(*) as n from found, span
                      where day >= ended - interval 425 day and day < ended - interval 60 day group by vin)
        select v.vin, coalesce(y.n, 0) as n, avg(coalesce(y.n, 0)) over () as mu
        from vehicle v cross join span s left join year y using (vin)
        where v.business = 'freight' and v.years > 0.99 * s.years""",
    "parties": """
        select p.party_type, o.stratum from case_party_newest p join found f using (case_id)
        join vehicle v using (vin) join truth_operator o on o.uscc = v.uscc""",
    "drivers": """
        select *, date_diff('day', birth_date::date, assessed_at) / 365.25 as age from road_practitioner_rating_newest
        qualify row_number() over (partition by qualification_no order by assessed_at desc) = 1""",
    "maintenance": """
        with kept as (select distinct vin, second_maint_date as day, second_maint_cycle_d as cycle
                      from vehicle_transport_permit_newest where second_maint_date is not null),
             gaps as (select *, date_diff('day', day, lead(day) over (partition by vin order by day)) as gap from kept)
        select vin, gap > 1.1 * cycle as late from gaps where gap is not null""",
    "claims_per_vehicle": """
        with rates as (select kind_id, sum(n) / sum(years) as rate from vehicle join (
                           select v.vin, count(c.claim_no) as n from vehicle v left join claim_newest c
                           on c.vin = v.vin and c.line = 'motor' group by v.vin) using (vin) group by kind_id)
        select v.vin, count(c.claim_no) as n_motor, any_value(r.rate * v.years) as mu
        from vehicle v join rates r using (kind_id) left join claim_newest c on c.vin = v.vin and c.line = 'motor'
        group by v.vin""",
    "closed_claim": """
        select c.* from claim_newest c, span s
        where status <> 'open' and occurred_at < s.ended - interval 300 day""",
    "earned": """
        select line, vin, base_pure_premium_cny,
               greatest(0, date_diff('day', greatest(start_date, s.first), least(end_date, s.ended))) / 365.25 as years
        from policy_newest, span s""",
    "loss_ratio": """
        select (select sum(paid_amount_cny + reserve_cny) from claim_newest where line = 'motor')
               / (sum(base_pure_premium_cny * years) / (1 - any_value(loading))) as value,
               (select count(*) from claim_newest where line = 'motor') as n
        from earned, planted where line = 'motor'""",
    "side_frequency": """
        select line, (select count(*) from claim_newest c where c.line = e.line) / sum(years) as value,
               (select count(*) from claim_newest c where c.line = e.line) as n
        from earned e where line <> 'motor' group by line""",
    "cases_by_month": """
        select date_trunc('month', day) as month, any_value(list_contains(campaign_months, month(day))) as campaign,
               count(*) as n from found, planted, (select any_value(ended) as ended from span)
        where day < ended - interval 60 day group by 1""",
    "station_effect": """
        with each as (select v.vin, ntile(5) over (order by weigh_station_exposure) = 5 as near, p.km,
                             count(f.case_id) as n
                      from vehicle v join per_vehicle p using (vin)
                      left join found f on f.vin = v.vin and f.family = 'overload'
                      where v.business = 'freight' group by v.vin, weigh_station_exposure, p.km)
        select (sum(n) filter (near) / sum(km) filter (near)) / (sum(n) filter (not near) / sum(km) filter (not near)) as value,
               sum(n) filter (near) as n from each""",
    "firmware_effect": """
        with months as (select day >= planted.firmware_day as after, sum(n_alarm_fatigue) as alarms, sum(distance_km) as km
                        from vehicle_day, planted where day >= planted.firmware_day - interval 182 day
                        and day < planted.firmware_day + interval 182 day group by 1)
        select max(alarms / km) filter (after) / max(alarms / km) filter (not after) as value, sum(alarms) as n from months""",
    "rule_effect": """
        with days as (select date_diff('day', greatest(s.first, planted.rule_day - interval 120 day), planted.rule_day) as before_d,
                             date_diff('day', planted.rule_day, planted.rule_day + interval 12 day)
                             + date_diff('day', planted.rule_day + interval 42 day, s.ended - interval 20 day) as after_d
                      from span s, planted),
             counts as (select count(*) filter (day >= planted.rule_day - interval 120 day and day < planted.rule_day) as before_n,
                               count(*) filter (day >= planted.rule_day and month(day) <> 4
                                                and day < s.ended - interval 20 day) as after_n
                        from found, span s, planted where family = 'maintenance' and business = 'freight')
        select (after_n / after_d) / (greatest(before_n, 0.5) / before_d) as value, after_n as n from days, counts""",
    "culture_effect": """
        with each as (select v.vin, v.culture, sum(m.accident_rate) as accidents, sum(m.km) as km
                      from vehicle v join months m using (vin) where v.business = 'freight' group by v.vin, v.culture),
             ranked as (select *, ntile(5) over (order by km) as distance from each),
             careful as (select *, ntile(5) over (partition by distance order by culture) as class from ranked)
        select avg(ratio) as value, 1000 as n from (
            select distance, (avg(accidents) filter (class = 1)) / (avg(accidents) filter (class = 5)) as ratio
            from careful group by distance)""",
    "message_interval": """
        select median(gap) as value, count(*) as n from (
            select date_diff('second', lag(gps_time) over (partition by plate_no order by gps_time), gps_time) as gap, speed_kmh
            from vehicle_location) where gap > 0 and speed_kmh > 10""",
}


def open_tables(settings: Settings) -> duckdb.DuckDBPyConnection:
    """Return a connection with every table that the measures name; what no measure asks for is never computed.

    Raises
    ------
    NotFound
        If the home holds no simulated province with its truth.
    """
    import duckdb

    missing = [name for name in TRUTHS if not (settings.truth_dir / f"{name}.parquet").is_file()]
    if missing:
        raise NotFound(
            f"no truth of a simulated province: {', '.join(missing)} missing", where=str(settings.truth_dir),
            remedy="Run `roadrisk simulate` in this home first.",
        )
    connection = duckdb.connect(config={"threads": settings.threads, "memory_limit": settings.memory_limit})
    connection.execute("set timezone = 'UTC'")
    connection.execute("set preserve_insertion_order = false")
    _declare(connection, settings)
    return connection


def _declare(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    for name in TRUTHS:
        title = name if name == "vehicle_month" else f"truth_{name}"
        _view(connection, title, f"select * from read_parquet('{_quoted(settings.truth_dir / (name + '.parquet'))}')")
    for name in {*NEWEST, *STREAMED}:
        files = f"read_parquet('{_quoted(settings.outbox_dir / name)}/*.parquet')"
        _view(connection, name, f"select * from {files}")
        if name in NEWEST:
            connection.execute(
                f"create temp table {name}_newest as select * exclude (newest) from (select *, row_number() over "
                f"(partition by row_id order by arrived_at desc) as newest from {files}) where newest = 1 and not withdrawn"
                + (" and not not_punish" if name == "enforcement_case" else "")
            )
    connection.register("kind", pa.table({
        "number": list(range(len(VEHICLE_CLASSES))), "id": [kind.id for kind in VEHICLE_CLASSES],
        "business": [kind.business for kind in VEHICLE_CLASSES],
    }))
    connection.register("planted", _planted())
    for name, query in _TABLES.items():
        connection.execute(f"create temp table {name} as {query}")


def _view(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    connection.execute(f"create temp view {name} as {query}")


def _planted() -> pa.Table:
    """Return the assumptions that measures need, as one row."""
    assumed = Assumptions()
    table = pa.table({
        "missing_day": [assumed.activity.missing_day], "firmware_day": [assumed.activity.firmware_day],
        "rule_day": [assumed.enforcement.rules[0].effective_from],
        "campaign_months": [list(assumed.enforcement.campaign_months)], "loading": [assumed.insurance.loading],
    })
    for name in ("missing_day", "firmware_day", "rule_day"):
        table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(pa.date32()))
    return table


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("'", "''")


def province_of(settings: Settings) -> dict[str, object]:
    """Return preset and seed of the home's province, as far as the home says."""
    marker = settings.home / MARKER
    return dict(json.loads(marker.read_text())) if marker.is_file() else {"preset": "unnamed", "seed": settings.seed}
