"""Global SHAP pictures, drawn by the shap package from our exact contributions in points."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from training.pictures.canvas import Canvas, save
from training.pictures.contributions import Sample

DEPENDENCE: Final = 6
LONGEST_LABEL: Final = 44

Features = Sequence[Mapping[str, Any]]


def draw_shapley(sample: Sample, features: Features, canvas: Canvas, folder: Path, name: Callable[[str], str]) -> list[str]:
    """Write beeswarm, bar and dependence pictures; return their kinds.

    Parameters
    ----------
    features
        The card's inputs; their Chinese or English names label the pictures.
    name
        Kind of picture -> file name.
    """
    shap = _shap()
    labels = [_label(one, features, canvas) for one in sample.inputs]
    values = np.array([[np.nan if v is None else v for v in row] for row in sample.values], dtype=np.float64)
    # A code of a category is no amount, so it gets no place between low and high.
    shown = np.where(np.array(sample.categorical), np.nan, values)
    explanation = shap.Explanation(
        values=np.array(sample.contributions), base_values=np.full(len(values), sample.base), data=shown, feature_names=labels
    )
    with _seeded():
        _write(lambda: shap.plots.beeswarm(
            explanation, max_display=len(labels), show=False, plot_size=(8.0, 0.32 * len(labels) + 1.2),
            color_bar_label=canvas.say("取值", "value"), group_remaining_features=False,
        ), folder / name("shap_beeswarm"), canvas.say(
            "对评分的影响（分）", "effect on the score, points"
        ) + canvas.tail, canvas.say("低", "low"), canvas.say("高", "high"))
        _write(
            lambda: shap.plots.bar(explanation, max_display=len(labels), show=False), folder / name("shap_bar"),
            canvas.say("平均绝对影响（分）", "mean absolute effect, points") + canvas.tail,
        )
    _dependence(values, sample, labels, canvas, folder / name("shap_dependence"))
    return ["shap_beeswarm", "shap_bar", "shap_dependence"]


def _dependence(values: Any, sample: Sample, labels: Sequence[str], canvas: Canvas, path: Path) -> None:
    """Draw the effect of the most moving numbers against their value.

    shap's own scatter picks a partner for the colour by a search that costs more than the picture is worth; the points are the
    same ones.
    """
    chosen = [
        k for k in range(len(labels)) if not sample.categorical[k] and np.isfinite(values[:, k]).any()
    ][:DEPENDENCE]
    say = canvas.say
    figure, panels = canvas.panels(len(chosen), say("主要输入的影响与取值", "Effect of the main inputs against their value"))
    parts = np.array(sample.contributions)
    for axes, k in zip(panels, chosen, strict=True):
        axes.scatter(values[:, k], parts[:, k], s=7, alpha=0.55, color="#1f4e79", linewidths=0)
        axes.axhline(0.0, color="#8c959f", linewidth=0.8)
        axes.set(xlabel=labels[k], ylabel=say("分", "points"))
    save(figure, path)


def _write(draw: Callable[[], Any], path: Path, label: str, *ends: str) -> None:
    from matplotlib import pyplot as plt

    plt.switch_backend("agg")
    with warnings.catch_warnings():
        # Columns without any known value warn inside NumPy; they are drawn grey.
        warnings.simplefilter("ignore")
        plt.close("all")
        draw()
        figure = plt.gcf()
        figure.axes[0].set_xlabel(label)
        if ends and len(figure.axes) > 1:
            figure.axes[-1].set_yticks(figure.axes[-1].get_yticks(), ends)  # of the colour bar
        save(figure, path, tight=True)
        plt.close("all")


def _label(name: str, features: Features, canvas: Canvas) -> str:
    found = next((one for one in features if one["name"] == name), {"zh": name, "en": name})
    text = canvas.say(found["zh"], found["en"])
    return text if len(text) <= LONGEST_LABEL else text[:LONGEST_LABEL - 1] + "…"


def _shap() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap
    return shap


@contextmanager
def _seeded() -> Iterator[None]:
    # shap orders and spreads its dots by NumPy's global generator; its state is given back.
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
