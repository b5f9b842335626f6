"""How a source is judged: deliveries in, figures, verdict and causes out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from features.contracts import Violation
from features.quality.cli import sparkline
from features.quality.measure import DeliveryQuality, measure, quality_of
from features.quality.report import gaps, judge, periods
from features.quality.store import CheckResult
from features.warehouse import DeliveryManifest
from registry.resources import RESOURCES

AT = datetime(2026, 6, 30, 16, tzinfo=UTC)
DAILY, MONTHLY = RESOURCES["enforcement_case"], RESOURCES["credit_list"]
MOMENT = datetime(2026, 6, 1, 4, tzinfo=UTC)


def delivery(
    age_d: float, rows: int = 100, *, quarantined: int = 0, repeated: int = 0, clashes: int = 0,
    nulls: Mapping[str, int] = {}, broken: Mapping[str, int] = {}, days: Mapping[str, int] = {},
) -> DeliveryQuality:
    return DeliveryQuality(
        delivery_id=f"d{age_d}", complete_until=(AT - timedelta(days=age_d)).isoformat(), rows=rows,
        accepted=rows - quarantined - repeated, quarantined=quarantined, repeated=repeated, key_clashes=clashes,
        nulls=nulls, broken=broken, days=days,
    )


def steady(count: int = 6, **newest: object) -> list[DeliveryQuality]:
    return [*(delivery(float(age)) for age in range(count, 0, -1)), delivery(0.0, **newest)]


@pytest.mark.parametrize(
    ("newest", "verdict", "cause"),
    [
        ({}, "ok", None),
        ({"rows": 95}, "ok", None),
        ({"rows": 60}, "warn", "60 rows in 2026-06-30, 100 are usual"),
        ({"rows": 10}, "broken", "10 rows in 2026-06-30, 100 are usual"),
        ({"rows": 0}, "broken", "0 rows in 2026-06-30, 100 are usual"),
        ({"nulls": {"fine_cny": 4}}, "ok", None),
        ({"nulls": {"fine_cny": 40}}, "warn", "fine_cny is filled in 60% of the rows, usually in 100%"),
        ({"quarantined": 5, "broken": {"uscc: must be a valid uscc": 5}}, "warn",
         "5 of 100 rows break 'uscc: must be a valid uscc'"),
        ({"quarantined": 30, "broken": {"uscc: must be a valid uscc": 30}}, "broken",
         "30 of 100 rows break 'uscc: must be a valid uscc'"),
        ({"repeated": 3, "clashes": 2}, "warn", "3 of 100 rows are repeated, 2 clash in their key"),
    ],
)
def test_newest_period_against_the_usual(newest: dict[str, object], verdict: str, cause: str | None) -> None:
    found = judge(DAILY, steady(**newest), [], AT)
    assert found.verdict == verdict
    assert found.findings == (() if cause is None else (cause,))


@pytest.mark.parametrize(
    ("age_d", "daily", "monthly"),
    [(0.0, "ok", "ok"), (2.0, "ok", "ok"), (2.1, "warn", "ok"), (7.0, "warn", "ok"), (7.1, "stale", "ok"),
     (45.1, "stale", "warn"), (62.1, "stale", "stale")],
)
def test_freshness_by_cycle(age_d: float, daily: str, monthly: str) -> None:
    assert judge(DAILY, [delivery(age_d)], [], AT).verdict == daily
    assert judge(MONTHLY, [delivery(age_d)], [], AT).verdict == monthly


def test_a_source_that_was_never_delivered_is_absent() -> None:
    found = judge(DAILY, [], [], AT)
    assert (found.verdict, found.age_d, found.findings) == ("absent", None, ("was never delivered",))


def test_nothing_is_usual_before_three_periods() -> None:
    assert judge(DAILY, [delivery(1.0), delivery(0.0, 1)], [], AT).completeness is None


def test_few_rows_vary_without_a_word() -> None:
    usual = [delivery(float(age), 5) for age in range(6, 0, -1)]
    assert judge(DAILY, [*usual, delivery(0.0, 0)], [], AT).verdict == "ok"


@pytest.mark.parametrize(("held", "verdict"), [(99, "ok"), (90, "warn"), (10, "broken")])
def test_the_worst_check_counts(held: int, verdict: str) -> None:
    checks = [CheckResult(check="a", compared=100, held=100), CheckResult(check="b", compared=100, held=held),
              CheckResult(check="c", compared=0, held=0)]
    found = judge(DAILY, steady(), checks, AT)
    assert (found.verdict, found.consistency) == (verdict, held / 100)
    assert found.findings == (() if verdict == "ok" else (f"b: {held} of 100 agree",))


def test_deliveries_of_one_period_are_one() -> None:
    pages = [delivery(0.5, 60, nulls={"fine_cny": 6}), delivery(0.1, 40, nulls={"fine_cny": 4})]
    assert [(period.rows, period.filled("fine_cny")) for period in periods(DAILY, pages)] == [(100, 0.9)]
    assert len(periods(MONTHLY, [delivery(40.0), *pages])) == 2


def a_month(*, without: int | None = None, rows: int = 100) -> dict[str, int]:
    days = [datetime(2026, 6, 30).date() - timedelta(days=age) for age in range(40)]  # noqa: DTZ001 - a day
    return {day.isoformat(): rows for age, day in enumerate(days) if age != without}


def test_a_missing_day_is_seen_within_a_month() -> None:
    assert gaps([delivery(0.0, days=a_month())], AT) == []
    assert [str(day) for day in gaps([delivery(0.0, days=a_month(without=10))], AT)] == ["2026-06-20"]
    found = judge(DAILY, steady(days=a_month(without=10)), [], AT)
    assert found.verdict == "warn"
    assert found.findings == ("1 of the last 31 days are missing or thin: 2026-06-20",)


def test_a_quiet_weekend_is_no_gap() -> None:
    days = {day: 0 if datetime.fromisoformat(day).weekday() >= 5 else rows for day, rows in a_month().items()}
    assert gaps([delivery(0.0, days=days)], AT) == []


def cases(*rows: tuple[str, str, int, bool]) -> pa.Table:
    """Return (row id, plate, arrival in days, withdrawn) as rows of vehicle_day."""
    made = {column.id: pa.nulls(len(rows), pa.string()) for column in RESOURCES["vehicle_day"].columns}
    made |= {
        "plate_no": pa.array([plate for _, plate, _, _ in rows]), "plate_color": pa.array(["2"] * len(rows)),
        "day": pa.array([MOMENT.date()] * len(rows), pa.date32()), "row_id": pa.array([row for row, *_ in rows]),
        "arrived_at": pa.array([MOMENT + timedelta(days=days) for _, _, days, _ in rows], pa.timestamp("us", tz="UTC")),
        "withdrawn": pa.array([gone for *_, gone in rows]),
    }
    return pa.table(made)


@pytest.mark.parametrize(
    ("rows", "clashes"),
    [
        ([("a", "赣A1", 0, False), ("b", "赣A2", 0, False)], 0),
        ([("a", "赣A1", 0, False), ("a", "赣A1", 1, False)], 0),
        ([("a", "赣A1", 0, False), ("b", "赣A1", 0, False)], 1),
        ([("a", "赣A1", 0, False), ("a", "赣A1", 1, False), ("b", "赣A1", 0, False)], 1),
        ([("a", "赣A1", 0, False), ("b", "赣A1", 0, True)], 0),
        ([], 0),
    ],
    ids=["different", "corrected", "same key", "same key, one corrected", "same key withdrawn", "empty"],
)
def test_what_counts_as_a_clash(rows: list[tuple[str, str, int, bool]], clashes: int) -> None:
    violations = [Violation(0, "plate_no", "must be a valid plate", "(withheld)")] * 2
    figures = measure(cases(*rows), RESOURCES["vehicle_day"], violations)
    assert figures["key_clashes"] == clashes
    assert figures["broken"] == {"plate_no: must be a valid plate": 2}
    assert figures["days"] == ({"2026-06-01": len(rows)} if rows else {})


def test_a_manifest_without_figures_still_has_its_counts() -> None:
    found = quality_of(DeliveryManifest(
        resource="claim", delivery_id="d", source="f", rows=7, quarantined=2, sha256="", first_event="", last_event="",
        last_arrival="", complete_until=AT.isoformat(), null_share={},
    ))
    assert (found.rows, found.accepted, found.quarantined, found.repeated) == (9, 7, 2, 0)


def test_bars_grow_with_the_values() -> None:
    assert sparkline([0, 1, 50, 100]) == "·▁▄█"
    assert sparkline([]) == ""
