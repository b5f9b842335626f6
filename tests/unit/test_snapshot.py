"""Cut-offs of a build, the warehouse's identity, and the record that a build leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.build import monthly_cutoffs
from features.snapshot import FeatureSnapshot, read_snapshot, write_snapshot
from features.warehouse import Warehouse
from registry.errors import DataError, IntegrityError, NotFound
from tests.lib.histories import RESOURCE, Version, deliver

MADE = FeatureSnapshot(
    warehouse="w", digest="d", as_of="2026-05-31T16:00:00+00:00", cutoffs=("2026-04-30T16:00:00+00:00",),
    tables={"duty": (3, "h")}, complete_until={"claim": None}, simulated=True,
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (utc(2026, 1, 1), utc(2026, 3, 31, 15, 59), [utc(2026, 1, 31, 16), utc(2026, 2, 28, 16)]),
        (utc(2026, 1, 31, 16), utc(2026, 2, 28, 16), [utc(2026, 1, 31, 16), utc(2026, 2, 28, 16)]),
        (utc(2026, 1, 31, 16, 0, 1), utc(2026, 3, 1), [utc(2026, 2, 28, 16)]),
        (utc(2025, 12, 15), utc(2026, 1, 15), [utc(2025, 12, 31, 16)]),
    ],
)
def test_months_begin_at_midnight_in_shanghai(first: datetime, last: datetime, expected: list[datetime]) -> None:
    assert monthly_cutoffs(first, last) == expected


def test_a_span_without_a_months_beginning_is_refused() -> None:
    with pytest.raises(DataError, match="no month begins between 2026-01-02"):
        monthly_cutoffs(utc(2026, 1, 2), utc(2026, 1, 20))


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_snapshot(MADE, tmp_path)
    assert read_snapshot(tmp_path) == MADE
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot.json"]


def test_without_a_record_there_is_no_build(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no feature snapshot"):
        read_snapshot(tmp_path)


def test_the_identity_of_a_warehouse_is_what_it_holds(tmp_path: Path) -> None:
    one, other = Warehouse(tmp_path / "one"), Warehouse(tmp_path / "other")
    deliver(one, [Version("a", 1, 2)], "d1")
    deliver(one, [Version("b", 1, 2)], "d2")
    deliver(other, [Version("b", 1, 2)], "d2")
    assert one.snapshot() != other.snapshot()
    deliver(other, [Version("a", 1, 2)], "d1")
    assert one.snapshot() == other.snapshot()


def test_a_file_without_its_manifest_does_not_count(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    deliver(warehouse, [Version("a", 1, 2)], "d1")
    before = warehouse.snapshot()
    (file,) = warehouse.files(RESOURCE)
    file.with_name("d2.parquet").write_bytes(file.read_bytes())
    assert (warehouse.snapshot(), warehouse.files(RESOURCE), warehouse.has(RESOURCE, "d2")) == (before, [file], False)


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_changed_file_is_found(damage: str, tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    deliver(warehouse, [Version("a", 1, 2)], "d1")
    warehouse.verify(RESOURCE)
    (file,) = warehouse.files(RESOURCE)
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1] + b"\0")
    with pytest.raises(IntegrityError, match=r"delivery d1 has hash .* its manifest says"):
        warehouse.verify(RESOURCE)
