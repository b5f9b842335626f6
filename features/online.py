"""Read what the online store knows about one entity, for one product, with the age of every source."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from features.families import FAMILIES
from features.products import PRODUCT_FEATURES
from features.pseudonyms import pseudonym
from features.snapshot import counts_by_wall, read_snapshot
from features.views import IDENTITY_VIEW, PLATE_KEY, open_store, service_of
from registry.entities import ENTERPRISE, VEHICLE, Entity
from registry.errors import InvalidRequest, RoadRiskError, ServiceUnavailable, UnknownEntity
from registry.products import PRODUCTS
from registry.resources import RESOURCES
from registry.resources.schema import FRESHNESS_LIMIT_D
from registry.settings import Settings
from registry.signing import pseudonym_keys
from registry.units import DAYS_PER_YEAR

_TTL: Final = {
    name: timedelta(days=family.ttl_d) for family in FAMILIES.values() for name in (*family.links, *family.names)
} | {VEHICLE.id_column: timedelta(days=FAMILIES["vehicle_profile"].ttl_d)}
_NAMESPACES: Final = {("plate_no", "plate_color"): "plate", ("vin",): "vin", ("uscc",): "uscc"}

_TIME_SUFFIX: Final = "__ts"
"""How Feast names the column that holds a feature's event time."""


@dataclass(frozen=True)
class SourceAge:
    """How old a source is at the instant of the question, as far as the inputs hold it.

    Parameters
    ----------
    resource
        Resource id.
    complete_until
        Instant until which its deliveries were complete; None if nothing was ever delivered.
    age_d
        Days from then to the instant of the question: the snapshot's cut-off, or now (`Settings.clock`).
    limit_d
        Days after which the source counts as stale.
    authorised
        Whether the scenario lets it be read; what may not be read counts as absent.
    """

    resource: str
    complete_until: datetime | None
    age_d: float | None
    limit_d: int
    authorised: bool = True

    @property
    def stale(self) -> bool:
        """Whether the source is absent or older than its limit."""
        return self.age_d is None or self.age_d > self.limit_d


@dataclass(frozen=True)
class FeatureAge:
    """How fresh one feature is.

    Parameters
    ----------
    event_timestamp
        Instant that the row in the store speaks about; None where the store holds no row.
    age_d
        Age of its oldest source in days; None where one was never delivered.
    source
        That source.
    """

    event_timestamp: datetime | None
    age_d: float | None
    source: str


@dataclass(frozen=True)
class OnlineInputs:
    """What is known about one entity at the snapshot's cut-off.

    Parameters
    ----------
    entity_id
        Pseudonym of the entity.
    related
        Pseudonyms of related entities whose features were joined, by entity id (a vehicle's enterprise).
    values
        Feature name -> value; None where it is not known.
    as_of
        The cut-off: nothing that arrived later is in the values.
    sources
        Age of every resource that the values draw on.
    exposure
        Expected exposure over the product's horizon in its exposure unit, where the product has one.
    freshness
        Feature name -> how fresh it is; empty where the caller sent the values.
    """

    entity_id: str
    related: Mapping[str, str]
    values: Mapping[str, float | str | None]
    as_of: datetime
    sources: tuple[SourceAge, ...]
    exposure: float | None
    freshness: Mapping[str, FeatureAge] = field(default_factory=dict)


