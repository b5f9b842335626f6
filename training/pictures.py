"""Pictures for the card: calibration by decile, and which inputs move the points most."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from registry.bundle import ScoreBundle
from registry.scorer import Scorer
from training.evaluation import Figures
from training.fit import FittedScore

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPLAINED_ROWS: Final = 500
SHOWN_INPUTS: Final = 20


def global_importance(fitted: FittedScore, bundle: ScoreBundle) -> dict[str, float]:
    """Return the mean absolute exact SHAP value of each input in points, largest first.

    It is taken over evenly spaced rows of the reference population, `EXPLAINED_ROWS` at most.
    """
    rows = np.flatnonzero(fitted.data.fitted_rows)
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(EXPLAINED_ROWS, len(rows))).astype(int))]
    contributions = Scorer(bundle).explain(fitted.data.matrix[chosen]).contributions
    means = np.abs(contributions).mean(axis=0)
    names = bundle.manifest.feature_names
    return {names[j]: float(means[j]) for j in np.argsort(-means, kind="stable")}


def draw_pictures(card: dict[str, Any], figures: Figures, folder: Path) -> list[str]:
    """Write the card's pictures as PNG and return their file names.

    Labels are English, so that no font with Chinese characters is needed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    names = []
    for name, figure in (("calibration.png", _calibration(figures)), ("importance.png", _importance(card))):
        FigureCanvasAgg(figure)
        # Without metadata the same figures give the same bytes.
        figure.savefig(folder / name, dpi=100, metadata={"Software": None})
        names.append(name)
    return names


def _calibration(figures: Figures) -> Figure:
    from matplotlib.figure import Figure

    sections = [(name, folds) for name, folds in figures["components"].items() if folds]
    figure = Figure(figsize=(4 * max(len(sections), 1), 3.6), layout="constrained")
    for position, (name, folds) in enumerate(sections, start=1):
        axes = figure.add_subplot(1, len(sections), position)
        for fold, marker in (("valid", "o"), ("test", "s")):
            bands = folds.get(fold, {}).get("bands", [])
            axes.plot([b["expected"] for b in bands], [b["actual"] for b in bands], marker=marker, label=fold)
        low, high = axes.get_xlim()
        axes.plot([low, high], [low, high], color="grey", linewidth=0.8)
        axes.set(title=name, xlabel="predicted, mean of decile", ylabel="observed")
        axes.legend()
    return figure


def _importance(card: dict[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    shown = list(card["importance"].items())[:SHOWN_INPUTS][::-1]
    figure = Figure(figsize=(7, 0.8 + 0.28 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh([name for name, _ in shown], [value for _, value in shown])
    axes.set(title="Which inputs move the score", xlabel="mean |SHAP|, points")
    return figure
