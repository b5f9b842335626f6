"""What a product takes from this floor: which families it reads, and how its outcome is labelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from features.families import FAMILIES
from features.formulas import FORMULA_FAMILIES
from registry.entities import Entity
from registry.feature_spec import Feature

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

REPORTING_LAG_D: Final = 30
"""Days after an outcome window until its outcomes count as reported: the monthly sources' cycle. [A]"""


@dataclass(frozen=True, kw_only=True)
class ProductFeatures:
    """Inputs and label of one product.

    Parameters
    ----------
    id
        Product id.
    entity
        The scored entity.
    joins
        Entities whose features are joined, the scored one first.
    families
        Ids of the feature families, in the order of the matrix.
    without
        Features of those families that the product does not use, with no meaning for it.
    label_resources
        Resources that the label reads beyond those of the families.
    labels
        (known, data end) -> table with the id columns of `joins`, `event_timestamp` and the targets: one row per training
        example, built from outcomes after the cut-off that have matured.
    targets
        Target columns.
    formulas
        Ids of the formula families (`features.formulas`) whose columns are joined to training rows, beside the score and
        never in its matrix.
    """

    id: str
    entity: Entity
    joins: tuple[Entity, ...]
    families: tuple[str, ...]
    label_resources: tuple[str, ...]
    labels: Callable[[Known, datetime], ir.Table]
    targets: tuple[str, ...]
    without: frozenset[str] = frozenset()
    formulas: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[Feature, ...]:
        """Declared features in the order of the matrix."""
        found = (feature for family in self.families for feature in FAMILIES[family].features)
        return tuple(feature for feature in found if feature.name not in self.without)

    @property
    def formula_columns(self) -> tuple[str, ...]:
        """Columns of the formula families, which are no inputs."""
        return tuple(name for family in self.formulas for name in FORMULA_FAMILIES[family].names)
