"""What all pictures share: language and fonts of their labels, colours, and a file whose bytes depend on its content alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.documents.tongue import CHINESE, ENGLISH, Language, Tongue

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI: Final = 120
COLUMNS: Final = 3
PANEL_IN: Final = (3.4, 3.0)
OURS: Final = "#1f4e79"
THEIRS: Final = "#d9822b"
ACTUAL: Final = "#1b1f24"
SOFT: Final = "#8c959f"
TIER_COLOURS: Final = ("#2f81f7", "#e3b341", "#fb8500", "#d1242f")
"""Blue, yellow, orange, red."""


@dataclass(frozen=True)
class Canvas:
    """Makes figures whose labels `say` words; it lives inside `drawing`. What is simulated says so in every picture."""

    say: Tongue
    simulated: bool = False

    @property
    def tail(self) -> str:
        """What follows every title."""
        return self.say("（模拟数据）", " (simulated data)") if self.simulated else ""

    def figure(self, width_in: float, height_in: float, title: str = "", *, fitted: bool = True) -> Figure:
        """Return an empty figure; `fitted` makes room for labels of any length, which doubles the time of drawing."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width_in, height_in), layout="constrained" if fitted else None)
        FigureCanvasAgg(figure)
        if title:
            figure.suptitle(title + self.tail, fontsize=11)
        return figure

    def panels(self, count: int, title: str = "") -> tuple[Figure, list[Axes]]:
        """Return a figure with `count` axes, `COLUMNS` in a row."""
        columns = min(max(count, 1), COLUMNS)
        lines = -(-count // columns)
        width, height = max(PANEL_IN[0] * columns, 5.0), PANEL_IN[1] * lines + 0.4
        figure = self.figure(width, height, title, fitted=False)
        figure.subplots_adjust(
            left=0.65 / width, right=1 - 0.15 / width, bottom=0.6 / height, top=1 - 0.65 / height, wspace=0.32, hspace=0.5
        )
        return figure, [figure.add_subplot(lines, columns, position + 1) for position in range(count)]


@contextmanager
def drawing(lang: Language, font: Path | None, *, simulated: bool = False) -> Iterator[Canvas]:
    """Hold matplotlib in our style; without a font with Chinese characters the labels are English.

    Parameters
    ----------
    font
        As `registry.documents.fonts.find_cjk_font` gives it. DejaVu draws what is not Chinese.
    """
    import matplotlib as mpl
    from matplotlib import font_manager

    families = ["DejaVu Sans"]
    if font is not None:
        name = font_manager.FontProperties(fname=font).get_name()
        if name not in {entry.name for entry in font_manager.fontManager.ttflist}:
            font_manager.fontManager.addfont(font)
        families.append(name)
    style: Any = {
        "font.family": families, "font.size": 8.5, "axes.unicode_minus": True, "axes.spines.top": False,
        "axes.spines.right": False, "axes.titlesize": 9.5, "legend.frameon": False, "savefig.dpi": DPI, "figure.dpi": DPI,
    }
    with mpl.rc_context(style):
        yield Canvas(CHINESE if lang == "zh" and font is not None else ENGLISH, simulated)


def save(figure: Any, path: Path, *, tight: bool = False) -> None:
    """Write a figure as PNG; without metadata and time the same content gives the same bytes."""
    figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None}, bbox_inches="tight" if tight else None)


def errors(values: Sequence[float], low: Sequence[float], high: Sequence[float]) -> list[list[float]]:
    """Return distances down and up, as an error bar wants them."""
    return [
        [max(v - a, 0.0) for v, a in zip(values, low, strict=True)],
        [max(b - v, 0.0) for v, b in zip(values, high, strict=True)],
    ]
