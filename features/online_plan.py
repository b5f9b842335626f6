"""What one product reads of the online store under one grant: worked out once, followed at each request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from features.families import FAMILIES
from features.online_inputs import SourceAge
from features.packed.layout import MICROSECOND, Kind, Layout
from features.packed.reader import RowReader
from features.product import ProductFeatures
from features.products import PRODUCT_FEATURES
from registry.entities import ENTERPRISE, VEHICLE, Entity
from registry.products import PRODUCTS
from registry.resources import RESOURCES
from registry.resources.schema import FRESHNESS_LIMIT_D

IDENTITY_FAMILIES: Final[Mapping[str, str]] = {VEHICLE.id: "vehicle_profile", ENTERPRISE.id: "enterprise_profile"}
"""Entity -> view whose row says that the entity is there, and what it belongs to; it is read whatever a grant covers."""

_KINDS: Final[Mapping[str, Kind]] = {"float": "float", "category": "text"}


@dataclass(frozen=True)
class ViewPlan:
    """What is read of one view.

    Parameters
    ----------
    view
        Its name.
    ttl_us
        Microseconds for which a row speaks.
    wanted
        (name, kind) of the features that are read; none where only the row itself matters.
    links
        Text columns that lead to other entities.
    """

    view: str
    ttl_us: int
    wanted: tuple[tuple[str, Kind], ...]
    links: tuple[str, ...] = ()
    readers: dict[bytes, tuple[RowReader, RowReader | None]] = field(default_factory=dict, compare=False, repr=False)
    """Digest of a layout -> what reads features from its rows, and what reads links."""

    def learn(self, layout: Layout) -> tuple[RowReader, RowReader | None]:
        """Return what reads rows of a layout, from now on kept in `readers`."""
        links = RowReader(layout, [(name, "text") for name in self.links]) if self.links else None
        return self.readers.setdefault(layout.digest, (RowReader(layout, self.wanted), links))


@dataclass(frozen=True)
class ReadPlan:
    """What one product reads under one grant.

    Parameters
    ----------
    product
        The product.
    resources
        Resources that may be read; None for all.
    """

    product: ProductFeatures
    resources: frozenset[str] | None

    @cached_property
    def own(self) -> tuple[ViewPlan, ...]:
        """Views of the scored entity, that of its identity first."""
        return self._views(self.product.entity)

    @cached_property
    def operator(self) -> tuple[ViewPlan, ...]:
        """Views of the enterprise that a vehicle belongs to."""
        return self._views(ENTERPRISE) if self.joins_operator else ()

    @cached_property
    def own_views(self) -> tuple[str, ...]:
        """Names of the views of the scored entity."""
        return tuple(view.view for view in self.own)

    @cached_property
    def operator_views(self) -> tuple[str, ...]:
        """Names of the views of the operator."""
        return tuple(view.view for view in self.operator)

    @cached_property
    def joins_operator(self) -> bool:
        """Whether the operator's features are joined."""
        return ENTERPRISE in self.product.joins[1:]

    @cached_property
    def blank(self) -> dict[str, float | str | None]:
        """Every feature in the order of the matrix, none of them known."""
        return {feature.name: None for feature in self.product.features}

    @cached_property
    def origin(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Feature name -> (its view, its resources)."""
        views = {name: family.id for family in map(FAMILIES.__getitem__, self.product.families) for name in family.names}
        return {feature.name: (views[feature.name], feature.resources) for feature in self.product.features}

    def sources(self, complete_until: Mapping[str, str | None], at: datetime) -> tuple[SourceAge, ...]:
        """Return the age of every resource at an instant; what may not be read is as if it had never come."""
        of_features = (resource for feature in self.product.features for resource in feature.resources)
        wanted = dict.fromkeys([*PRODUCTS[self.product.id].mandatory, *of_features])
        return tuple(
            _source_age(resource, complete_until.get(resource), at)
            if self.resources is None or resource in self.resources
            else SourceAge(resource, None, None, _limit_d(resource), authorised=False)
            for resource in wanted
        )

    def _views(self, entity: Entity) -> tuple[ViewPlan, ...]:
        identity = IDENTITY_FAMILIES[entity.id]
        names = [name for name in self.product.families if FAMILIES[name].entity == entity and name != identity]
        made = [self._view(name) for name in (identity, *names)]
        # Where nothing is covered, nothing is asked for.
        return (made[0], *(view for view in made[1:] if view.wanted))

    def _view(self, name: str) -> ViewPlan:
        used, family = self.blank.keys() if name in self.product.families else (), FAMILIES[name]
        covered = (f for f in family.features if self.resources is None or self.resources.issuperset(f.resources))
        wanted = tuple((f.name, _KINDS[f.dtype]) for f in covered if f.name in used)
        links = (ENTERPRISE.id_column,) if self.joins_operator and ENTERPRISE.id_column in family.links else ()
        return ViewPlan(name, timedelta(days=family.ttl_d) // MICROSECOND, wanted, links)


def read_plan(product_id: str, resources: frozenset[str] | None) -> ReadPlan:
    """Return what a product reads under a grant that covers these resources."""
    return ReadPlan(PRODUCT_FEATURES[product_id], resources)


def _source_age(resource: str, until: str | None, at: datetime) -> SourceAge:
    complete = datetime.fromisoformat(until) if until else None
    age = (at - complete).total_seconds() / 86_400.0 if complete else None
    return SourceAge(resource, complete, age, _limit_d(resource))


def _limit_d(resource: str) -> int:
    return FRESHNESS_LIMIT_D[RESOURCES[resource].cycle]
