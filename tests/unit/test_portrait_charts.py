"""Pictures on the pages of a subject, and what the sources tell, in words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from serving.console.portrait_charts import TREND_HEIGHT, day_strips, radar, service_map, trend
from serving.console.portrait_facts import dues_of, events_of, limits_of
from serving.panel.peers import Peers
from serving.panel.reader import EntityMonth

AT = datetime(2026, 7, 1, tzinfo=UTC)


def month(n: int, points: float | None, *, reconstructed: bool = False) -> EntityMonth:
    return EntityMonth(
        month=f"2026-0{n}", as_of=AT, digest="a", version=1, reconstructed=reconstructed, points=points,
        tier="grey" if points is None else "blue", answer=None, coverage=1.0, enterprise_id="e", size_class=0, business="8",
        base=500.0, clamp=0.0,
    )


def test_a_trend_leaves_a_gap_where_there_is_no_score_and_higher_points_lie_higher() -> None:
    months = [month(1, 480.0, reconstructed=True), month(2, None), month(3, 560.0), month(4, 520.0)]
    drawn = trend(months, (500.0, 540.0, 580.0))
    assert drawn is not None
    assert [one.month for one, _, _ in drawn.marks] == ["2026-01", "2026-03", "2026-04"]
    assert [x for _, x, _ in drawn.marks] == [12.5, 62.5, 87.5]
    heights = {one.points: y for one, _, y in drawn.marks}
    assert heights[560.0] < heights[520.0] < heights[480.0]
    assert [line[4] for line in drawn.lines] == [True, False]
    # The bands of the tiers touch and lie inside the picture.
    tops = {tier: y for tier, y, _ in drawn.bands}
    assert tops["red"] < tops["orange"] < tops["yellow"] < tops["blue"]
    assert all(y >= 0 and y + height <= TREND_HEIGHT for _, y, height in drawn.bands)
    assert trend([month(1, None)], (500.0, 540.0, 580.0)) is None


def test_a_radar_puts_more_points_further_out() -> None:
    spans = dict.fromkeys(("a", "b", "c"), (-10.0, -5.0, 0.0, 5.0, 10.0))
    peers = Peers(circle="all", n=20, percentile=50.0, points=(0.0,) * 5, groups=spans)
    drawn = radar({"a": 20.0, "b": 0.0, "c": -8.0}, peers)
    assert drawn is not None
    own = [complex(*map(float, pair.split(","))) for pair in drawn.own.split()]
    middle = [complex(*map(float, pair.split(","))) for pair in drawn.middle.split()]
    assert abs(own[0]) > abs(middle[0])
    assert abs(own[1]) == pytest.approx(abs(middle[1]), abs=0.02)
    assert abs(own[2]) < abs(middle[2])
    assert radar({"a": 1.0, "b": 2.0}, peers) is None


def hour(begin: datetime, *, run: float = 1.0, kss: float = 5.0) -> dict:
    return {"hour_start": begin, "cont_drive_h": run, "kss": kss, "drive_h_24h": 3.0, "drive_h_7d": 45.0}


def test_an_hour_across_midnight_of_shanghai_is_on_both_days() -> None:
    hours = [
        hour(datetime(2026, 6, 29, 15, 30, tzinfo=UTC)),  # 23:30 in Shanghai
        hour(datetime(2026, 6, 30, 1, 0, tzinfo=UTC), run=4.5), hour(datetime(2026, 6, 30, 2, 0, tzinfo=UTC), kss=7.0),
    ]
    newest, before, empty = day_strips(hours, until=datetime(2026, 6, 30, 15, 59, tzinfo=UTC), days=3, run_limit_h=4.0)
    assert (newest.day, before.day) == ("2026-06-30", "2026-06-29")
    assert before.parts == ((97.917, 2.083, "drive"),)
    assert [part[2] for part in newest.parts] == ["drive", "over", "tired"]
    assert newest.parts[0][:2] == (0.0, 2.083)
    assert newest.drive_h + before.drive_h == pytest.approx(3.0)
    assert empty.parts == ()
    (run, day, week) = limits_of(hours)
    assert (run[1], day[1], week[1]) == (2.0, 3.0, 45.0)
    assert week[2] == pytest.approx(45 / 44)


def place(code: str, lon: float, lat: float, *, region: str = "360100", resource: str = "service_area", status: str = "1") -> dict:
    return {
        "facility_code": code, "lon_deg": lon, "lat_deg": lat, "region_code": region, "resource": resource, "status": status,
        "road_code": "G1", "stake_km": lon, "name": code,
    }


def test_the_map_names_the_nearest_open_places_in_kilometres() -> None:
    facilities = [
        place("gate", 115.0, 28.0, resource="toll_station"), place("far", 117.0, 28.0, region="361100"),
        place("near", 115.1, 28.0, region="361100"), place("shut", 115.01, 28.0, region="361100", status="2"),
    ]
    drawn = service_map(facilities, "360100", kinds=("service_area",), n=2, open_code="1")
    assert drawn is not None
    assert [one["facility_code"] for one, *_ in drawn.nearest] == ["near", "far"]
    # A tenth of a degree of longitude at 28 degrees north.
    assert drawn.nearest[0][3] == pytest.approx(9.82, abs=0.05)
    assert len(drawn.roads) == 1
    assert service_map(facilities, "369999", kinds=("service_area",), n=2, open_code="1") is None


def row(kind: str, row_id: str, **more: object) -> dict:
    base = {
        "subject_id": "e", "vehicle_id": None, "resource": "enforcement_case", "row_id": row_id, "event_time": AT,
        "arrived_at": AT + timedelta(days=1), "versions": 1, "kind": kind, "code": "C08", "result": "4", "amount": 2000.0,
    }
    return base | more


def test_a_case_that_is_told_of_operator_and_vehicle_is_told_once_and_named() -> None:
    rows = [
        row("case", "r1", vehicle_id="v1", subject_id="v1"), row("case", "r1"),
        row("list", "r2", resource="credit_list", result="1"),
    ]
    first, second = events_of(rows)
    assert (first.row["vehicle_id"], first.tone, first.source["no"]) == ("v1", "bad", 19)
    assert (second.tone, second.source["no"]) == ("good", 35)
    assert first.result["zh"] == "结案"
    assert len(events_of(rows, most=1)) == 1
    (rated,) = events_of([row("rating", "r3", resource="road_practitioner_rating", code="02001", result="AAA")])
    assert (rated.what["zh"], rated.result["zh"]) == ("货运驾驶员", "优秀")


def test_what_falls_due_is_counted_in_days_of_shanghai() -> None:
    vehicle = dict.fromkeys((
        "next_second_maint_date", "inspection_due", "review_valid_to", "permit_valid_to", "tank_exam_date",
        "carrier_liability_valid_to", "scrap_date",
    )) | {"next_second_maint_date": date(2026, 6, 20), "inspection_due": date(2026, 7, 11)}
    # 17:00 UTC on the last day of June is the first of July in Shanghai.
    found = dues_of(vehicle, datetime(2026, 6, 30, 17, tzinfo=UTC))
    assert [(one.what["en"], one.days) for one in found] == [("second-level maintenance", -11), ("inspection", 10)]
