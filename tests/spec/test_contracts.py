"""The contract of a delivery as a table: a row in, the rules that it breaks out."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final

import pyarrow as pa
import pytest

from features.contracts import ARROW_TYPES, MAX_BAD_SHARE, Checked, check_delivery, check_rows
from registry.errors import DeliveryRefused
from registry.resources.columns import PLATE_COLOR, PLATE_NO, coded, count, day, flag, moment, personal, quantity
from registry.resources.schema import ENVELOPE, Column, Resource

RESOURCE: Final = Resource(
    id="trial", zh="试验", en="trial", no=None, cycle="daily", entity="vehicle", key=("plate_no",), event_time="seen_at",
    columns=(
        PLATE_NO, PLATE_COLOR, moment("seen_at", "时间", nullable=False), coded("fuel", "燃料", "fuel_type"),
        quantity("speed_kmh", "速度", "km/h", 220, nullable=False), count("seats", "座位", 80), day("made_on", "日期"),
        flag("idle", "停驶"), personal("driver_name", "姓名"),
        Column(id="id_card_no", zh="身份证号", dtype="string", format="id_card", sensitivity="personal"),
    ),
)
GOOD: Final[dict[str, Any]] = {
    "plate_no": "赣A12345", "plate_color": "2", "seen_at": datetime(2026, 1, 2, 3, tzinfo=UTC), "fuel": "2",
    "speed_kmh": 61.5, "seats": 2, "made_on": date(2020, 5, 4), "idle": False, "driver_name": "某人",
    "id_card_no": None, "row_id": "r", "arrived_at": datetime(2026, 1, 3, tzinfo=UTC), "withdrawn": False,
}
SECRET: Final = "(withheld)"
FIELDS: Final = {column.id: ARROW_TYPES[column.dtype] for column in (*RESOURCE.columns, *ENVELOPE)}


def table(*rows: dict[str, Any], **types: pa.DataType) -> pa.Table:
    fields = FIELDS | types
    whole = [GOOD | {"row_id": f"r{place}"} | row for place, row in enumerate(rows)]
    columns = {name: pa.array([row[name] for row in whole], kind) for name, kind in fields.items()}
    return pa.table(columns)


def among_good(row: dict[str, Any], n: int = 9) -> Checked:
    return check_delivery(table(*({} for _ in range(n)), row), RESOURCE, where="trial")


BROKEN = [
    # column, value met, rule, what quarantine may show
    ("plate_no", None, "must be present", SECRET),
    ("plate_no", "A12345", "must be a valid plate", SECRET),
    ("plate_no", "", "must be a valid plate", SECRET),
    ("plate_color", "7", "must be a code of plate_color", SECRET),
    ("id_card_no", "360102199003070000", "must be a valid id_card", SECRET),
    ("seen_at", None, "must be present", "None"),
    ("fuel", "8", "must be a code of fuel_type", "8"),
    ("fuel", "", "must be a code of fuel_type", ""),
    ("fuel", "02", "must be a code of fuel_type", "02"),
    ("speed_kmh", None, "must be present", "None"),
    ("speed_kmh", -0.5, "must be at least 0", "-0.5"),
    ("speed_kmh", 220.5, "must be at most 220", "220.5"),
    ("speed_kmh", math.nan, "must be finite", "nan"),
    ("seats", -1, "must be at least 0", "-1"),
    ("seats", 81, "must be at most 80", "81"),
    ("row_id", None, "must be present", "None"),
    ("arrived_at", None, "must be present", "None"),
    ("withdrawn", None, "must be present", "None"),
    ("made_on", date(1899, 12, 31), "must lie between 1900 and 2199", "1899-12-31"),
    ("made_on", date(2200, 1, 1), "must lie between 1900 and 2199", "2200-01-01"),
    ("seen_at", datetime(1899, 12, 31, 23, tzinfo=UTC), "must lie between 1900 and 2199", "1899-12-31 23:00:00+00:00"),
    ("plate_no", "赣AD12345", "must be of a form that its colour has", SECRET),
    ("plate_color", "94", "must be of a form that its colour has", SECRET),
]


@pytest.mark.parametrize(("column", "value", "rule", "shown"), BROKEN)
def test_a_row_that_breaks_a_rule_is_kept_out_and_the_others_enter(
    column: str, value: object, rule: str, shown: str
) -> None:
    checked = among_good({column: value})
    named = "plate_no" if "colour" in rule else column
    assert [(v.row, v.column, v.rule, v.value) for v in checked.violations] == [(9, named, rule, shown)]
    assert (checked.bad_rows, len(checked.accepted)) == (1, 9)


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_the_infinite_breaks_two_rules_and_is_one_bad_row(value: float) -> None:
    checked = among_good({"speed_kmh": value})
    assert checked.bad_rows == 1
    assert next(violation.rule for violation in checked.violations) == "must be finite"


@pytest.mark.parametrize(
    ("column", "value"),
    [("speed_kmh", 0.0), ("speed_kmh", 220.0), ("seats", 0), ("seats", 80), ("seats", None), ("fuel", None), ("made_on", None),
     ("idle", None), ("driver_name", None), ("plate_no", " 赣a·12345"), ("plate_no", "赣A12345")],
)
def test_what_lies_on_an_edge_or_may_be_absent_enters(column: str, value: object) -> None:
    checked = among_good({column: value})
    assert (checked.violations, len(checked.accepted)) == ((), 10)


LATER = datetime(2026, 1, 4, tzinfo=UTC)
TWICE: Final[dict[str, tuple[list[dict[str, Any]], list[int], int, list[int]]]] = {
    # rows that share an identifier among ten others -> places kept, copies dropped, places in quarantine
    "the same row at one arrival": ([{}, {}], [0], 1, []),
    "the same row three times": ([{}, {}, {}], [0], 2, []),
    "another row at one arrival": ([{}, {"seats": 3}], [], 0, [0, 1]),
    "another row and a copy": ([{}, {"seats": 3}, {}], [], 0, [0, 1, 2]),
    "a withdrawal at one arrival": ([{}, {"withdrawn": True}], [], 0, [0, 1]),
    "the same row at another arrival": ([{}, {"arrived_at": LATER}], [0, 1], 0, []),
    "a correction at another arrival": ([{}, {"arrived_at": LATER, "seats": 3}], [0, 1], 0, []),
    "a copy with nulls": ([{"fuel": None}, {"fuel": None}], [0], 1, []),
}


@pytest.mark.parametrize("case", TWICE)
def test_a_row_at_one_arrival_says_one_thing(case: str) -> None:
    twins, kept, dropped, quarantined = TWICE[case]
    delivered = table(*({"row_id": "twin"} | twin for twin in twins), *({} for _ in range(20)))
    checked = check_delivery(delivered, RESOURCE, where="trial")
    assert checked.accepted.to_pylist() == delivered.take(pa.array([*kept, *range(len(twins), len(delivered))])).to_pylist()
    assert checked.repeated == dropped
    assert [(v.row, v.column, v.rule, v.value) for v in checked.violations] == [
        (place, "row_id", "must be the only version at its arrival", "twin") for place in quarantined
    ]
    assert checked.bad_rows == len(quarantined)


def test_a_key_and_an_event_time_are_present_though_their_column_may_be_null() -> None:
    lax = replace(RESOURCE, key=("seats",), event_time="made_on")
    checked = check_delivery(table(*({} for _ in range(9)), {"seats": None, "made_on": None}), lax, where="trial")
    assert [(v.column, v.rule) for v in checked.violations] == [("seats", "must be present"), ("made_on", "must be present")]


CHECK_DIGITS = [
    ("uscc", "91360000MA35FABC1X", False), ("uscc", "91350100M000100Y43", True), ("uscc", "91350100M000100Y44", False),
    ("vin", "1M8GDM9AXKP042788", True), ("vin", "1M8GDM9AYKP042788", False), ("vin", "1M8GDM9A1KP042788", False),
    ("id_card", "11010519491231002X", True), ("id_card", "110105194912310021", False),
    ("region", "360100", True), ("region", "990100", False),
]


@pytest.mark.parametrize(("format_", "value", "holds"), CHECK_DIGITS)
def test_a_check_digit_is_checked(format_: Any, value: str, holds: bool) -> None:
    checked_one = replace(RESOURCE, columns=(Column(id="number", zh="号", dtype="string", format=format_),),
                          key=("number",), event_time="arrived_at")
    delivered = table({}).select(["row_id", "arrived_at", "withdrawn"]).append_column("number", pa.array([value]))
    found = [violation.rule for violation in check_rows(delivered, checked_one, where="trial").violations]
    assert found == ([] if holds else [f"must be a valid {format_}"])


def test_every_broken_rule_of_a_row_is_named() -> None:
    checked = among_good({"fuel": "8", "seats": 99})
    assert {violation.column for violation in checked.violations} == {"fuel", "seats"}
    assert checked.bad_rows == 1


def test_what_is_no_text_of_a_person_or_plate_reaches_no_violation() -> None:
    rows = [{"plate_no": "SECRET1", "driver_name": "SECRET2", "id_card_no": "SECRET3", "fuel": "8"}]
    checked = check_delivery(table(*({} for _ in range(9)), *rows), RESOURCE, where="trial")
    assert len(checked.violations) == 3
    assert "SECRET" not in repr(checked.violations)


DRIFT = [
    # what is done to the table, what the message says
    (lambda t: t.drop_columns(["fuel"]), r"missing \['fuel'\], unknown \[\]"),
    (lambda t: t.append_column("colour", pa.nulls(len(t))), r"missing \[\], unknown \['colour'\]"),
    (lambda t: t.rename_columns(["speed_mph" if n == "speed_kmh" else n for n in t.column_names]),
     r"missing \['speed_kmh'\], unknown \['speed_mph'\]"),
    (lambda t: t.append_column("fuel", t["fuel"]), r"unknown \[\], twice \['fuel'\]"),
    (lambda t: t.drop_columns(["row_id"]), r"missing \['row_id'\]"),
    (lambda t: retyped(t, "seen_at", pa.timestamp("us")), "trial.seen_at has timestamps without a zone"),
    (lambda t: retyped(t, "arrived_at", pa.timestamp("ms")), "trial.arrived_at has timestamps without a zone"),
    (lambda t: replaced(t, "speed_kmh", [True]), "trial.speed_kmh is bool, float is declared"),
    (lambda t: replaced(t, "fuel", [2]), "trial.fuel is int64, text is declared"),
    (lambda t: replaced(t, "fuel", [b"2"]), "trial.fuel is binary, text is declared"),
    (lambda t: replaced(t, "seats", [2.5]), "trial.seats is double and cannot be read as int"),
    (lambda t: replaced(t, "speed_kmh", ["fast"]), "trial.speed_kmh is string and cannot be read as float"),
    (lambda t: replaced(t, "made_on", ["yesterday"]), "trial.made_on is string and cannot be read as date"),
]


def retyped(delivered: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    return delivered.set_column(delivered.schema.get_field_index(name), name, delivered[name].cast(kind))


def replaced(delivered: pa.Table, name: str, values: list[Any]) -> pa.Table:
    return delivered.set_column(delivered.schema.get_field_index(name), name, pa.array(values * len(delivered)))


@pytest.mark.parametrize(("drift", "message"), DRIFT)
def test_a_table_of_another_shape_is_refused_whole(drift: Any, message: str) -> None:
    with pytest.raises(DeliveryRefused, match=message):
        check_delivery(drift(table({}, {})), RESOURCE, where="trial")


def test_a_value_in_the_wrong_place_is_not_shown() -> None:
    with pytest.raises(DeliveryRefused, match=r"cannot be read as float: .*withheld") as refusal:
        check_delivery(replaced(table({}), "speed_kmh", ["赣A12345"]), RESOURCE, where="trial")
    assert "赣A12345" not in str(refusal.value)


def test_other_types_with_the_same_values_are_read() -> None:
    delivered = table({}, {}, fuel=pa.large_string(), seats=pa.int16(), speed_kmh=pa.float32(),
                      seen_at=pa.timestamp("ms", tz="Asia/Shanghai"))
    delivered = retyped(delivered, "plate_color", pa.dictionary(pa.int32(), pa.string()))
    accepted = check_delivery(delivered, RESOURCE, where="trial").accepted
    assert accepted.schema.field("seen_at").type == pa.timestamp("us", tz="UTC")
    assert accepted.to_pylist() == [GOOD | {"row_id": "r0"}, GOOD | {"row_id": "r1"}]


@pytest.mark.parametrize(("bad", "refused"), [(2, False), (3, True)])
def test_too_many_bad_rows_refuse_the_delivery(bad: int, refused: bool) -> None:
    assert MAX_BAD_SHARE == 0.2
    delivered = table(*[{"seats": 99}] * bad, *[{}] * (10 - bad))
    if refused:
        with pytest.raises(DeliveryRefused, match=r"3 of 10 rows of trial .* first: row 0, seats = 99 breaks 'must be at most 80'"):
            check_delivery(delivered, RESOURCE, where="trial")
    else:
        assert check_delivery(delivered, RESOURCE, where="trial").bad_rows == bad


def test_a_refusal_shows_no_identifier() -> None:
    with pytest.raises(DeliveryRefused, match=r"plate_no = \(withheld\)") as refusal:
        check_delivery(table({"plate_no": "SECRET"}), RESOURCE, where="trial")
    assert "SECRET" not in str(refusal.value)


def test_an_empty_delivery_holds_its_contract() -> None:
    checked = check_delivery(table(), RESOURCE, where="trial")
    assert (len(checked.accepted), checked.bad_rows) == (0, 0)


def test_a_resource_without_rules_takes_every_row() -> None:
    lax = replace(RESOURCE, columns=(day("seen_on", "日期"),), event_time="seen_on")
    delivered = table({}, {}).select(["row_id", "arrived_at", "withdrawn"]).append_column(
        "seen_on", pa.array([date(2026, 1, 2)] * 2))
    assert check_delivery(delivered, lax, where="trial").bad_rows == 0
