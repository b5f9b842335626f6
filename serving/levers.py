"""Levers: the inputs that a subject can change, each with the range in which it is seen among peers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.bundle import Manifest, ManifestFeature
from registry.change_evidence import ChangeEvidence, Similar
from registry.encoding import Value
from registry.errors import InvalidRequest
from registry.recourse import thresholds
from serving.answer_schema import Detail
from serving.live import LiveScorer

SLACK: Final = 1e-9
"""Part of a range by which a browser may miss a value that it was given: its sliders compute in another precision."""
LEAST: Final = 1e-30
CONFIDENTIAL: Final = frozenset({"personal", "location"})
"""Sensitivities whose values are shown at the detail `exact` only."""


@dataclass(frozen=True, kw_only=True)
class Lever:
    """One input that can be moved.

    Parameters
    ----------
    feature
        Its declaration in the bundle.
    value
        What is recorded.
    low, high
        Between these it can be moved: the 1st and 99th percentile of the reference population, or, in bundles that do not hold
        them, the outermost thresholds of the trees; and always so far that the recorded value lies inside.
    median
        Of the reference population.
    whole
        Whether it takes whole values only.
    """

    feature: ManifestFeature
    value: float
    low: float
    high: float
    median: float | None
    whole: bool

    def at(self, value: float) -> float:
        """Return the place of a value in per cent of the range."""
        return round(100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0), 2)


def levers_of(
    model: LiveScorer, values: Mapping[str, Value], *, detail: Detail, resources: frozenset[str] | None,
    evidence: ChangeEvidence | None,
) -> list[Lever]:
    """Return the levers of an entity, in the order of the matrix; what is not known or has one value only is none.

    Parameters
    ----------
    values
        Recorded inputs.
    detail, resources
        Of the visitor's scenario: what it does not let out is no lever.
    """
    found = []
    for column, feature in enumerate(model.manifest.features):
        value = values.get(feature.name)
        if value is None and feature.null_rule == "zero":
            value = 0.0
        if not feature.actionable or not isinstance(value, int | float):
            continue
        if detail != "exact" and feature.sensitivity in CONFIDENTIAL:
            continue
        if resources is not None and not resources.issuperset(feature.resources):
            continue
        whole = evidence is not None and evidence.whole(feature.name)
        low, high = _range(model, column, float(value), whole=whole)
        if low < high:
            found.append(Lever(
                feature=feature, value=float(value), low=low, high=high, whole=whole and float(value).is_integer(),
                median=model.manifest.reference.medians.get(feature.name),
            ))
    return found


def check_range(levers: Iterable[Lever], changes: Mapping[str, Value]) -> dict[str, float]:
    """Return the changes that move a lever inside its range.

    Raises
    ------
    InvalidRequest
        If one is no lever here, or leads out of the range.
    """
    known = {lever.feature.name: lever for lever in levers}
    moved: dict[str, float] = {}
    for name, value in changes.items():
        lever = known.get(name)
        if lever is None or not isinstance(value, float):
            raise InvalidRequest("this input cannot be moved here", where=name[:64], remedy="Move one of those that are shown.")
        slack = SLACK * (lever.high - lever.low)
        if not lever.low - slack <= value <= lever.high + slack:
            raise InvalidRequest(
                f"{value:g} lies outside of what is seen among peers, {lever.low:g} to {lever.high:g}", where=name[:64],
                remedy="Stay inside the range.",
            )
        if abs(value - lever.value) > slack:
            moved[name] = min(max(value, lever.low), lever.high)
    return moved


def similar_to(
    evidence: ChangeEvidence | None, levers: Iterable[Lever], changes: Mapping[str, float], values: Mapping[str, Any]
) -> dict[str, Similar | None]:
    """Return for each change what became of entities that were like this one."""
    known = {lever.feature.name: lever.value for lever in levers}
    if evidence is None:
        return dict.fromkeys(changes)
    return {name: evidence.similar(name, values, old=known[name], new=new) for name, new in changes.items()}


def _range(model: LiveScorer, column: int, value: float, *, whole: bool) -> tuple[float, float]:
    manifest: Manifest = model.manifest
    name = manifest.features[column].name
    seen = manifest.reference.ranges.get(name)
    if seen is None:
        cuts = thresholds(model.scorer)[column]
        # LightGBM writes a threshold at zero as the least number above it.
        seen = (_plain(cuts[0]), _plain(cuts[-1])) if cuts else (value, value)
    low, high = min(seen[0], value), max(seen[1], value)
    return (math.floor(low), math.ceil(high)) if whole else (low, high)


def _plain(cut: float) -> float:
    return 0.0 if abs(cut) < LEAST else cut
