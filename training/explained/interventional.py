"""The same scores explained by another game: interventional SHAP values on a background, by the kernels of the shap package.

The service's values are path-dependent: what is missing from a coalition is averaged over by the trees' own counts. The
interventional game averages over a background instead, and leaves correlations among inputs out. Where both say the same, the
reasons do not hang on the choice of game.

shap's exact kernel does not know LightGBM's splits on categories; its sums then miss the margin. Such components are explained by
shap's permutation explainer, one pass forward and backward per row, which is unbiased and noisy.

References
----------
Lundberg et al., "From local explanations to global understanding with explainable AI for trees", 2020.
Janzing, Minorics and Bloebaum, "Feature relevance quantification in explainable AI: a causal problem", AISTATS 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from registry.encoding import Matrix
from registry.treeshap.forest import CATEGORICAL, parse_forest
from training.explained.sample import Sample, overlap, row_correlation, top_codes

if TYPE_CHECKING:
    from lightgbm import Booster

PERMUTED_ROWS: Final = 40
PERMUTED_BACKGROUND: Final = 10
AT_ONCE: Final = 30

Tell = Callable[[str, float], None]


def interventional(sample: Sample, *, seed: int, tell: Tell = lambda _label, _share: None) -> dict[str, Any]:
    """Return how far path-dependent and interventional values agree, in points and in the reasons that they give.

    Returns
    -------
    dict
        ``n_rows``, ``background``, ``how``; ``correlation``: median and 5th percentile over rows of the correlation of
        contributions; ``mean_difference``: mean absolute difference per input in points beside ``mean_size``; ``jaccard`` and
        ``same_first`` of the reasons; ``additivity_error``: largest miss of shap's own sums in points.
    """
    import lightgbm

    scorer = sample.scorer
    chosen = [k for k, component in enumerate(scorer.manifest.components) if component.weight]
    texts = [scorer.bundle.booster_text(scorer.manifest.components[k].name) for k in chosen]
    boosters = [lightgbm.Booster(model_str=text) for text in texts]
    categorical = any(_splits_categories(text) for text in texts)
    matrix = sample.matrix[:PERMUTED_ROWS] if categorical else sample.matrix
    background = sample.background[:PERMUTED_BACKGROUND] if categorical else sample.background
    values, error = np.zeros_like(matrix), 0.0
    for place, (k, booster) in enumerate(zip(chosen, boosters, strict=True)):
        component = scorer.manifest.components[k]
        tell(f"interventional {component.name}", place / len(chosen))
        found = _permuted(booster, matrix, background, seed) if categorical else _exact(booster, matrix, background)
        slope = component.weight * component.slope * scorer.manifest.scale.slope
        missed = booster.predict(matrix, raw_score=True, num_threads=1) - booster.predict(
            background, raw_score=True, num_threads=1
        ).mean() - found.sum(axis=1)
        error = max(error, float(np.max(np.abs(missed * slope))))
        values += found * slope
    ours = sample.contributions[: len(matrix)]
    correlation = row_correlation(ours, values)
    return {
        "n_rows": len(matrix), "background": len(background), "how": "permutation" if categorical else "exact",
        "correlation": {"median": float(np.nanmedian(correlation)), "p05": float(np.nanpercentile(correlation, 5))},
        "mean_difference": float(np.abs(ours - values).mean()), "mean_size": float(np.abs(ours).mean()),
        **overlap(top_codes(scorer, ours), top_codes(scorer, values)), "additivity_error": error,
    }


def _splits_categories(text: str) -> bool:
    return any(int(decision) & CATEGORICAL for tree in parse_forest(text).trees for decision in tree.decision)


def _shap() -> Any:
    import warnings

    with warnings.catch_warnings():
        # Its import warns of its own use of matplotlib.
        warnings.simplefilter("ignore")
        import shap
    return shap


def _exact(booster: Booster, matrix: Matrix, background: Matrix) -> Matrix:
    shap = _shap()
    explainer = shap.TreeExplainer(booster, background, feature_perturbation="interventional", model_output="raw")
    # Few rows at a time: the package draws a progress bar of its own over a long call.
    pieces = [matrix[first : first + AT_ONCE] for first in range(0, len(matrix), AT_ONCE)]
    parts = [explainer.shap_values(piece, check_additivity=False) for piece in pieces]
    found: Matrix = np.concatenate(parts).astype(np.float64)
    return found


def _permuted(booster: Booster, matrix: Matrix, background: Matrix, seed: int) -> Matrix:
    shap = _shap()

    def margin(rows: Matrix) -> Matrix:
        predicted: Matrix = booster.predict(rows, raw_score=True, num_threads=1)
        return predicted

    explainer = shap.PermutationExplainer(margin, shap.maskers.Independent(background, max_samples=len(background)), seed=seed)
    found = explainer(matrix, max_evals=2 * matrix.shape[1] + 1, silent=True)
    return np.asarray(found.values, dtype=np.float64)
