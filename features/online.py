"""Read what the online store knows about entities, for one product, with the age of every source.

The rows are those that Feast serves; they are read packed, all views of an entity in one look, because Feast's own way costs
many times what the store does (decision 0020). A test holds the two equal, value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeVar

from features.online_held import IDENTITY, Held
from features.online_inputs import FeatureAge, OnlineInputs, SourceAge
from features.online_plan import ReadPlan, read_plan
from features.packed.keys import text_keys
from features.packed.rows import settled_rows
from features.pseudonyms import pseudonym
from features.snapshot import FeatureSnapshot, counts_by_wall
from features.views import IDENTITY_VIEW, PLATE_KEY, PROJECT
from registry.entities import ENTERPRISE, VEHICLE, Entity
from registry.errors import InvalidRequest, NotFound, RoadRiskError, ServiceUnavailable, UnknownEntity
from registry.products import PRODUCTS
from registry.settings import Settings
from registry.signing import pseudonym_keys

__all__ = ["FeatureAge", "OnlineInputs", "OnlineStore", "SourceAge"]

_T = TypeVar("_T")
_NAMESPACES: Final = {("plate_no", "plate_color"): "plate", ("vin",): "vin", ("uscc",): "uscc"}
_ATTEMPTS: Final = 3
_AT_ONCE: Final = 1000
_MAX_PLANS: Final = 1000


class OnlineStore:
    """The online store, read in process; any number of threads may read at once.

    A load that is published while the service runs is read from then on: each look at rows tells which publication they are
    of, and an answer holds values, cut-off and ages of one.

    Parameters
    ----------
    settings
        Names store and keys, and by which clock the age of a source counts.
    clock
        Returns the current instant, aware UTC; without it ages count to the snapshot's cut-off whatever the setting is.

    Raises
    ------
    NotFound
        If the store has never been filled.
    ServiceUnavailable
        If it does not answer.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime] | None = None) -> None:
        self._settings, self._wall = settings, clock
        self._rows = settled_rows(settings, PROJECT)
        self._plans: dict[tuple[str, frozenset[str] | None], ReadPlan] = {}
        self._held = Held.of(self._rows)
        self._keys = self._keys_of(self._held)

    @property
    def as_of(self) -> datetime:
        """Cut-off of the snapshot in the store, as last read."""
        return self._held.as_of

    @property
    def epoch(self) -> int:
        """Epoch of the key that made the store's pseudonyms: it may lag behind the warehouse's."""
        return self._held.snapshot.pseudonym_epoch

    @property
    def snapshot(self) -> FeatureSnapshot:
        """The snapshot in the store, as last read."""
        return self._held.snapshot

    def refresh(self) -> bool:
        """Look which publication the store holds; return whether it is another one than before.

        Reads do this by themselves where they meet another publication.

        Raises
        ------
        ServiceUnavailable
            If the store does not answer.
        """
        before = self._held
        try:
            found = Held.of(self._rows)
        except NotFound as error:
            # It was there when this reader began: whoever is asked for is not unknown, the store is.
            raise ServiceUnavailable("the feature store is empty", remedy="Run `roadrisk features materialise --full`.") from error
        self._keys = self._keys_of(found)
        self._held = found
        return found.number != before.number

    def ready(self) -> None:
        """Check with one small read that the store answers.

        Raises
        ------
        ServiceUnavailable
            If it does not.
        """
        self._rows.fetch([IDENTITY_VIEW], text_keys(PLATE_KEY, [""]))

    def stale(self, product_id: str) -> list[str]:
        """Return the mandatory resources of a product that are stale or absent in the store."""
        at = self._wall() if counts_by_wall(self._settings.clock, simulated=self.snapshot.simulated) and self._wall else self.as_of
        ages = {age.resource: age for age in self._plan(product_id, None).sources(self.snapshot.complete_until, at)}
        return [name for name in PRODUCTS[product_id].mandatory if name not in ages or ages[name].stale]

    def close(self) -> None:
        """Give the store's connections back."""
        self._rows.close()

    def resolve(self, entity: Entity, key: Mapping[str, str]) -> str:
        """Return the pseudonym of the entity that a natural key names.

        Raises
        ------
        InvalidRequest
            If the fields are none of the entity's natural keys.
        UnknownEntity
            If no vehicle in operation bears the plate.
        ServiceUnavailable
            If the store does not answer.
        """
        (found,) = self.resolve_many(entity, [key])
        return _raised(found)

    def resolve_many(self, entity: Entity, keys: Sequence[Mapping[str, str]]) -> list[str | RoadRiskError]:
        """Return for each natural key what `resolve` returns, or in its place the error that it raises for this key alone.

        Raises
        ------
        ServiceUnavailable
            If the store does not answer.
        """
        found: list[str | RoadRiskError] = []
        for part in _parts(keys):
            found += self._steady(lambda held, part=part: self._resolved(held, entity, part))  # type: ignore[misc]
        return found

    def read(self, product_id: str, entity_id: str, *, resources: frozenset[str] | None = None) -> OnlineInputs:
        """Return everything that is known about an entity for a product.

        Parameters
        ----------
        product_id
            A scored product.
        entity_id
            Pseudonym of its entity.
        resources
            Resources that may be read; all by default. A feature that draws on any other is not read and is None, and the
            source that is not covered says so. Which entities belong together is read whatever is covered.

        Raises
        ------
        UnknownEntity
            If the store has never heard of the entity.
        ServiceUnavailable
            If the store does not answer.
        """
        (found,) = self.read_many(product_id, [entity_id], resources=resources)
        return _raised(found)

    def read_many(
        self, product_id: str, entity_ids: Sequence[str], *, resources: frozenset[str] | None = None
    ) -> list[OnlineInputs | RoadRiskError]:
        """Return for each entity what `read` returns, or in its place the error that it raises for this entity alone.

        Raises
        ------
        ServiceUnavailable
            If the store does not answer.
        """
        plan = self._plan(product_id, resources)
        answers: list[OnlineInputs | RoadRiskError] = []
        epoch = self._held.snapshot.pseudonym_epoch
        for part in _parts(entity_ids):
            answers += self._steady(lambda held, part=part: self._read(held, plan, part, epoch))  # type: ignore[misc]
        return answers

    def _keys_of(self, held: Held) -> tuple[int, Sequence[bytes]]:
        # The store may still hold pseudonyms of an older epoch than the warehouse.
        epoch = held.snapshot.pseudonym_epoch
        return epoch, pseudonym_keys(self._settings.keys_dir, epoch)

    def _steady(self, look: Callable[[Held], _T | None]) -> _T:
        """Return what a look gives that met one publication from beginning to end."""
        for _ in range(_ATTEMPTS):
            found = look(self._held)
            if found is not None:
                return found
            self.refresh()
        raise ServiceUnavailable("the feature store is published too often to be read", remedy="Try again shortly.")

    def _plan(self, product_id: str, resources: frozenset[str] | None) -> ReadPlan:
        plan = self._plans.get((product_id, resources))
        if plan is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            plan = self._plans[product_id, resources] = read_plan(product_id, resources)
        return plan

    def _resolved(self, held: Held, entity: Entity, keys: Sequence[Mapping[str, str]]) -> list[str | RoadRiskError] | None:
        found = [self._pseudonym(entity, key) for key in keys]
        plates = [place for place, made in enumerate(found) if isinstance(made, str) and looked_up(keys[place])]
        if not plates:
            return found
        number, rows = self._rows.fetch([IDENTITY_VIEW], text_keys(PLATE_KEY, (str(found[place]) for place in plates)))
        if number != held.number:
            return None
        for place, told in zip(plates, held.decoded([IDENTITY], rows), strict=True):
            found[place] = told.links.get(VEHICLE.id_column) or UnknownEntity(
                "no vehicle in operation bears this plate", where=f"as of {held.as_of:%Y-%m-%d}",
                remedy="Check number and colour of the plate.",
            )
        return found

    def _pseudonym(self, entity: Entity, key: Mapping[str, str]) -> str | RoadRiskError:
        names = next((names for names in entity.natural_keys if set(names) == set(key)), None)
        if names is None:
            return InvalidRequest(
                f"fields {sorted(key)} do not name one {entity.en}",
                remedy="Give one of: " + "; ".join(" and ".join(names) for names in entity.natural_keys) + ".",
            )
        return pseudonym(self._keys[1], _NAMESPACES[names], *(key[name] for name in names))

    def _read(
        self, held: Held, plan: ReadPlan, ids: Sequence[str], epoch: int
    ) -> list[OnlineInputs | RoadRiskError] | None:
        """Return the answers, or None where the rows are of another publication."""
        if held.snapshot.pseudonym_epoch != epoch:
            # Whoever asks made the ids under the keys before; under the new ones nobody has them.
            raise ServiceUnavailable("the keys of the feature store have just been rotated", remedy="Ask again.")
        number, rows = self._rows.fetch(plan.own_views, text_keys(plan.product.entity.id_column, ids))
        if number != held.number:
            return None
        own = held.decoded(plan.own, rows)
        at, sources = self._ages(held, plan)
        if not plan.joins_operator:
            return [held.inputs(plan, *one, None, None, sources, at) for one in zip(ids, own, strict=True)]
        operators = [mine.links.get(ENTERPRISE.id_column) for mine in own]
        wanted = list(dict.fromkeys(operator for operator in operators if operator is not None))
        if wanted:
            number, rows = self._rows.fetch(plan.operator_views, text_keys(ENTERPRISE.id_column, wanted))
        if number != held.number:
            return None
        theirs = dict(zip(wanted, held.decoded(plan.operator, rows), strict=True)) if wanted else {}
        return [
            held.inputs(plan, entity_id, mine, operator, theirs.get(operator) if operator else None, sources, at)
            for entity_id, mine, operator in zip(ids, own, operators, strict=True)
        ]

    def _ages(self, held: Held, plan: ReadPlan) -> tuple[datetime, tuple[SourceAge, ...]]:
        """Return the instant to which ages count, and the age of every resource."""
        snapshot = held.snapshot
        if self._wall is None or not counts_by_wall(self._settings.clock, simulated=snapshot.simulated):
            return held.as_of, held.sources(plan)
        at = self._wall()
        return at, plan.sources(snapshot.complete_until, at)


def looked_up(key: Mapping[str, str]) -> bool:
    """Return whether the store is asked for the pseudonym of a natural key; that of any but a plate is computed."""
    return "plate_no" in key


def _parts(whole: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (whole[start:start + _AT_ONCE] for start in range(0, len(whole), _AT_ONCE))


def _raised(found: _T | RoadRiskError) -> _T:
    if isinstance(found, RoadRiskError):
        raise found
    return found
