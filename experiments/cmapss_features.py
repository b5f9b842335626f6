"""What the sensors of an engine say up to a cycle: few health axes that stand out of the noise, and their course.

All inputs of a row use the unit's own cycles up to that row and nothing later. The axes are learned on training units only and
without their labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.cmapss_data import CYCLE, UNIT, sensors
from registry.feature_spec import Feature

FloatArray = npt.NDArray[np.floating[Any]]

AXES: Final = 3
SMOOTH_SPAN: Final = 25
BASE_CYCLES: Final = 15
"""First cycles of a unit whose mean is its own baseline."""
MEANS: Final = (5, 10, 20, 40)
SPREAD: Final = 30
SPANS: Final = (8, 20, 50)
SLOPES: Final = (20, 40, 80)
LEAST: Final = 5
"""Fewest cycles for a spread or a slope."""


@dataclass(frozen=True)
class HealthAxes:
    """Directions of the sensors along which engines move most, measured against the noise of a single reading.

    Parameters
    ----------
    names
        Sensor columns.
    centre, noise
        Mean and noise of each sensor; the noise is the spread of differences between neighbouring cycles over root 2.
    directions
        (n_sensors, n_axes) orthonormal directions of the scaled sensors.
    share
        Share of the smoothed variance along each axis.

    References
    ----------
    Green, Berman, Switzer and Craig, "A transformation for ordering multispectral data in terms of image quality", IEEE Trans.
    Geoscience and Remote Sensing 26(1), 1988 (components by signal-to-noise ratio).
    """

    names: tuple[str, ...]
    centre: FloatArray
    noise: FloatArray
    directions: FloatArray
    share: FloatArray

    def project(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the axes' values of each row."""
        values = (frame[list(self.names)].to_numpy(dtype=np.float64) - self.centre) / self.noise @ self.directions
        return pd.DataFrame(values, index=frame.index, columns=[f"axis{k + 1}" for k in range(values.shape[1])])


def health_axes(train: pd.DataFrame, *, axes: int = AXES) -> HealthAxes:
    """Return the axes of training units: principal components of smoothed sensors, each scaled by its noise."""
    names = sensors(train)
    values = train[names].astype("float64")
    centre = values.mean().to_numpy()
    noise = (values.groupby(train[UNIT]).diff().std() / np.sqrt(2.0)).to_numpy()
    smooth = ((values - centre) / noise).groupby(train[UNIT]).transform(lambda one: one.ewm(span=SMOOTH_SPAN).mean()).to_numpy()
    _, strength, directions = np.linalg.svd(smooth - smooth.mean(axis=0), full_matrices=False)
    chosen = directions[:axes].T
    # The sign of a singular vector is arbitrary: the largest entry is made positive, so that every machine agrees.
    signs = np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(axes)])
    return HealthAxes(tuple(names), centre, noise, chosen * signs, (strength**2 / (strength**2).sum())[:axes])


def inputs(frame: pd.DataFrame, axes: HealthAxes) -> pd.DataFrame:
    """Return the inputs of each row: the cycle, and of each axis means, spread, weighted values, changes and slopes.

    Parameters
    ----------
    frame
        Rows in the order of unit and cycle.
    axes
        Learned on training units.
    """
    values, unit = axes.project(frame), frame[UNIT]
    cycle = frame[CYCLE].astype("float64")
    columns: dict[str, Any] = {"cycles_run": cycle}
    for name in values:
        columns |= {f"{name}_{suffix}": found for suffix, found in _course(values[name], cycle, unit).items()}
    return pd.DataFrame(columns, index=frame.index)


def _course(value: pd.Series, cycle: pd.Series, unit: pd.Series) -> dict[str, Any]:
    first = value.where(cycle <= BASE_CYCLES).groupby(unit)
    baseline = first.transform(lambda one: one.expanding().mean().ffill())
    found: dict[str, Any] = {f"mean{width}": _rolling(value, unit, width, 1) for width in MEANS}
    found[f"sd{SPREAD}"] = value.groupby(unit).rolling(SPREAD, min_periods=LEAST).std().to_numpy()
    for span in SPANS:
        weighted = value.groupby(unit).transform(lambda one, span=span: one.ewm(span=span).mean())
        found |= {f"weighted{span}": weighted, f"change{span}": weighted - baseline}
    return found | {f"slope{width}": _slope(value, cycle, unit, width) for width in SLOPES}


def _rolling(value: pd.Series, unit: pd.Series, width: int, least: int) -> FloatArray:
    result: FloatArray = value.groupby(unit).rolling(width, min_periods=least).mean().to_numpy()
    return result


def _slope(value: pd.Series, cycle: pd.Series, unit: pd.Series, width: int) -> FloatArray:
    """Return the least-squares slope per cycle over the last cycles; null before `LEAST` of them."""
    means = [_rolling(one, unit, width, LEAST) for one in (value, cycle, value * cycle, cycle * cycle)]
    result: FloatArray = (means[2] - means[0] * means[1]) / (means[3] - means[1] ** 2)
    return result


def declared(names: list[str]) -> tuple[Feature, ...]:
    """Return the declarations of the inputs, in their order."""
    return tuple(_declared(name) for name in names)


def _declared(name: str) -> Feature:
    if name == "cycles_run":
        return Feature(name=name, entity="request", zh="已运行循环数", en="cycles run", group="exposure", reason_code="R16")
    axis, kind = name.split("_")
    number = axis.removeprefix("axis")
    word = kind.rstrip("0123456789")
    width = kind.removeprefix(word)
    zh, en = _WORDS[word]
    return Feature(
        name=name, entity="request", zh=f"健康轴{number}{zh}（{width}循环）", en=f"health axis {number}, {en} over {width} cycles",
        group="condition", reason_code="R13",
    )


_WORDS: Final = {
    "mean": ("均值", "mean"), "sd": ("离散度", "spread"), "weighted": ("指数加权值", "exponentially weighted value"),
    "change": ("相对初期变化", "change from the unit's first cycles"), "slope": ("斜率", "slope"),
}
