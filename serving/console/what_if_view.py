"""What the what-if page shows: levers, and the score as recorded beside the score with the levers moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from registry.feature_spec import GROUPS
from serving.console.charts import Scale, diverging, scale
from serving.console.quantities import Quantity, quantities
from serving.levers import similar_to

if TYPE_CHECKING:
    from registry.access.grants import Grant
    from registry.change_evidence import Similar
    from registry.decisions import Decision
    from serving.console.parts import Console
    from serving.levers import Lever

FIRST: Final = 12
"""So many levers are open; the others of a long list are folded away."""
MOST_MOVED: Final = 12
"""So many contributions that moved have a bar of their own."""
SHOWN_POINTS: Final = 0.005
"""What moves by less does not show at two decimals."""


Part = tuple[Mapping[str, str], float, float]
"""Wording, points before and points after."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A lever as it stands in the form.

    Parameters
    ----------
    lever, to
        The lever and where it stands.
    similar
        What became of entities like this one; None where it was not moved or nothing is known.
    """

    lever: Lever
    to: float
    similar: Similar | None

    @property
    def moved(self) -> bool:
        """Whether it stands elsewhere than recorded."""
        return self.to != self.lever.value


@dataclass(frozen=True, kw_only=True)
class Shift:
    """What moved in the explanation: wording, points before and after, and its bar in per cent."""

    words: Mapping[str, str]
    before: float
    after: float
    x: float
    width: float


@dataclass(frozen=True, kw_only=True)
class WhatIfView:
    """The page.

    Parameters
    ----------
    levers
        All levers, those first that weigh most in the recorded score where the visitor may see that.
    current, assumed
        The recorded answer and the one with the changes, as far as the visitor may see them.
    change
        Points between them; None without a score.
    shifts
        Contributions, or groups where only those leave, that moved.
    rest
        Points that moved in contributions without a bar.
    scale, before
        The scale with the assumed score, and the place of the recorded one.
    quantities
        Quantity as recorded and as assumed.
    intervals
        Whether the model gives intervals.
    error
        Difference between assumed points and base plus contributions plus clamp; None where they do not leave.
    """

    decision: Decision
    grant: Grant
    levers: list[Moved]
    current: Mapping[str, Any]
    assumed: Mapping[str, Any]
    change: float | None
    shifts: list[Shift]
    rest: float
    scale: Scale
    before: float | None
    quantities: list[tuple[Quantity, Quantity]]
    intervals: bool
    error: float | None
    months: int | None

    @property
    def moved(self) -> list[Moved]:
        """The levers that were moved."""
        return [one for one in self.levers if one.moved]


def what_if_view(
    console: Console, decision: Decision, grant: Grant, levers: list[Lever], changes: Mapping[str, float], language: str
) -> WhatIfView:
    """Return the page of a decision with some levers moved."""
    from serving.detail import reduced

    current = reduced(decision.answer, grant.detail)
    assumed = console.past.assumed(decision, changes, grant)
    manifest = console.desk.live.current.with_digest(decision.product, decision.digest).manifest
    evidence = console.past.changes(decision.product, decision.digest)
    similar = similar_to(evidence, levers, changes, decision.inputs)
    before, after = current["points"], assumed["points"]
    drawn = scale(after, manifest.cut_points, manifest.reference.point_quantiles)
    parts = _parts(decision, current, assumed)
    shifts, rest = _shifts(parts)
    whole = assumed["decomposition"]
    recorded = {one.name: one for one in quantities(current, language)}
    both = [(recorded[one.name], one) for one in quantities(assumed, language) if one.name in recorded]
    return WhatIfView(
        decision=decision, grant=grant, current=current, assumed=assumed,
        levers=[
            Moved(lever=one, to=changes.get(one.feature.name, one.value), similar=similar.get(one.feature.name))
            for one in _ordered(levers, decision, grant)
        ],
        change=None if before is None or after is None else after - before, shifts=shifts, rest=rest, scale=drawn,
        before=None if before is None else 100 * (before - drawn.low) / (drawn.high - drawn.low),
        quantities=both, intervals=any(one.interval for pair in both for one in pair),
        error=None if whole is None else abs(
            whole["base"] + sum(one["points"] for one in whole["contributions"]) + (whole["clamp"] or 0.0) - after
        ),
        months=evidence.months if evidence else None,
    )


def _ordered(levers: list[Lever], decision: Decision, grant: Grant) -> list[Lever]:
    if grant.detail != "exact":
        return levers
    return sorted(levers, key=lambda one: -abs(decision.contributions.get(one.feature.name, 0.0)))


def _parts(decision: Decision, current: Mapping[str, Any], assumed: Mapping[str, Any]) -> list[Part]:
    """Return wording, points before and points after of each contribution, or of each group where only those leave."""
    if assumed["decomposition"] is not None:
        return [
            (one, decision.contributions.get(one["feature"], 0.0), one["points"])
            for one in assumed["decomposition"]["contributions"]
        ]
    held = {one["group"]: one["points"] for one in current["groups"]}
    return [
        ({"zh": GROUPS[one["group"]][0], "en": GROUPS[one["group"]][1]}, held.get(one["group"], 0.0), one["points"])
        for one in assumed["groups"]
    ]


def _shifts(parts: list[Part]) -> tuple[list[Shift], float]:
    moved = sorted((one for one in parts if abs(one[2] - one[1]) >= SHOWN_POINTS), key=lambda one: -abs(one[2] - one[1]))
    own, rest = moved[:MOST_MOVED], moved[MOST_MOVED:]
    bars = diverging([after - before for _, before, after in own])
    shifts = [
        Shift(words=words, before=before, after=after, x=x, width=width)
        for (words, before, after), (x, width) in zip(own, bars, strict=True)
    ]
    return shifts, sum(after - before for _, before, after in rest)
