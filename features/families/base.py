"""A feature family: features of one entity that come from one expression, and become one Feast view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from registry.entities import Entity
from registry.feature_spec import Feature

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known


FEATURE_TTL_D: Final = 45
"""Days for which a row of features speaks for its entity: the longest step between cut-offs, and time to build the next."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """One expression over what was known, and the features that it yields.

    Parameters
    ----------
    id
        Name of the view and of its table.
    entity
        Entity that a row is about.
    resources
        Resources that the expression reads.
    features
        Declared features, one per column.
    expression
        Known -> table with the entity's id column, `cutoff` and every feature.
    links
        Further text columns that are no model inputs: ids of related entities.
    ttl_d
        Days for which a row speaks for the entity.
    """

    id: str
    entity: Entity
    resources: tuple[str, ...]
    features: tuple[Feature, ...]
    expression: Callable[[Known], ir.Table]
    links: tuple[str, ...] = ()
    ttl_d: int = FEATURE_TTL_D

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features in declared order."""
        return tuple(feature.name for feature in self.features)
