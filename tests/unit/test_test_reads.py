"""The ledger of readings: positions by candidate, snapshot and window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.errors import DataError, IntegrityError
from registry.settings import Settings
from registry.signing import init_keys
from registry.test_reads import TestRead, reads, reads_of, record_read

START = datetime(2026, 7, 4, tzinfo=UTC)
WINDOW = ("2026-01-01", "2026-03-01")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    init_keys(tmp_path / "keys")
    return Settings(home=tmp_path / "home", keys_dir=tmp_path / "keys")


def read(settings: Settings, who: str, *, snapshot: str = "s1", window: tuple[str, str] = WINDOW, hours: int = 0) -> TestRead:
    return record_read(
        settings, product="maintenance", digest=who * 64, snapshot=snapshot, test_window=window,
        at=START + timedelta(hours=hours),
    )


def test_candidates_are_counted_by_snapshot_and_window(settings: Settings) -> None:
    made = [
        read(settings, "a"), read(settings, "b"), read(settings, "a", hours=1), read(settings, "c"),
        read(settings, "d", snapshot="s2"), read(settings, "a", window=("2026-03-01", "2026-05-01")),
    ]
    assert [(one.position, one.position_in_window, one.first) for one in made] == [
        (1, 1, True), (2, 2, True), (1, 1, False), (3, 3, True), (1, 4, True), (1, 1, True),
    ]
    assert reads(settings, "maintenance") == made
    assert reads_of(settings, "maintenance", "a" * 64) == [made[0], made[5]]


def test_products_are_counted_apart(settings: Settings) -> None:
    read(settings, "a")
    other = record_read(
        settings, product="driver_fatigue", digest="b" * 64, snapshot="s1", test_window=WINDOW, at=START
    )
    assert other.position == 1
    assert [one.product for one in reads(settings)] == ["maintenance", "driver_fatigue"]


def test_nothing_read_is_an_empty_list(settings: Settings) -> None:
    assert reads(settings) == []
    assert not settings.ledger_dir.exists()


def test_a_candidate_is_named_by_its_digest(settings: Settings) -> None:
    with pytest.raises(DataError, match=r"named by its digest, met 'x{64}'"):
        read(settings, "x")


def test_readings_that_were_cut_off_are_noticed(settings: Settings) -> None:
    read(settings, "a")
    read(settings, "b")
    (settings.ledger_dir / "test_reads.db").unlink()
    for left in settings.ledger_dir.glob("test_reads.db-*"):
        left.unlink()
    with pytest.raises(IntegrityError, match="rows were cut off"):
        reads(settings)
