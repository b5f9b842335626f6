"""What is measured of a city at a cut-off: findings, events on its roads, toll flow, places of rest.

Each function returns one row by (city, cut-off). A count is zero where the resource speaks and names nothing in the city,
and null where nothing at all of it is known in the window: silence of a source is not peace on the roads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from features.exact import exact_sum, from_parts
from features.families.enforcement import OVERLOAD_REASONS, is_finding
from features.families.vehicle_profile import fleet
from features.families.window_sums import window_sums

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

KEY: Final = ["city", "cutoff"]
YEAR_D: Final = 365
QUARTER_D: Final = 90
MONTH_D: Final = 28
BAD_WEATHER: Final = ("12", "13", "14", "16")
"""事件原因 codes of rain, fog or haze, snow, ice."""
CLOSED: Final = "2"
"""设施状态 code of a facility that is closed."""
TRUCK_CLASSES: Final = ("H", "Z")
"""First letters of the toll classes of trucks and special vehicles."""
_STATION, _SERVICE = "toll_station", "service_area"
_REST: Final = ("highway_rest_stop", "parking_area", _SERVICE)

Sums = Mapping[int, Mapping[str, "ir.NumericValue"]]


def cities(known: Known) -> ir.Table:
    """Return the cities in which vehicles are at home, with `n_vehicles`."""
    return known.shared("cities", _cities)


def _cities(known: Known) -> ir.Table:
    homes = fleet(known)
    rows = homes.select("cutoff", city=city_of(homes.region_code))
    return rows.group_by(KEY).aggregate(n_vehicles=rows.count().cast("float64"))


def city_of(region_code: ir.StringValue) -> ir.StringValue:
    """Return the leading digits of a division code (GB/T 2260) that name the city."""
    city: ir.StringValue = region_code.left(4)
    return city


def cases_by_city(known: Known) -> ir.Table:
    """Return standing findings by the city in which they were made."""
    rows = _spans(known, "enforcement_case", ["case_reason", "not_punish", "state"], (YEAR_D, QUARTER_D))
    rows = rows.filter(is_finding(rows))
    return _counts(known, rows, {
        YEAR_D: {"n_case": rows.one, "n_overload": rows.case_reason.isin(OVERLOAD_REASONS)}, QUARTER_D: {"n_case": rows.one},
    })


def events_by_city(known: Known) -> ir.Table:
    """Return traffic emergencies, road works and toll controls by city."""
    columns = ["reason_code", "truck_involved", "hazmat_involved", "deaths", "injured"]
    rows = _spans(known, "traffic_emergency", columns, (YEAR_D, QUARTER_D))
    emergencies = _counts(known, rows, {
        YEAR_D: {
            "n_emergency": rows.one, "n_casualty": rows.deaths.fill_null(0) + rows.injured.fill_null(0),
            "n_truck_emergency": rows.truck_involved.fill_null(False) | rows.hazmat_involved.fill_null(False),
        },
        QUARTER_D: {"n_emergency": rows.one, "n_bad_emergency": rows.reason_code.isin(BAD_WEATHER)},
    })
    works = _spans(known, "roadworks_event", [], (QUARTER_D,))
    roadworks = _counts(known, works, {QUARTER_D: {"n_roadworks": works.one}})
    held = _spans(known, "toll_control", ["reason_code"], (QUARTER_D,))
    controls = _counts(known, held, {
        QUARTER_D: {"n_toll_control": held.one, "n_bad_control": held.reason_code.isin(BAD_WEATHER)},
    })
    joined = _beside(known, emergencies, roadworks, controls)
    return joined.mutate(
        n_bad_weather_90d=joined.n_bad_emergency_90d.fill_null(0.0) + joined.n_bad_control_90d.fill_null(0.0)
    ).drop("n_bad_emergency_90d", "n_bad_control_90d")


def flows_by_city(known: Known) -> ir.Table:
    """Return vehicles per station and observed hour, that of the last 28 days, and the share of trucks."""
    entering, leaving = (_flows(known, f"toll_{way}_flow") for way in ("entry", "exit"))
    stations = _stations(known).select("station_code", *KEY)
    rows = entering.union(leaving).inner_join(stations, ["station_code", "cutoff"])
    summed = rows.group_by(KEY).aggregate(**{name: rows[name].sum() for name in rows.columns if name.endswith("d")})
    return summed.select(
        *KEY,
        flow_90d=from_parts(summed.n_90d) / summed.n_rows_90d.cast("float64").nullif(0.0),
        flow_28d=from_parts(summed.n_28d) / summed.n_rows_28d.cast("float64").nullif(0.0),
        truck_flow_share_90d=from_parts(summed.n_truck_90d) / from_parts(summed.n_90d).nullif(0.0),
    )


def _flows(known: Known, resource: str) -> ir.Table:
    rows = known.spans(resource, ["station_code", "vehicle_class", "n_vehicles"], windows_d=(QUARTER_D, MONTH_D))
    trucks = rows.vehicle_class.left(1).isin(TRUCK_CLASSES).ifelse(rows.n_vehicles, 0)
    sums = {QUARTER_D: {"n": rows.n_vehicles, "n_truck": trucks}, MONTH_D: {"n": rows.n_vehicles}}
    return window_sums(known, rows, "station_code", sums)


def places_by_city(known: Known) -> ir.Table:
    """Return open places of rest, their truck spaces, repair places, weighing stations, and the kilometres they span."""
    rest, stations = _rest_places(known), _stations(known)
    places = rest.group_by(KEY).aggregate(
        n_rest_places=rest.count().cast("float64"), n_truck_spaces=exact_sum(rest.truck_spaces),
        n_repair_places=rest.has_repair.fill_null(False).cast("int64").sum().cast("float64"),
    )
    weighing = stations.group_by(KEY).aggregate(
        n_weighing=stations.entry_weighing.fill_null(False).cast("int64").sum().cast("float64")
    )
    located = rest.select(*KEY, "road_code", "stake_km").union(stations.select(*KEY, "road_code", "stake_km"))
    located = located.filter(located.road_code.notnull() & located.stake_km.notnull())
    # The span of what stands along a road is the part of it that the delivered resources show.
    spans = located.group_by([*KEY, "road_code"]).aggregate(span=located.stake_km.max() - located.stake_km.min())
    roads = spans.group_by(KEY).aggregate(road_km=exact_sum(spans.span))
    joined = _beside(known, places, weighing, roads)
    return joined.select(
        *KEY, "road_km",
        **{name: joined[name].fill_null(0.0) for name in ("n_rest_places", "n_truck_spaces", "n_repair_places", "n_weighing")},
    )


def _rest_places(known: Known) -> ir.Table:
    import ibis

    columns = ["region_code", "road_code", "stake_km", "truck_spaces", "status"]
    parts = []
    for resource in _REST:
        named = [*columns, "has_repair"] if resource == _SERVICE else columns
        rows = known.state(resource, "facility_code", named)
        repair = rows.has_repair if resource == _SERVICE else ibis.literal(value=False)
        parts.append(
            rows.filter(rows.status != CLOSED).select(
                "cutoff", "road_code", "stake_km", "truck_spaces", city=city_of(rows.region_code), has_repair=repair
            )
        )
    return parts[0].union(*parts[1:])


def _stations(known: Known) -> ir.Table:
    rows = known.state(_STATION, "station_code", ["region_code", "road_code", "stake_km", "entry_weighing"])
    return rows.mutate(city=city_of(rows.region_code))


def _spans(known: Known, resource: str, columns: list[str], windows_d: tuple[int, ...]) -> ir.Table:
    import ibis

    rows = known.spans(resource, ["region_code", *columns], windows_d=windows_d)
    return rows.mutate(city=city_of(rows.region_code), one=ibis.literal(1, "int64"))


def _counts(known: Known, rows: ir.Table, sums: Sums) -> ir.Table:
    """Return counts of every city by cut-off: zero where the source spoke of others, no row where it was silent."""
    counted = window_sums(known, rows, "city", sums)
    names = [f"{name}_{days}d" for days, named in sums.items() for name in named]
    spoke = counted.select("cutoff").distinct()
    joined = cities(known).select(*KEY).semi_join(spoke, "cutoff").left_join(counted, KEY, rname="c_{name}")
    return joined.select(*KEY, **{name: from_parts(joined[name]).fill_null(0.0) for name in names})


def _beside(known: Known, *parts: ir.Table) -> ir.Table:
    """Join measures of the cities by city and cut-off."""
    table = cities(known).select(*KEY)
    for part in parts:
        table = table.left_join(part, KEY, rname="r_{name}").drop("r_city", "r_cutoff")
    return table
