"""Random histories, read by the ibis expression on DuckDB and by a slow reading that follows the words of the rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.engine import connect
from tests.lib.histories import Version, known_of, seen, states

# Whole days, so that arrivals, events and cut-offs meet often: the edges are where such readings go wrong.
DAYS = st.integers(0, 12)
VERSIONS = st.builds(
    Version, row_id=st.sampled_from("abc"), event=DAYS, arrival=DAYS, withdrawn=st.booleans() | st.just(False),
    value=st.integers(0, 3), key=st.sampled_from("kl"),
)
HISTORIES = st.lists(VERSIONS, min_size=1, max_size=10)
CUTOFFS = st.lists(DAYS, min_size=1, max_size=3, unique=True)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made = connect(threads=1, memory_limit="512MB", spill_dir=tmp_path_factory.mktemp("spill"))
    yield made
    made.disconnect()


def in_force(history: list[Version], cutoff: int) -> dict[str, Version]:
    """For each row the version that arrived last by the cut-off; of one arrival the one delivered last."""
    newest: dict[str, Version] = {}
    for version in sorted(history, key=lambda version: version.arrival):
        if version.arrival <= cutoff:
            newest[version.row_id] = version
    return newest


def seen_slowly(history: list[Version], cutoffs: list[int], days: int | None) -> list[tuple[float, str, int]]:
    found = [
        (float(cutoff), row_id, version.value)
        for cutoff in cutoffs
        for row_id, version in in_force(history, cutoff).items()
        if not version.withdrawn and version.event < cutoff and (days is None or version.event >= cutoff - days)
    ]
    return sorted(found)


def states_slowly(history: list[Version], cutoffs: list[int]) -> list[tuple[float, str, int]]:
    found = []
    for cutoff in cutoffs:
        known = [v for v in in_force(history, cutoff).values() if not v.withdrawn and v.event < cutoff]
        for key in {version.key for version in known}:
            last = max((v for v in known if v.key == key), key=lambda v: (v.event, v.arrival, v.row_id))
            found.append((float(cutoff), key, last.value))
    return sorted(found)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES, cutoffs=CUTOFFS, days=st.none() | st.integers(1, 6))
def test_the_expression_sees_what_the_rule_says(
    backend: Any, history: list[Version], cutoffs: list[int], days: int | None
) -> None:
    with known_of(history, [float(cutoff) for cutoff in cutoffs], backend=backend) as known:
        assert seen(known, days=days) == seen_slowly(history, cutoffs, days)
        assert states(known) == states_slowly(history, cutoffs)


def test_the_slow_reading_can_tell_a_wrong_expression(backend: Any) -> None:
    history = [Version("a", 1, 2, value=1), Version("a", 1, 5, value=2)]
    with known_of(history, [3.0], backend=backend) as known:
        forgetful = known.matured("history").to_pyarrow().to_pylist()
    assert [row["value"] for row in forgetful] != [value for _, _, value in seen_slowly(history, [3], None)]
