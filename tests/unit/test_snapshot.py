"""The warehouse's identity, and the record that a build leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.snapshot import FeatureSnapshot, read_snapshot, write_snapshot
from features.warehouse import Warehouse
from registry.errors import IntegrityError, NotFound
from tests.lib.histories import RESOURCE, Version, deliver

MADE = FeatureSnapshot(
    warehouse="w", digest="d", as_of="2026-05-31T16:00:00+00:00", cutoffs=("2026-04-30T16:00:00+00:00",),
    tables={"duty": (3, "h")}, complete_until={"claim": None}, simulated=True,
)


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
