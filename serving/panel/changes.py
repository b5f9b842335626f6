"""What changed between two months: the data, the model, or both; the split is exact.

Where another bundle took over between two months, the later month is scored with both. The old bundle on new data minus the old
bundle on old data is what the data changed; the new bundle minus the old one on the new data is what the model changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.panel.reader import EntityMonth, Panel


@dataclass(frozen=True, kw_only=True)
class Change:
    """From one month of an entity to a later one.

    Parameters
    ----------
    earlier, later
        The two.
    total
        Points gained.
    data, model
        Parts of them: ``data + model = total``. Both None where the later month was not scored with the earlier bundle.
    groups, features
        The data's part by feature group and by feature, the strongest first; empty where `data` is None.
    """

    earlier: EntityMonth
    later: EntityMonth
    total: float
    data: float | None
    model: float | None
    groups: Mapping[str, float] = field(default_factory=dict)
    features: Mapping[str, float] = field(default_factory=dict)


def changes(panel: Panel, product: str, months: list[EntityMonth], entity_id: str) -> list[Change]:
    """Return what changed from each month with a score to the next one with a score, oldest first.

    Parameters
    ----------
    months
        As `Panel.entity` returns them.
    """
    scored = [one for one in months if one.points is not None]
    return [_change(panel, product, entity_id, earlier, later) for earlier, later in pairwise(scored)]


def between(earlier: EntityMonth, later: EntityMonth, by_earlier: EntityMonth | None) -> Change:
    """Return the change from one month with a score to another.

    Parameters
    ----------
    by_earlier
        The later month as the earlier month's bundle scores it; None where it did not. The later month itself where they are of
        one bundle.
    """
    assert earlier.points is not None
    assert later.points is not None
    total = later.points - earlier.points
    if by_earlier is None or by_earlier.points is None:
        return Change(earlier=earlier, later=later, total=total, data=None, model=None)
    data = by_earlier.points - earlier.points
    return Change(
        earlier=earlier, later=later, total=total, data=data, model=later.points - by_earlier.points,
        groups=_gained(earlier.groups, by_earlier.groups), features=_gained(earlier.contributions, by_earlier.contributions),
    )


def _change(panel: Panel, product: str, entity_id: str, earlier: EntityMonth, later: EntityMonth) -> Change:
    if earlier.digest == later.digest:
        return between(earlier, later, later)
    month = panel.under(product, later.month, earlier.digest)
    return between(earlier, later, panel.at(month, entity_id) if month is not None else None)


def _gained(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    gained = {name: after[name] - before[name] for name in before}
    return dict(sorted(gained.items(), key=lambda pair: -abs(pair[1])))
