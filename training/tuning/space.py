"""What is searched: LightGBM parameters with their ranges, by kind of outcome and by product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from registry.bundle import Objective
from training.task import ComponentTask

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of LightGBM and where it is looked for.

    Parameters
    ----------
    name
        LightGBM's own name, no alias.
    kind
        Whole numbers or any.
    low, high
        Both may be met.
    default
        Value of the first trial where the component does not declare one.
    log
        Whether the search is even in the logarithm; then `low` is above 0.
    """

    name: str
    kind: Literal["int", "float"]
    low: float
    high: float
    default: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.default <= self.high or self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(
                f"parameter {self.name}: range {self.low}..{self.high} with default {self.default} cannot be searched"
            )

    def clipped(self, value: float) -> float:
        """Return the nearest value inside the range, whole where it must be."""
        inside = min(max(value, self.low), self.high)
        return round(inside) if self.kind == "int" else float(inside)

    @property
    def distribution(self) -> BaseDistribution:
        """Optuna's form of the range."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.kind == "int":
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


Space = tuple[Parameter, ...]

COMMON: Final[Space] = (
    Parameter(name="learning_rate", kind="float", low=0.01, high=0.2, default=0.05, log=True),
    Parameter(name="num_leaves", kind="int", low=4, high=127, default=31, log=True),
    # Exact explanations cost leaves times depth squared: depth is searched, and not far.
    Parameter(name="max_depth", kind="int", low=3, high=10, default=7),
    Parameter(name="min_data_in_leaf", kind="int", low=10, high=500, default=50, log=True),
    Parameter(name="lambda_l2", kind="float", low=0.01, high=100.0, default=1.0, log=True),
    Parameter(name="feature_fraction", kind="float", low=0.3, high=1.0, default=0.8),
    Parameter(name="cat_smooth", kind="float", low=1.0, high=200.0, default=20.0, log=True),
)

BY_OBJECTIVE: Final[Mapping[Objective, Space]] = {
    "binary": (),
    # Most rows of a claim count are zeros: a leaf needs many rows to hold a few events.
    "poisson": (Parameter(name="min_data_in_leaf", kind="int", low=20, high=2000, default=50, log=True),),
    "tweedie": (Parameter(name="min_data_in_leaf", kind="int", low=20, high=2000, default=50, log=True),),
    # Amounts are heavy-tailed and few: small trees, strong shrinkage.
    "gamma": (
        Parameter(name="num_leaves", kind="int", low=2, high=63, default=31, log=True),
        Parameter(name="lambda_l2", kind="float", low=0.1, high=1000.0, default=1.0, log=True),
    ),
}
"""Ranges that replace those of `COMMON`, by the component's objective."""

BY_COMPONENT: Final[Mapping[str, Mapping[str, Space]]] = {
    # A row is an operator at a cut-off: rows are few, and events per row many.
    "enterprise_risk": {
        "events": (
            Parameter(name="num_leaves", kind="int", low=3, high=63, default=31, log=True),
            Parameter(name="min_data_in_leaf", kind="int", low=10, high=500, default=50, log=True),
        ),
    },
    # The nearest interval has the fewest failures.
    "maintenance": {
        "hazard_7": (Parameter(name="min_data_in_leaf", kind="int", low=20, high=2000, default=50, log=True),),
    },
    "driver_fatigue": {
        "event": (Parameter(name="min_data_in_leaf", kind="int", low=20, high=2000, default=50, log=True),),
    },
}
"""Ranges that replace the others, by product and component."""


def space_for(product: str, component: ComponentTask) -> Space:
    """Return what is searched for a component, in the order of `COMMON`."""
    chosen = {parameter.name: parameter for parameter in COMMON}
    for narrower in (BY_OBJECTIVE[component.objective], BY_COMPONENT.get(product, {}).get(component.name, ())):
        chosen |= {parameter.name: parameter for parameter in narrower}
    return tuple(chosen.values())


def starting_point(space: Space, component: ComponentTask) -> dict[str, Any]:
    """Return the parameters of the first trial: what training would take without a search, inside the ranges."""
    return {
        parameter.name: parameter.clipped(component.parameters.get(parameter.name, parameter.default))
        for parameter in space
    }


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return the space as Optuna wants it."""
    return {parameter.name: parameter.distribution for parameter in space}
