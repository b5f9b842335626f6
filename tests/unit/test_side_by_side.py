"""Fits beside each other: order, threads, progress, and what happens when one fails."""

from __future__ import annotations

import threading

import pytest

from registry.output import ProgressCallback
from training.side_by_side import MOST_ROWS, side_by_side


@pytest.mark.parametrize(("threads", "n_rows", "expected"), [(1, 10, 1), (2, 10, 1), (8, 10, 2), (8, MOST_ROWS + 1, 8)])
def test_each_fit_has_its_part_of_the_threads_and_results_keep_their_order(threads: int, n_rows: int, expected: int) -> None:
    def fit(index: int, share: int, tell: ProgressCallback) -> tuple[int, int]:
        tell("one", 1.0)
        return index, share

    assert side_by_side(fit, 4, threads=threads, n_rows=n_rows) == [(index, expected) for index in range(4)]


def test_two_fits_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=20)

    def fit(index: int, _share: int, _tell: ProgressCallback) -> int:
        both.wait()  # broken, and so an error, if the other is not there
        return index

    assert side_by_side(fit, 2, threads=2, n_rows=10) == [0, 1]


def test_progress_is_the_mean_and_never_falls() -> None:
    told: list[float] = []

    def fit(index: int, _share: int, tell: ProgressCallback) -> int:
        for step in (0.2, 0.6, 0.4, 1.0):
            tell("fit", step)
        return index

    side_by_side(fit, 4, threads=2, n_rows=10, progress=lambda _label, share: told.append(share))
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    assert len(told) == 16


def test_a_failure_is_raised_and_later_fits_are_not_begun() -> None:
    begun: list[int] = []

    def fit(index: int, _share: int, _tell: ProgressCallback) -> int:
        begun.append(index)
        raise ValueError(str(index))

    with pytest.raises(ValueError, match="0"):
        side_by_side(fit, 500, threads=2, n_rows=10)
    assert len(begun) < 500
