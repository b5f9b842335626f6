"""Pictures of a search: how the loss fell, which parameters matter, and what a cheaper explanation costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from training.tuning.choice import front
from training.tuning.search import Found
from training.tuning.trials import complete

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI: Final = 100
FEW: Final = 2
"""Complete trials below which nothing is drawn."""


def draw_search(found: Found, folder: Path) -> list[Path]:
    """Write the pictures of one component as PNG and return their files; the same trials give the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pictures: dict[str, Callable[[Found, Axes], None]] = {"history": _history, "front": _front}
    if found.importances:
        pictures["importances"] = _importances
    if len(complete(found.trials)) < FEW:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, draw in pictures.items():
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        draw(found, figure.add_subplot())
        files.append(folder / f"{found.component}-{name}.png")
        figure.savefig(files[-1], dpi=DPI, metadata={"Software": None})
    return files


def _history(found: Found, axes: Axes) -> None:
    done = complete(found.trials)
    numbers, losses = [t.number for t in done], [t.measures["loss"] for t in done]
    axes.scatter(numbers, losses, s=14, color="tab:blue", label="complete")
    axes.step(numbers, np.minimum.accumulate(losses), where="post", color="tab:orange", label="best so far")
    pruned = [t.number for t in found.trials if t.state == "pruned"]
    low, high = axes.get_ylim()
    axes.plot(pruned, [low] * len(pruned), "|", color="grey", label=f"pruned ({len(pruned)})")
    axes.set(ylim=(low, high), xlabel="trial", ylabel="mean unit deviance, valid", title=f"{found.product}.{found.component}")
    axes.legend()


def _importances(found: Found, axes: Axes) -> None:
    items = sorted(found.importances.items(), key=lambda item: item[1])
    axes.barh([name for name, _ in items], [share for _, share in items])
    axes.set(xlabel="importance for the loss (PED-ANOVA, share)", title=f"{found.product}.{found.component}")


def _front(found: Found, axes: Axes) -> None:
    done = complete(found.trials)
    points = axes.scatter(
        [t.measures["latency"] for t in done], [t.measures["loss"] for t in done],
        c=[t.measures["calibration"] for t in done], s=18, cmap="viridis",
    )
    axes.figure.colorbar(points, label="calibration error over the mean")
    best = front(found.trials, ("loss", "latency"))
    axes.plot(
        [t.measures["latency"] for t in best], [t.measures["loss"] for t in best], color="tab:orange", linewidth=1,
        label="Pareto front",
    )
    # With several members the choice is made on means over them; here it is drawn as the others were measured.
    (chosen,) = [t for t in done if t.number == found.chosen.number]
    axes.plot(chosen.measures["latency"], chosen.measures["loss"], "*", color="tab:red", markersize=12, label="chosen")
    axes.set(
        xscale="log", xlabel="exact explanation, ms per row (one thread)", ylabel="mean unit deviance, valid",
        title=f"{found.product}.{found.component}",
    )
    axes.legend()
