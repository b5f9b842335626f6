"""What is searched is what LightGBM knows under that name, and begins at what training takes without a search."""

from __future__ import annotations

import numpy as np
import pytest

from training.fit import DEFAULTS
from training.products import PRODUCT_TRAINING
from training.task import ComponentTask
from training.tuning.space import BY_COMPONENT, BY_OBJECTIVE, COMMON, Parameter, space_for, starting_point

DECLARED = [
    *COMMON, *(p for space in BY_OBJECTIVE.values() for p in space),
    *(p for product in BY_COMPONENT.values() for space in product.values() for p in space),
]
TASKS = [(training.task.id, component) for training in PRODUCT_TRAINING.values() for component in training.task.components]


def test_lightgbm_takes_every_parameter_under_its_name() -> None:
    import lightgbm

    rng = np.random.default_rng(1)
    rows, label = rng.normal(size=(200, 3)), rng.normal(size=200)
    # Neither the default of LightGBM nor a value that it would round.
    asked = {p.name: int(p.low) + 1 if p.kind == "int" else (p.low + p.high) / 4 for p in DECLARED}
    booster = lightgbm.train({**asked, "verbosity": -1}, lightgbm.Dataset(rows, label), num_boost_round=1)
    lines = booster.model_to_string().partition("\nparameters:")[2].splitlines()
    met = {name: float(value) for name, _, value in (line.strip("[]").partition(": ") for line in lines) if name in asked}
    assert met == pytest.approx(asked, rel=1e-4)


def test_defaults_are_those_of_the_trainer() -> None:
    assert {(p.name, p.default) for p in DECLARED} == {(p.name, DEFAULTS[p.name]) for p in DECLARED}


@pytest.mark.parametrize(("product", "component"), TASKS, ids=lambda value: getattr(value, "name", value))
def test_the_first_trial_is_what_training_takes(product: str, component: ComponentTask) -> None:
    start = starting_point(space_for(product, component), component)
    assert start == {name: {**DEFAULTS, **component.parameters}[name] for name in start}


def test_every_product_and_component_with_a_space_exists() -> None:
    known = {(product, component.name) for product, component in TASKS}
    assert {(product, name) for product, spaces in BY_COMPONENT.items() for name in spaces} <= known


@pytest.mark.parametrize(
    "changes", [{"low": 3.0, "high": 2.0}, {"default": 9.0}, {"low": 0.0, "log": True}], ids=["empty", "outside", "log of 0"]
)
def test_a_range_that_cannot_be_searched_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"lambda_l2: range .* cannot be searched"):
        Parameter(**{"name": "lambda_l2", "kind": "float", "low": 1.0, "high": 5.0, "default": 2.0} | changes)  # type: ignore[arg-type]
