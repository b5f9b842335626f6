"""A sample of exact contributions, kept beside the card: what the SHAP pictures are drawn from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from registry.bundle import ScoreBundle
from registry.encoding import Matrix
from registry.errors import IntegrityError
from registry.scorer import Explanation, Scorer
from training.fitted import FittedScore
from training.matrix import evenly_spaced

EXPLAINED_ROWS: Final = 400
SHOWN_INPUTS: Final = 20
FILE: Final = "explained.json"
"""No entity is named in it: values of the inputs shown, and points."""


@dataclass(frozen=True)
class Sample:
    """Evenly spaced rows of the reference population.

    Parameters
    ----------
    base
        Points of the empty coalition.
    inputs
        Names of the shown inputs, the most moving first.
    categorical
        Which of them are categories; their values are codes.
    values, contributions
        (n, n_inputs) values, null where missing, and points.
    rest
        (n,) points of all other inputs together.
    """

    base: float
    inputs: tuple[str, ...]
    categorical: tuple[bool, ...]
    values: tuple[tuple[float | None, ...], ...]
    contributions: tuple[tuple[float, ...], ...]
    rest: tuple[float, ...]


def explained(fitted: FittedScore, bundle: ScoreBundle, *, threads: int = 1) -> tuple[dict[str, float], Sample]:
    """Return the mean absolute exact SHAP value of each input in points, largest first, and the sample behind it.

    It is taken over evenly spaced rows of the reference population, `EXPLAINED_ROWS` at most.
    """
    rows = np.flatnonzero(fitted.data.fitted_rows)
    chosen = rows[evenly_spaced(len(rows), EXPLAINED_ROWS)]
    matrix = fitted.data.matrix[chosen]
    explanation = Scorer(bundle, threads=threads).explain(matrix)
    means = np.abs(explanation.contributions).mean(axis=0)
    names, order = bundle.manifest.feature_names, np.argsort(-means, kind="stable")
    importance = {names[j]: float(means[j]) for j in order}
    return importance, _sample(bundle, matrix, explanation, order[:SHOWN_INPUTS])


def _sample(bundle: ScoreBundle, matrix: Matrix, explanation: Explanation, shown: Any) -> Sample:
    features = bundle.manifest.features
    parts = explanation.contributions
    return Sample(
        base=round(explanation.base, 4), inputs=tuple(features[j].name for j in shown),
        categorical=tuple(features[j].dtype == "category" for j in shown),
        values=tuple(tuple(None if np.isnan(v) else float(f"{v:.6g}") for v in row) for row in matrix[:, shown]),
        contributions=tuple(tuple(round(float(v), 4) for v in row) for row in parts[:, shown]),
        rest=tuple(round(float(v), 4) for v in parts.sum(axis=1) - parts[:, shown].sum(axis=1)),
    )


def write_sample(sample: Sample, folder: Path) -> Path:
    """Write the sample beside a card."""
    target = folder / FILE
    target.write_text(json.dumps(asdict(sample), ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    return target


def read_sample(folder: Path) -> Sample | None:
    """Return the sample beside a card; None where there is none.

    Raises
    ------
    IntegrityError
        If the file is not what `write_sample` writes.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
        return Sample(
            float(content["base"]), tuple(content["inputs"]), tuple(content["categorical"]),
            tuple(map(tuple, content["values"])), tuple(map(tuple, content["contributions"])), tuple(content["rest"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"not a sample of contributions: {error}", where=str(path), remedy="Train the version again."
        ) from error
