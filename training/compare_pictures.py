"""Pictures of a comparison: double lift of the two versions, how far points move, tiers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.documents.fonts import find_cjk_font
from registry.documents.tongue import LANGUAGES
from training.pictures.canvas import OURS, SOFT, Canvas, drawing, save
from training.pictures.ranking import double_lift

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_comparison(comparison: Mapping[str, Any], folder: Path, *, font: Path | None = None) -> list[Path]:
    """Write the pictures of a comparison in both languages, in English alone where no font has Chinese; return the files.

    Parameters
    ----------
    font
        `Settings.cjk_font`.
    """
    chinese = find_cjk_font(font)
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for lang in LANGUAGES if chinese else LANGUAGES[1:]:
        with drawing(lang, chinese, simulated=bool(comparison["simulated"])) as canvas:
            for kind, figure in (
                ("double_lift", _double_lift(comparison, canvas)), ("dislocation", _dislocation(comparison, canvas))
            ):
                if figure is not None:
                    made.append(folder / f"{kind}.{lang}.png")
                    save(figure, made[-1])
    return made


def _double_lift(comparison: Mapping[str, Any], canvas: Canvas) -> Figure | None:
    parts = {comparison["main"]: {"double_lift": comparison["double_lift"]}}
    return double_lift(parts, canvas, ours=f"A {comparison['a']['name']}", theirs=f"B {comparison['b']['name']}")


def _dislocation(comparison: Mapping[str, Any], canvas: Canvas) -> Figure:
    say, scores = canvas.say, comparison["scores"]
    figure = canvas.figure(8.4, 3.4, f"A {comparison['a']['name']}    B {comparison['b']['name']}")
    left, right = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    left.stairs(scores["histogram"]["counts"], scores["histogram"]["edges"], fill=True, color=OURS, alpha=0.7)
    left.axvline(0.0, color=SOFT, linewidth=0.8)
    left.set(xlabel=say("A 减 B，分", "A minus B, points"), ylabel=say("行数", "rows"))
    names = [say(*pair) for pair in (("蓝", "blue"), ("黄", "yellow"), ("橙", "orange"), ("红", "red"))]
    right.imshow(scores["tiers"], cmap="Blues", vmin=0.0)
    right.set_xticks(range(4), names)
    right.set_yticks(range(4), names)
    right.set(xlabel=say("A 的等级", "tier by A"), ylabel=say("B 的等级", "tier by B"), title=say("等级迁移", "migration of tiers"))
    most = max(max(row) for row in scores["tiers"])
    for i, row in enumerate(scores["tiers"]):
        for j, share in enumerate(row):
            right.text(j, i, f"{share:.1%}", ha="center", va="center", color="white" if share > most / 2 else "black", fontsize=8)
    return figure
