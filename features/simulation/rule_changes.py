"""What dated changes of the rules do to the finding of violations, day by day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.assumptions import EnforcementAssumptions, RuleChange
from features.simulation.clock import Days
from features.simulation.world import BUSINESSES

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.integer[Any]]

FAMILIES: Final = ("overload", "maintenance", "permit", "modification", "other")


def in_force(rule: RuleChange, days: Days) -> BoolArray:
    """Return on which days a rule is in force."""
    held: BoolArray = days >= np.datetime64(rule.effective_from)
    return held if rule.effective_to is None else held & (days < np.datetime64(rule.effective_to))


def detection_factors(assumed: EnforcementAssumptions, days: Days) -> FloatArray:
    """Return factors on detection, shape (n_families, n_businesses, n_days); all one where no rule changed."""
    factors = np.ones((len(FAMILIES), len(BUSINESSES), len(days)))
    for rule in assumed.rules:
        for family, factor in rule.detection:
            row = factors[FAMILIES.index(family), BUSINESSES.index(rule.business)]
            row[in_force(rule, days)] *= factor
    return factors


def changed_reasons(
    assumed: EnforcementAssumptions, family: IntArray, business: IntArray, day: Days
) -> Iterator[tuple[IntArray, tuple[str, ...], tuple[float, ...]]]:
    """Yield rows whose case reasons follow a changed rule, with the reasons and their shares.

    Parameters
    ----------
    assumed
        With the rules.
    family, business, day
        Family of violation, business and local day of each case, shape (n,).
    """
    for rule in assumed.rules:
        concerned = in_force(rule, day) & (business == BUSINESSES.index(rule.business))
        for name, reasons in rule.reasons:
            rows = np.flatnonzero(concerned & (family == FAMILIES.index(name)))
            yield rows, tuple(code for code, _ in reasons), tuple(share for _, share in reasons)
