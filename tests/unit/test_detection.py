"""A score that copies inspection fails the detection-bias test; one that sees the same truth without it passes."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.detection import FIFTHS, FOLLOWS, NO_MORE, UNDECIDED, inspection_dependence
from experiments.oracle_rows import Judged

N = 6_000


def province(*, honest: float = 0.0) -> tuple[Judged, np.ndarray]:
    """Return rows with a risk that is known but for gamma noise; `honest` is the true elasticity to inspection."""
    rng = np.random.default_rng(5)
    inspection = rng.lognormal(0.0, 0.5, N)
    risk = 0.3 * np.exp(0.5 * rng.standard_normal(N)) * inspection**honest
    truth = risk * rng.gamma(3.0, 1.0 / 3.0, N)
    weight = rng.uniform(0.5, 1.5, N)
    group = np.repeat(np.arange(N // 4), 4)
    return Judged("poisson", rng.poisson(truth * weight) / weight, weight, truth, truth, inspection, group), risk


def test_a_score_that_copies_inspection_fails() -> None:
    rows, risk = province()
    found = inspection_dependence(rows, risk * rows.inspection**0.3, replicates=40)
    assert found["verdict"] == FOLLOWS
    assert found["elasticity"]["model"]["value"] == pytest.approx(0.3, abs=0.05)
    falling = [fifth["truth_to_model"] for fifth in found["fifths"]]
    assert len(falling) == FIFTHS
    assert falling[0] > 1.1 > 0.9 > falling[-1]


@pytest.mark.parametrize("honest", [0.0, 0.4])
def test_a_score_that_sees_the_risk_passes_even_where_risk_and_inspection_go_together(honest: float) -> None:
    rows, risk = province(honest=honest)
    found = inspection_dependence(rows, risk, replicates=40)
    assert found["verdict"] == NO_MORE
    assert found["elasticity"]["truth"]["value"] == pytest.approx(honest, abs=0.05)
    # The rank correlation of the score exceeds that of the noisy truth though it has learned nothing of inspectors.
    if honest:
        assert found["rank_correlation"]["model"] > found["rank_correlation"]["truth"] + 0.05


def test_a_score_that_ignores_inspection_passes_though_the_truth_depends_on_it() -> None:
    rows, risk = province(honest=0.4)
    found = inspection_dependence(rows, risk / rows.inspection**0.4, replicates=40)
    assert found["verdict"] == NO_MORE
    assert found["excess"]["value"] == pytest.approx(-0.4, abs=0.08)


def test_without_spread_of_inspection_there_is_nothing_to_follow() -> None:
    rows, risk = province()
    flat = Judged(rows.kind, rows.observed, rows.weight, rows.truth, rows.safety, np.ones(N), rows.group)
    assert inspection_dependence(flat, risk)["verdict"] == UNDECIDED
