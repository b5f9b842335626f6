"""What serving needs of the floors below, so that a test can stand in for the online store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from features.online import OnlineInputs
from registry.entities import Entity
from registry.errors import RoadRiskError


class FeatureSource(Protocol):
    """Finds an entity by its natural key and reads what is known about it."""

    @property
    def epoch(self) -> int:
        """Epoch of the key that made the store's pseudonyms: it may lag behind the warehouse's."""
        ...

    def resolve(self, entity: Entity, key: Mapping[str, str]) -> str:
        """Return the pseudonym of an entity.

        Raises
        ------
        UnknownEntity
            If the store has no such entity.
        ServiceUnavailable
            If the store does not answer.
        """
        ...

    def resolve_many(self, entity: Entity, keys: Sequence[Mapping[str, str]]) -> list[str | RoadRiskError]:
        """Return for each key what `resolve` returns, or in its place the error that it raises for this key alone.

        Raises
        ------
        ServiceUnavailable
            If the store does not answer.
        """
        ...

    def read(
        self, product_id: str, entity_id: str, *, resources: frozenset[str] | None = None
    ) -> OnlineInputs:
        """Return the inputs of one product for an entity; raises as `resolve` does.

        Inputs that rest on a resource outside `resources` are not read; None for all.
        """
        ...

    def read_many(
        self, product_id: str, entity_ids: Sequence[str], *, resources: frozenset[str] | None = None
    ) -> list[OnlineInputs | RoadRiskError]:
        """Return for each entity what `read` returns, or in its place the error that it raises for this entity alone.

        Raises
        ------
        ServiceUnavailable
            If the store does not answer.
        """
        ...

    def stale(self, product_id: str) -> list[str]:
        """Return the mandatory resources of a product that are stale or absent in the store."""
        ...

    def ready(self) -> None:
        """Check that the store answers.

        Raises
        ------
        ServiceUnavailable
            If it does not.
        """
        ...
