"""Pictures of how well a score orders: Lorenz curves, lift, double lift, and the distance to its rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from training.cards.words import measure, part
from training.pictures.canvas import ACTUAL, OURS, SOFT, THEIRS, Canvas, errors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Parts = Mapping[str, Mapping[str, Any]]
VERDICT_COLOURS: Final = {"beats": OURS, "equal": SOFT, "loses": "#d1242f"}


def lorenz(parts: Parts, canvas: Canvas) -> Figure:
    """Draw the ordered Lorenz curve of the score beside that of the trivial baseline."""
    say = canvas.say
    figure, panels = canvas.panels(len(parts), say("洛伦兹曲线（测试期）", "Ordered Lorenz curves (test period)"))
    for axes, (name, curves) in zip(panels, parts.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8)
        axes.plot(*curves["lorenz"]["model"], color=OURS, label=say("评分", "score"))
        if "baseline" in curves["lorenz"]:
            label = say("基准", "baseline") + " " + str(curves["baseline"])
            axes.plot(*curves["lorenz"]["baseline"], color=THEIRS, linestyle="--", label=label)
        axes.legend(loc="upper left", fontsize=7)
        axes.set(
            title=_name(name, canvas), xlabel=say("暴露量累计占比，由低到高", "share of exposure, safest first"),
            ylabel=say("结果累计占比", "share of outcome"),
        )
    return figure


def lift(parts: Parts, canvas: Canvas) -> Figure:
    """Draw observed and predicted mean by decile over the mean of all."""
    say = canvas.say
    figure, panels = canvas.panels(len(parts), say("提升图（测试期）", "Lift by decile (test period)"))
    for axes, (name, curves) in zip(panels, parts.items(), strict=True):
        bands, mean = curves["bands"], curves["mean"]
        at = [b["index"] + 1 for b in bands]
        axes.bar(at, [b["actual"] / mean for b in bands], color="#a5c3de", label=say("实际", "observed"))
        axes.plot(at, [b["expected"] / mean for b in bands], color=OURS, marker="o", markersize=3, label=say("预测", "predicted"))
        axes.axhline(1.0, color=SOFT, linewidth=0.8)
        axes.legend(loc="upper left")
        axes.set(
            title=_name(name, canvas), xlabel=say("风险十分位，右侧最高", "decile of risk, highest right"),
            ylabel=say("相对总体均值", "over the mean of all"),
        )
    return figure


def double_lift(parts: Parts, canvas: Canvas, *, ours: str = "", theirs: str = "") -> Figure | None:
    """Draw, by decile of the ratio of two predictions, both and the outcome; None where no part has a rival."""
    say = canvas.say
    shown = {name: curves for name, curves in parts.items() if curves.get("double_lift")}
    if not shown:
        return None
    figure, panels = canvas.panels(len(shown), say("双提升图（测试期）", "Double lift (test period)"))
    for axes, (name, curves) in zip(panels, shown.items(), strict=True):
        bands = curves["double_lift"]
        at = range(1, len(bands) + 1)
        rival = theirs or f"{say('基准', 'baseline')} {curves.get('baseline', '')}"
        axes.plot(at, [b["actual"] for b in bands], color=ACTUAL, marker="o", markersize=3, label=say("实际", "observed"))
        axes.plot(at, [b["ours"] for b in bands], color=OURS, label=ours or say("评分", "score"))
        axes.plot(at, [b["theirs"] for b in bands], color=THEIRS, linestyle="--", label=rival)
        axes.legend(loc="best", fontsize=7)
        axes.set(title=_name(name, canvas), xlabel=say("两种预测之比的十分位", "decile of the ratio of the two predictions"))
    return figure


def rivals(tables: Sequence[Mapping[str, Any]], canvas: Canvas) -> Figure | None:
    """Draw how far the score is ahead of every rival, with paired 95 % intervals; None where none was compared."""
    say = canvas.say
    shown = [one for one in tables if one.get("rivals")][:2]
    if not shown:
        return None
    most = max(len(one["rivals"]) for one in shown)
    title = say("评分相对各基准的领先幅度，成对95%区间", "How far the score is ahead of each rival, paired 95 % intervals")
    figure = canvas.figure(4.6 * len(shown) + 0.8, 1.2 + 0.3 * most, title)
    for position, found in enumerate(shown, start=1):
        axes = figure.add_subplot(1, len(shown), position)
        for line, rival in enumerate(found["rivals"]):
            overall = rival["overall"]
            value, (low, high) = overall["difference"], overall.get("interval") or (None, None)
            if value is None or low is None or high is None:
                continue
            axes.errorbar(
                [value], [line], xerr=errors([value], [low], [high]), fmt="o", markersize=4, capsize=2,
                color=VERDICT_COLOURS.get(overall.get("verdict", ""), SOFT),
            )
        axes.axvline(0.0, color=SOFT, linewidth=0.8)
        axes.set_yticks(range(len(found["rivals"])), [_short(say(r["zh"], r["en"])) for r in found["rivals"]])
        axes.invert_yaxis()
        axes.set(title=f"{_name(found['part'], canvas)}: {measure(found['measure'], say)}", xlabel=say("差值", "difference"))
    return figure


def _short(text: str, most: int = 34) -> str:
    return text if len(text) <= most else text[:most - 1] + "…"


def _name(name: str, canvas: Canvas) -> str:
    return part(name, canvas.say).replace("`", "")
