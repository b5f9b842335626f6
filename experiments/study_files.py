"""What pages of studies share: pictures whose bytes depend on what is drawn alone, and the section of published figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.results import to_markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_svg(draw: Callable[[], Figure], path: Path) -> None:
    """Draw in one style and write the figure: a fixed salt and no date, so the same figures give the same bytes.

    Parameters
    ----------
    draw
        Makes the figure; it is called within the style.
    path
        File ending in ``.svg``; its folder must exist.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with mpl.rc_context({"svg.hashsalt": "roadrisk", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = draw()
        FigureCanvasSVG(figure)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def figures_section(result: Mapping[str, Any], title: str) -> list[str]:
    """Return figures and protocol of a study as lines of a section, without the run time, which differs from run to run."""
    page = to_markdown(result).replace(f"# Study {result['study']}", f"## {title}").replace("\n## Protocol", "\n### Protocol")
    return "\n".join(line for line in page.split("\n") if not line.startswith("Run time")).rstrip().split("\n")
