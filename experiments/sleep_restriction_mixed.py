"""A linear mixed model with a random intercept and slope per subject, by restricted maximum likelihood.

Small and dense: one predictor, subjects of a few observations each. The criterion and its profiled form are those of Bates,
Maechler, Bolker and Walker, "Fitting Linear Mixed-Effects Models Using lme4", J. Statistical Software 67(1), 2015, equations 34
to 42; the random effects' covariance is ``sigma**2 T T'`` with a lower triangular T of three parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

STARTS: Final = ((1.0, 0.0, 1.0), (0.5, 0.0, 0.1), (1.0, 0.5, 0.5))


@dataclass(frozen=True)
class MixedModel:
    """A fitted model ``y = (a + a_i) + (b + b_i) x + e``.

    Parameters
    ----------
    intercept, slope
        Fixed effects.
    slope_error
        Standard error of the slope.
    covariance
        (2, 2) covariance of the random intercept and slope.
    residual_variance
        Variance of e.
    criterion
        Minus twice the restricted log-likelihood at its maximum.
    marginal_r2, conditional_r2
        Share of variance of the fixed effects alone, and of fixed and random effects together.
    """

    intercept: float
    slope: float
    slope_error: float
    covariance: FloatArray
    residual_variance: float
    criterion: float
    marginal_r2: float
    conditional_r2: float


@dataclass(frozen=True)
class _Sums:
    """Sums per subject: squares (k, 2, 2) of the design, its products (k, 2) with y; the total square of y; n."""

    squares: FloatArray
    products: FloatArray
    total: float
    n: int


@dataclass(frozen=True)
class _Profile:
    criterion: float
    beta: FloatArray
    variance: float
    cross: FloatArray


def fit_mixed(x: FloatArray, y: FloatArray, subject: npt.NDArray[Any]) -> MixedModel:
    """Fit the model.

    Parameters
    ----------
    x, y
        Predictor and outcome, shape (n,).
    subject
        Who was measured, shape (n,).

    References
    ----------
    Johnson, "Extension of Nakagawa and Schielzeth's R2 GLMM to random slopes models", Methods in Ecology and Evolution 5(9),
    2014 (the two shares of variance).
    """
    from scipy.optimize import minimize

    # Centred and scaled, so that the three parameters are of one size; the fixed effects are carried back below.
    centre, spread = float(x.mean()), float(x.std())
    design = np.column_stack([np.ones_like(x), (x - centre) / spread])
    sums = _sums(design, y, subject)
    found = min(
        (minimize(lambda theta: _profile(theta, sums).criterion, start, method="Nelder-Mead",
                  options={"xatol": 1e-8, "fatol": 1e-9, "maxiter": 4000}) for start in STARTS),
        key=lambda result: float(result.fun),
    )
    best = _profile(found.x, sums)
    back = np.array([[1.0, -centre / spread], [0.0, 1.0 / spread]])
    beta, root = back @ best.beta, back @ _triangle(found.x)
    errors = best.variance * np.linalg.inv(best.cross)
    covariance = best.variance * (root @ root.T)
    fixed = float(np.var(design @ best.beta))
    rows = np.column_stack([np.ones_like(x), x])
    random = float(np.einsum("ni,ij,nj->n", rows, covariance, rows).mean())
    total = fixed + random + best.variance
    return MixedModel(
        intercept=float(beta[0]), slope=float(beta[1]), slope_error=float(np.sqrt(errors[1, 1]) / spread),
        covariance=covariance, residual_variance=best.variance,
        # Scaling the predictor changes the determinant of the restricted likelihood by a constant.
        criterion=best.criterion + 2.0 * float(np.log(spread)), marginal_r2=fixed / total,
        conditional_r2=(fixed + random) / total,
    )


def _triangle(theta: FloatArray) -> FloatArray:
    return np.array([[theta[0], 0.0], [theta[1], theta[2]]])


def _sums(design: FloatArray, y: FloatArray, subject: npt.NDArray[Any]) -> _Sums:
    _, codes = np.unique(subject, return_inverse=True)
    members = np.eye(codes.max() + 1)[codes]
    return _Sums(
        np.einsum("nk,ni,nj->kij", members, design, design), np.einsum("nk,ni,n->ki", members, design, y), float(y @ y), len(y)
    )


def _profile(theta: FloatArray, sums: _Sums) -> _Profile:
    """Return the restricted criterion with the fixed effects and the residual variance at their best."""
    root = _triangle(theta)
    inner = np.eye(2) + root.T @ sums.squares @ root
    # The inverse of each subject's I + Z T T' Z' by Woodbury's identity.
    seen, told = root.T @ sums.squares, (sums.products @ root)[..., None]
    cross = (sums.squares - seen.transpose(0, 2, 1) @ np.linalg.solve(inner, seen)).sum(axis=0)
    solved = np.linalg.solve(inner, told)
    right = (sums.products - (seen.transpose(0, 2, 1) @ solved)[..., 0]).sum(axis=0)
    square = sums.total - float((told * solved).sum())
    beta = np.linalg.solve(cross, right)
    rest, free = square - float(right @ beta), sums.n - 2
    log_det = float(np.linalg.slogdet(inner)[1].sum()) + float(np.linalg.slogdet(cross)[1])
    return _Profile(log_det + free * (1.0 + float(np.log(2.0 * np.pi * rest / free))), beta, rest / free, cross)


def within_products(x: FloatArray, y: FloatArray, subject: npt.NDArray[Any]) -> FloatArray:
    """Return (n_subjects, 3): sums of xx, xy and yy of the deviations from each subject's own means.

    They add up over subjects, so a draw of whole subjects is a weighted sum of them.
    """
    _, codes = np.unique(subject, return_inverse=True)
    counts = np.bincount(codes)
    u, v = (value - (np.bincount(codes, value) / counts)[codes] for value in (x, y))
    return np.stack([np.bincount(codes, product) for product in (u * u, u * v, v * v)], axis=1)


def correlation_of(products: FloatArray) -> FloatArray:
    """Return the correlations of summed products, shape (..., 3) to (...,).

    References
    ----------
    Bland and Altman, "Calculating correlation coefficients with repeated observations", BMJ 310, 1995.
    """
    result: FloatArray = products[..., 1] / np.sqrt(products[..., 0] * products[..., 2])
    return result
