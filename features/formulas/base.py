"""What a baseline is: a published formula, or one input alone, that a score must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from registry.entities import Entity
from registry.feature_spec import Disclosure, Feature

FloatArray = npt.NDArray[np.float64]
OWN_CHOICE: Final = "none: one input by itself"
"""Source of a baseline that no regulation prescribes."""


@dataclass(frozen=True, kw_only=True)
class Formula:
    """One column that is put beside a score and is never an input of it for being a formula.

    Parameters
    ----------
    id
        Identifier, unique over all baselines.
    zh, en
        Wording.
    column
        Column of the training frame that holds its value.
    family
        Family that computes the column: a formula family, or a family of model inputs where an input by itself is meant.
    entity
        Id of the entity that the value is about.
    direction
        1 if a higher value is riskier, -1 if a lower one is.
    regulation, article
        Where it is published, and the place in it; `OWN_CHOICE` and an empty text for an input by itself.
    products
        Ids of the products that it is a baseline of.
    null_means
        What a value that is not there says.
    assumed
        What in it, or in its mapping to our resources, no source fixes. [A]
    """

    id: str
    zh: str
    en: str
    column: str
    family: str
    entity: str
    direction: Literal[-1, 1]
    regulation: str
    article: str
    products: tuple[str, ...]
    null_means: str
    assumed: tuple[str, ...] = ()

    def as_risk(self, values: npt.ArrayLike) -> FloatArray:
        """Return values that rank rows: higher is riskier, and whoever has no value stands at the median of the others.

        The published formulas leave such rows unrated (grey); a ranking of all rows has to put them somewhere, and the
        median speaks neither for nor against them. [A]

        Parameters
        ----------
        values
            The column, shape (n,), with nan for null.

        Returns
        -------
        FloatArray
            Shape (n,), without nan; zeros where no row has a value.
        """
        risk = self.direction * np.asarray(values, dtype=np.float64)
        known = risk[~np.isnan(risk)]
        filled: FloatArray = np.where(np.isnan(risk), np.median(known) if known.size else 0.0, risk)
        return filled


def formula_column(
    name: str, entity: Entity, zh: str, en: str, *, group: str, resources: tuple[str, ...], unit: str = "1",
    window_d: int | None = None, sensitivity: Disclosure = "business",
) -> Feature:
    """Return the declaration of a formula's column; its reason code is none, because no score ever gives it as a reason."""
    return Feature(
        name=name, entity=entity.id, zh=zh, en=en, group=group, unit=unit, resources=resources, window_d=window_d,
        sensitivity=sensitivity,
    )
