"""Pictures of the scores themselves: their distribution with the tiers, and segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from training.pictures.canvas import ACTUAL, OURS, SOFT, TIER_COLOURS, Canvas, errors

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def distribution(points: Mapping[str, Any], canvas: Canvas) -> Figure:
    """Draw how the points of the reference population and of the test period are spread, with the tiers' cut-points."""
    say = canvas.say
    figure = canvas.figure(7.0, 3.2, say("评分分布与等级分界", "Distribution of scores and cut-points of tiers"), fitted=False)
    figure.subplots_adjust(left=0.1, right=0.97, bottom=0.17, top=0.88)
    axes, edges = figure.add_subplot(), points["edges"]
    for name, colour, label in (
        ("reference", SOFT, say("参照群体（训练与验证）", "reference (train and valid)")), ("test", OURS, say("测试期", "test")),
    ):
        counts = points[name]
        total = max(sum(counts), 1)
        axes.stairs([count / total for count in counts], edges, color=colour, label=label, fill=name == "reference", alpha=0.6)
    filled = [k for k, counts in enumerate(zip(points["reference"], points["test"], strict=True)) if any(counts)]
    low, high = (edges[filled[0]], edges[filled[-1] + 1]) if filled else (0.0, 1000.0)
    starts = [low, *points["cut_points"], high]
    for position, colour in enumerate(TIER_COLOURS):
        axes.axvspan(starts[position], max(starts[position + 1], starts[position]), color=colour, alpha=0.13)
    names = (say("黄", "yellow"), say("橙", "orange"), say("红", "red"))
    for cut, name, colour in zip(points["cut_points"], names, TIER_COLOURS[1:], strict=True):
        axes.axvline(cut, color=colour, linewidth=1.2, label=f"{name} ≥ {cut:.0f}")
    axes.set_xlim(low, high)
    axes.legend(loc="best", fontsize=7.5)
    axes.set(xlabel=say("分", "points"), ylabel=say("占比", "share"))
    return figure


def segments(found: Sequence[Mapping[str, Any]], canvas: Canvas, title: str) -> Figure | None:
    """Draw actual over expected of segments with 95 % intervals; None where there is none.

    Parameters
    ----------
    found
        Segments with `name`, `ratio`, `low`, `high` and, where it is known, `rows`.
    """
    if not found:
        return None
    say = canvas.say
    figure = canvas.figure(7.0, 1.0 + 0.24 * len(found), title)
    axes = figure.add_subplot()
    ratios = [one["ratio"] for one in found]
    spread = errors(ratios, [one["low"] for one in found], [one["high"] for one in found])
    axes.errorbar(ratios, range(len(found)), xerr=spread, fmt="o", color=ACTUAL, markersize=4, elinewidth=1, capsize=2)
    axes.axvline(1.0, color=SOFT, linewidth=0.8)
    axes.set_yticks(range(len(found)), [str(one["name"]) for one in found])
    axes.invert_yaxis()
    axes.set(xlabel=say("实际/预测", "actual / expected"))
    return figure
