"""Pictures of how right a score is: by decile of its prediction, and over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from training.cards.words import part
from training.pictures.canvas import ACTUAL, OURS, SOFT, THEIRS, Canvas, errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Parts = Mapping[str, Mapping[str, Any]]


def calibration(parts: Parts, canvas: Canvas) -> Figure:
    """Draw predicted and observed mean by decile."""
    say = canvas.say
    figure, panels = canvas.panels(
        len(parts), say("十分位上的预测与实际（测试期）", "Predicted and observed by decile (test period)")
    )
    for axes, (name, curves) in zip(panels, parts.items(), strict=True):
        bands = curves["bands"]
        expected, actual = [b["expected"] for b in bands], [b["actual"] for b in bands]
        low, high = ([b["expected"] * b[end] for b in bands] for end in ("low", "high"))
        top = max(*expected, *actual)
        axes.plot([0, top], [0, top], color=SOFT, linewidth=0.8)
        axes.errorbar(
            expected, actual, yerr=errors(actual, low, high), fmt="o", color=OURS, markersize=4, elinewidth=1, capsize=2
        )
        axes.set(title=_name(name, canvas), xlabel=say("预测均值", "mean predicted"), ylabel=say("实际均值", "observed"))
    return figure


def actual_to_expected(parts: Parts, canvas: Canvas) -> Figure:
    """Draw observed over predicted by decile with 95 % intervals."""
    say = canvas.say
    figure, panels = canvas.panels(
        len(parts), say("各十分位的实际/预测，含95%区间（测试期）", "Observed / predicted by decile, 95 % intervals (test period)")
    )
    for axes, (name, curves) in zip(panels, parts.items(), strict=True):
        _ratios(axes, [str(b["index"] + 1) for b in curves["bands"]], curves["bands"])
        axes.set(title=_name(name, canvas), xlabel=say("风险十分位，右侧最高", "decile of risk, highest right"))
    return figure


def periods(parts: Parts, canvas: Canvas) -> Figure | None:
    """Draw observed over predicted by month of the cut-off; None where the data have no time."""
    say = canvas.say
    shown = {name: curves for name, curves in parts.items() if curves.get("periods")}
    if not shown:
        return None
    figure, panels = canvas.panels(
        len(shown), say("实际/预测随时间的变化，含95%区间", "Observed / predicted over time, 95 % intervals")
    )
    for axes, (name, curves) in zip(panels, shown.items(), strict=True):
        found = curves["periods"]
        _ratios(axes, [one["month"] for one in found], found)
        axes.tick_params(axis="x", rotation=60)
        in_test = [position for position, one in enumerate(found) if one["fold"] == "test"]
        if in_test:
            axes.axvspan(in_test[0] - 0.5, in_test[-1] + 0.5, color=THEIRS, alpha=0.12, label=say("测试期", "test period"))
            axes.legend(loc="best")
        axes.set(title=_name(name, canvas))
    return figure


def _ratios(axes: Axes, labels: list[str], found: list[dict[str, Any]]) -> None:
    ratios = [one["actual"] / one["expected"] for one in found]
    spread = errors(ratios, [one["low"] for one in found], [one["high"] for one in found])
    axes.axhline(1.0, color=SOFT, linewidth=0.8)
    axes.errorbar(range(len(ratios)), ratios, yerr=spread, fmt="o", color=ACTUAL, markersize=4, elinewidth=1, capsize=2)
    axes.set_xticks(range(len(labels)), labels)


def _name(name: str, canvas: Canvas) -> str:
    return part(name, canvas.say).replace("`", "")
