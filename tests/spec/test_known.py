"""What is known at a cut-off, as a table: versions of rows in, what is seen out. Times are days."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from features.engine import connect
from features.known import open_known
from features.warehouse import Warehouse
from registry.errors import DataError
from tests.lib.histories import BEGIN, RESOURCE, Version, deliver, instant, known_of, seen, states

V = Version
SECOND = 1 / 86_400

# versions (row, event, arrival, withdrawn, value), cut-offs, (cut-off, row, value) seen
SEEN = {
    "a row is seen from its arrival on": ([V("a", 1, 3)], [2, 4], [(4, "a", 0)]),
    "arrival at the cut-off is known": ([V("a", 1, 3)], [3 - SECOND, 3], [(3, "a", 0)]),
    "what happens at the cut-off has not happened": ([V("a", 3, 3)], [3, 3 + SECOND], [(3 + SECOND, "a", 0)]),
    "what is announced has not happened": ([V("a", 9, 1)], [5, 10], [(10, "a", 0)]),
    "a correction is known from its own arrival": (
        [V("a", 1, 2, value=1), V("a", 1, 5, value=2)], [3, 5 - SECOND, 5, 9],
        [(3, "a", 1), (5 - SECOND, "a", 1), (5, "a", 2), (9, "a", 2)],
    ),
    "a correction may move the event": (
        [V("a", 1, 2, value=1), V("a", 8, 5, value=2)], [3, 6, 9], [(3, "a", 1), (9, "a", 2)],
    ),
    "the arrival decides, not the order of delivery": (
        [V("a", 1, 5, value=2), V("a", 1, 2, value=1)], [3, 6], [(3, "a", 1), (6, "a", 2)],
    ),
    "of one arrival the later delivery counts": (
        [V("a", 1, 2, value=1), V("a", 1, 2, value=2)], [2, 9], [(2, "a", 2), (9, "a", 2)],
    ),
    "a withdrawn row is gone from then on": (
        [V("a", 1, 2), V("a", 1, 4, withdrawn=True)], [3, 4, 9], [(3, "a", 0)],
    ),
    "a withdrawn row can come back": (
        [V("a", 1, 2, value=1), V("a", 1, 4, withdrawn=True), V("a", 1, 6, value=3)], [3, 5, 7], [(3, "a", 1), (7, "a", 3)],
    ),
    "a withdrawal before the row itself hides nothing later": (
        [V("a", 1, 2, withdrawn=True), V("a", 1, 4, value=7)], [3, 5], [(5, "a", 7)],
    ),
    "the same row delivered again is one row": (
        [V("a", 1, 2, value=1), V("a", 1, 3, value=1)], [2, 3, 4], [(2, "a", 1), (3, "a", 1), (4, "a", 1)],
    ),
    "rows do not touch each other": (
        [V("a", 1, 2, value=1), V("b", 1, 2, value=2), V("b", 1, 4, withdrawn=True)], [3, 5],
        [(3, "a", 1), (3, "b", 2), (5, "a", 1)],
    ),
}


@pytest.mark.parametrize("case", SEEN)
def test_what_is_seen(case: str) -> None:
    versions, cutoffs, expected = SEEN[case]
    with known_of(versions, cutoffs) as known:
        assert seen(known) == [(pytest.approx(cutoff), row, value) for cutoff, row, value in expected]


@pytest.mark.parametrize(
    ("event", "inside"), [(10 - SECOND, True), (3, True), (3 - SECOND, False), (10, False), (-40, False)]
)
def test_a_window_begins_on_its_first_instant_and_ends_before_the_cutoff(event: float, inside: bool) -> None:
    with known_of([V("a", event, 5)], [10]) as known:
        assert bool(seen(known, days=7)) == inside


def test_a_late_row_enters_the_windows_after_its_arrival_only() -> None:
    with known_of([V("a", 1, 6)], [4, 7, 9]) as known:
        assert [cutoff for cutoff, _, _ in seen(known, days=7)] == [7]


# versions, (cut-off, key, value) of the state at 10
STATES = {
    "what happened last": ([V("a", 5, 6, value=1), V("b", 7, 8, value=2)], [(10, "k", 2)]),
    "what happened last, not what arrived last": ([V("a", 7, 8, value=2), V("b", 5, 9, value=1)], [(10, "k", 2)]),
    "of one instant what arrived last": ([V("a", 5, 6, value=1), V("b", 5, 7, value=2)], [(10, "k", 2)]),
    "of one instant and arrival the last name": ([V("b", 5, 6, value=2), V("a", 5, 6, value=1)], [(10, "k", 2)]),
    "nothing that is not known yet": ([V("a", 5, 6, value=1), V("b", 7, 11, value=2)], [(10, "k", 1)]),
    "the one before a withdrawn one": (
        [V("a", 5, 6, value=1), V("b", 7, 8, value=2), V("b", 7, 9, withdrawn=True)], [(10, "k", 1)],
    ),
    "nothing where all is withdrawn": ([V("a", 5, 6), V("a", 5, 7, withdrawn=True)], []),
    "each key for itself": ([V("a", 5, 6, value=1), V("b", 4, 5, value=2, key="l")], [(10, "k", 1), (10, "l", 2)]),
}


@pytest.mark.parametrize("case", STATES)
def test_the_state_is(case: str) -> None:
    versions, expected = STATES[case]
    with known_of(versions, [10]) as known:
        assert states(known) == expected


def test_versions_hold_all_that_arrived_by_the_newest_cutoff() -> None:
    history = [V("a", 1, 2, value=1), V("a", 1, 4, value=2), V("a", 1, 5, withdrawn=True), V("a", 1, 9, value=3)]
    with known_of(history, [3, 5]) as known:
        rows = known.versions(RESOURCE).order_by("arrived_at").to_pyarrow().to_pylist()
    assert [(row["value"], row["withdrawn"]) for row in rows] == [(1, False), (2, False), (0, True)]


def test_labels_read_what_is_in_force_at_the_end() -> None:
    history = [V("a", 1, 2, value=1), V("a", 1, 9, value=2), V("b", 1, 2), V("b", 1, 9, withdrawn=True)]
    with known_of(history, [3]) as known:
        rows = known.matured(RESOURCE).to_pyarrow().to_pylist()
    assert [(row["row_id"], row["value"]) for row in rows] == [("a", 2)]


def test_one_delivery_may_hold_several_versions(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path)
    deliver(warehouse, [V("a", 1, 2, value=1), V("a", 1, 4, value=2), V("b", 1, 4, value=3)], "d1")
    backend = connect(threads=1, memory_limit="512MB", spill_dir=tmp_path / ".spill")
    known = open_known(backend, warehouse, [RESOURCE], [instant(5)], BEGIN)
    assert [(row, value) for _, row, value in seen(known)] == [("a", 2), ("b", 3)]


def test_a_cutoff_without_zone_is_refused(tmp_path: Path) -> None:
    backend = connect(threads=1, memory_limit="512MB", spill_dir=tmp_path / "spill")
    with pytest.raises(DataError, match="cut-off 2026-01-06T00:00:00 has no zone"):
        open_known(backend, Warehouse(tmp_path), [], [datetime(2026, 1, 6)], BEGIN)  # noqa: DTZ001 - what is refused


def test_a_resource_that_was_never_delivered_is_named(tmp_path: Path) -> None:
    backend = connect(threads=1, memory_limit="512MB", spill_dir=tmp_path / "spill")
    with pytest.raises(DataError, match="nothing of claim has been delivered"):
        open_known(backend, Warehouse(tmp_path), ["claim"], [instant(5)], BEGIN)
