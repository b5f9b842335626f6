"""Which rate of a bundle is judged against the truth."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.oracle import predicted_rate
from registry.bundle import Component


def component(name: str, *, horizon_d: int | None = None, binary: bool = False) -> Component:
    return Component(
        name=name, objective="binary" if binary else "poisson", slope=1.0, intercept=0.0, horizon_d=horizon_d, n_trees=1
    )


def test_a_price_is_judged_by_its_own_frequency_whatever_stands_beside_it() -> None:
    components = [component("severity"), component("frequency"), component("frequency_cargo")]
    assert predicted_rate("insurance_pricing", components, np.log([[7.0, 0.3, 5.0]])) == pytest.approx([0.3])


def test_a_hazard_is_judged_within_30_days() -> None:
    components = [component(f"hazard_{d}", horizon_d=d, binary=True) for d in (7, 30, 90)]
    components.append(component("cause_tyre", binary=True))
    found = predicted_rate("maintenance", components, np.array([[0.0, 0.0, 5.0, 5.0]]))
    assert found == pytest.approx([0.75])


def test_an_hour_is_judged_by_its_probability_and_an_operator_by_its_rate() -> None:
    assert predicted_rate("driver_fatigue", [component("event", binary=True)], np.array([[0.0]])) == pytest.approx([0.5])
    assert predicted_rate("enterprise_risk", [component("events")], np.array([[0.0]])) == pytest.approx([1.0])