class OnlineStore:
    """Feast's online store, read in process; any number of threads may read at once.

    The service objects are fetched once: fetching one per call costs more than the read itself.

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
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime] | None = None) -> None:
        self._snapshot = read_snapshot(settings.feast_dir)
        # The store may still hold pseudonyms of an older epoch than the warehouse.
        self._keys = pseudonym_keys(settings.keys_dir, self._snapshot.pseudonym_epoch)
        self._clock = clock if counts_by_wall(settings.clock, simulated=self._snapshot.simulated) else None
        self._store = open_store(settings)
        self._services = {name: service_of(self._store, name) for name in PRODUCT_FEATURES}

    @property
    def as_of(self) -> datetime:
        """Cut-off of the snapshot in the store."""
        return self._snapshot.as_of_time

    def ready(self) -> None:
        """Check with one small read that the store answers.

        Raises
        ------
        ServiceUnavailable
            If it does not.
        """
        self._one([f"{IDENTITY_VIEW}:{VEHICLE.id_column}"], {PLATE_KEY: ""})

    def resolve_many(self, entity: Entity, keys: Sequence[Mapping[str, str]]) -> list[str | RoadRiskError]:
        """Return for each natural key what `resolve` returns, or in its place the error that it raises for this key alone.

        Raises
        ------
        ServiceUnavailable
            If the store does not answer.
        """
        return [_kept(self.resolve, entity, key) for key in keys]

    def read_many(
        self, product_id: str, entity_ids: Sequence[str], *, resources: frozenset[str] | None = None
    ) -> list[OnlineInputs | RoadRiskError]:
        """Return for each entity what `read` returns, or in its place the error that it raises for this entity alone.

        Raises
        ------
        ServiceUnavailable
            If the store does not answer.
        """
        return [_kept(self.read, product_id, entity_id, resources=resources) for entity_id in entity_ids]

    def resolve(self, entity: Entity, key: Mapping[str, str]) -> str:
        """Return the pseudonym of the entity that a natural key names.

        Raises
        ------
        InvalidRequest
            If the fields are none of the entity's natural keys.
        UnknownEntity
            If no vehicle in operation bears the plate.
        """
        names = next((names for names in entity.natural_keys if set(names) == set(key)), None)
        if names is None:
            raise InvalidRequest(
                f"fields {sorted(key)} do not name one {entity.en}",
                remedy="Give one of: " + "; ".join(" and ".join(names) for names in entity.natural_keys) + ".",
            )
        found = pseudonym(self._keys, _NAMESPACES[names], *(key[name] for name in names))
        return self._vehicle_of(found) if names[0] == "plate_no" else found

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
        product = PRODUCT_FEATURES[product_id]
        row = {product.entity.id_column: entity_id}
        related: dict[str, str] = {}
        if ENTERPRISE in product.joins[1:]:
            owner = self._one([f"vehicle_profile:{ENTERPRISE.id_column}"], row)[0].get(ENTERPRISE.id_column)
            if owner is None:
                raise UnknownEntity(
                    "no vehicle in operation with this key", where=f"as of {self.as_of:%Y-%m-%d}",
                    remedy="Check the number; a vehicle out of operation has no score.",
                )
            related[ENTERPRISE.id] = owner
            row[ENTERPRISE.id_column] = owner
        found, times = self._one(self._services[product_id], row)
        covered = {f.name for f in product.features if resources is None or resources.issuperset(f.resources)}
        values = {f.name: found.get(f.name) if f.name in covered else None for f in product.features}
        if resources is None and all(value is None for value in values.values()):
            raise UnknownEntity(
                f"no {product.entity.en} with this key", where=f"as of {self.as_of:%Y-%m-%d}",
                remedy="Check the number; an operator without a vehicle in operation has no score.",
            )
        now = self._clock() if self._clock else self.as_of
        sources = _sources(product_id, self._snapshot.complete_until, now, resources)
        return OnlineInputs(
            entity_id, related, values, self.as_of, sources, _exposure(product_id, values),
            _freshness(product_id, sources, times),
        )

    def _vehicle_of(self, plate_id: str) -> str:
        found = self._one([f"{IDENTITY_VIEW}:{VEHICLE.id_column}"], {PLATE_KEY: plate_id})[0].get(VEHICLE.id_column)
        if found is None:
            raise UnknownEntity(
                "no vehicle in operation bears this plate", where=f"as of {self.as_of:%Y-%m-%d}",
                remedy="Check number and colour of the plate.",
            )
        return str(found)

    def _one(self, features: Any, row: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, datetime]]:
        """Return what the store holds for one row of keys and has not expired, and the instants that it speaks about."""
        try:
            response = self._store.get_online_features(features=features, entity_rows=[dict(row)])
            answer = response.to_dict(include_event_timestamps=True)
        except Exception as error:  # Feast raises whatever its store raises
            raise ServiceUnavailable(
                f"the feature store does not answer ({type(error).__name__})", remedy="Try again shortly."
            ) from error
        times = {name: datetime.fromtimestamp(answer[f"{name}{_TIME_SUFFIX}"][0], UTC) for name in answer if name in _TTL}
        # Feast heeds a row's time to live in training and forgets about it online.
        fresh = {name: time for name, time in times.items() if time + _TTL[name] >= self.as_of}
        return {name: answer[name][0] for name in fresh}, fresh


def _kept(ask: Callable[..., Any], *args: Any, **named: Any) -> Any:
    try:
        return ask(*args, **named)
    except (InvalidRequest, UnknownEntity) as error:
        return error


def _exposure(product_id: str, values: Mapping[str, Any]) -> float | None:
    """Return the expected exposure over the horizon: the fleet on the day, for the whole horizon."""
    product = PRODUCTS[product_id]
    if product.answer != "rate" or product.horizon_d is None or values.get("fleet_size") is None:
        return None
    return float(values["fleet_size"]) * product.horizon_d / DAYS_PER_YEAR


def _sources(
    product_id: str, complete_until: Mapping[str, str | None], as_of: datetime, allowed: frozenset[str] | None
) -> tuple[SourceAge, ...]:
    of_features = (resource for feature in PRODUCT_FEATURES[product_id].features for resource in feature.resources)
    return tuple(
        _source_age(resource, complete_until.get(resource), as_of)
        if allowed is None or resource in allowed
        else SourceAge(resource, None, None, FRESHNESS_LIMIT_D[RESOURCES[resource].cycle], authorised=False)
        for resource in dict.fromkeys([*PRODUCTS[product_id].mandatory, *of_features])
    )


def _freshness(
    product_id: str, sources: Sequence[SourceAge], times: Mapping[str, datetime]
) -> dict[str, FeatureAge]:
    ages = {source.resource: source.age_d for source in sources}
    found: dict[str, FeatureAge] = {}
    for feature in PRODUCT_FEATURES[product_id].features:
        # A source that was never delivered is older than any other.
        _, oldest = max((math.inf if ages[name] is None else ages[name], name) for name in feature.resources)
        found[feature.name] = FeatureAge(times.get(feature.name), ages[oldest], oldest)
    return found


def _source_age(resource: str, until: str | None, as_of: datetime) -> SourceAge:
    complete = datetime.fromisoformat(until) if until else None
    age = (as_of - complete).total_seconds() / 86_400.0 if complete else None
    return SourceAge(resource, complete, age, FRESHNESS_LIMIT_D[RESOURCES[resource].cycle])
