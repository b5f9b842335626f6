"""Where an instant falls among cut-offs, and sums over windows, beside counting by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.cutoffs import ANCHOR, Cutoffs, regular_cutoffs
from features.engine import connect, microseconds
from features.known import Known
from features.rolling import cohorts, rolling
from registry.errors import DataError
from tests.lib.histories import RESOURCE, START, Version, day_of, instant, known_of

QUIET = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Half days and odd microseconds, so that instants meet cut-offs, miss them narrowly, and fall on irregular ones.
INSTANTS = st.builds(lambda half, us: START + timedelta(hours=12 * half, microseconds=us), st.integers(-8, 60), st.integers(-1, 1))
ROWS = st.lists(st.integers(0, 50), min_size=1, max_size=6, unique=True).map(sorted)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made = connect(threads=1, memory_limit="512MB", spill_dir=tmp_path_factory.mktemp("spill"))
    yield made
    made.disconnect()


@QUIET
@given(halves=ROWS, times=st.lists(INSTANTS, min_size=1, max_size=8), plus_d=st.integers(0, 9))
def test_positions_count_the_cutoffs(backend: Any, halves: list[int], times: list[datetime], plus_d: int) -> None:
    import ibis

    cutoffs = Cutoffs.of([START + timedelta(hours=12 * half) for half in halves])
    table = ibis.memtable(pd.DataFrame({"t": pd.Series(times).dt.as_unit("us")}))
    moment = microseconds(backend, table.t)
    found = backend.to_pyarrow(table.select(
        before=cutoffs.before(moment), up_to=cutoffs.up_to(moment), later=cutoffs.up_to(moment, plus_d=plus_d)
    )).to_pylist()
    assert found == [
        {
            "before": sum(cutoff < time for cutoff in cutoffs.times),
            "up_to": sum(cutoff <= time for cutoff in cutoffs.times),
            "later": sum(cutoff <= time + timedelta(days=plus_d) for cutoff in cutoffs.times),
        }
        for time in times
    ]


DAYS = st.integers(0, 14)
HISTORIES = st.lists(
    st.builds(Version, row_id=st.sampled_from("abcd"), event=DAYS, arrival=DAYS, withdrawn=st.booleans() | st.just(False),
              value=st.integers(-3, 3), key=st.sampled_from("kl")),
    min_size=1, max_size=10,
)


@QUIET
@given(history=HISTORIES, cutoffs=st.lists(st.integers(0, 20), min_size=1, max_size=5, unique=True),
       long=st.integers(3, 9), short=st.integers(1, 3))
def test_running_totals_are_the_sums_over_windows(
    backend: Any, history: list[Version], cutoffs: list[int], long: int, short: int
) -> None:
    with known_of(history, [float(day) for day in cutoffs], backend=backend) as known:
        assert _rolling(known, long, short) == _summed(known, long, short)


def _rolling(known: Known, long: int, short: int) -> dict[tuple[str, float], tuple[int, int, int, int]]:
    windows = (long, short) if short < long else (long,)
    spans = known.spans(RESOURCE, ["key", "value"], windows_d=windows)
    rows = cohorts(spans, ["key"], windows, {"value": spans.value})
    found = rolling(known, rows, "key", {days: ["value"] for days in windows}).to_pyarrow().to_pylist()
    last = windows[-1]
    return {
        (row["key"], day_of(row["cutoff"])): (
            row[f"value_{long}d"] // 10**6, row[f"n_rows_{long}d"], row[f"value_{last}d"] // 10**6, row[f"n_rows_{last}d"]
        )
        for row in found
    }


def _summed(known: Known, long: int, short: int) -> dict[tuple[str, float], tuple[int, int, int, int]]:
    """Add up the rows that are seen at each cut-off."""
    found: dict[tuple[str, float], list[tuple[int, int]]] = {}
    for place, days in enumerate((long, min(long, short))):
        for row in known.at_cutoffs(RESOURCE, ["key", "value"], days=days).to_pyarrow().to_pylist():
            both = found.setdefault((row["key"], day_of(row["cutoff"])), [(0, 0), (0, 0)])
            both[place] = (both[place][0] + row["value"], both[place][1] + 1)
    return {key: (*both[0], *both[1]) for key, both in found.items()}


def test_regular_cutoffs_lie_whole_steps_after_one_monday() -> None:
    found = regular_cutoffs(instant(0), instant(70), step_d=28)
    assert [(time - ANCHOR) % timedelta(days=28) for time in found] == [timedelta()] * len(found)
    assert len(found) in (2, 3)
    assert {(time + timedelta(hours=8)).strftime("%a %H:%M") for time in found} == {"Mon 00:00"}
    # More data do not move the cut-offs that were.
    assert regular_cutoffs(instant(0), instant(400), step_d=28)[: len(found)] == found


@pytest.mark.parametrize("step", [0, -7, 10])
def test_a_step_that_is_no_number_of_weeks_is_refused(step: int) -> None:
    with pytest.raises(DataError, match=f"a step of {step} days"):
        regular_cutoffs(instant(0), instant(70), step_d=step)


def test_a_time_without_any_cutoff_is_refused() -> None:
    with pytest.raises(DataError, match="no cut-off between"):
        regular_cutoffs(ANCHOR + timedelta(days=1), ANCHOR + timedelta(days=20), step_d=28)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ((), "no cut-off"),
        ((datetime(2026, 1, 1),), "has no zone"),  # noqa: DTZ001 - what is refused
        ((datetime(2026, 1, 1, microsecond=5, tzinfo=UTC),), "whole second"),
        ((instant(2), instant(1)), "ascending"),
    ],
)
def test_cutoffs_that_cannot_be(times: tuple[datetime, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Cutoffs(times)


def test_labels_stand_every_four_weeks_whatever_the_step() -> None:
    first, last = instant(0), instant(200)
    weekly, monthly = (Cutoffs.of(regular_cutoffs(first, last, step_d=step)) for step in (7, 28))
    labelled = [cutoffs.labelled().to_pyarrow()["cutoff"].to_pylist() for cutoffs in (weekly, monthly)]
    assert labelled[0] == labelled[1] != []
    sparse = weekly.labelled(every=2).to_pyarrow()["cutoff"].to_pylist()
    assert set(sparse) < set(labelled[0])
