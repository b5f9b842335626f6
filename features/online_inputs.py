"""What a read of the online store gives: values, and how fresh they and their sources are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

Origin = tuple[str, tuple[str, ...]]
"""The view of a feature and its resources."""


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


class Freshness(Mapping[str, FeatureAge]):
    """Feature name -> how fresh it is, worked out when asked: an answer has a hundred features and often nobody asks.

    Parameters
    ----------
    origin
        Feature name -> (its view, its resources).
    times
        View -> instant that its row speaks about; views without a row are left out.
    sources
        Age of every resource.

    Entities whose rows speak about the same instants share one; `told` is where an answer keeps what it says of it, by features.
    """

    def __init__(
        self, origin: Mapping[str, tuple[str, tuple[str, ...]]], times: Mapping[str, datetime],
        sources: tuple[SourceAge, ...],
    ) -> None:
        self._origin, self._times, self.sources = origin, times, sources
        self.told: dict[Any, Any] = {}
        self._found: dict[Origin, FeatureAge] = {}
        self._ages: dict[str, float | None] | None = None

    def __getitem__(self, name: str) -> FeatureAge:
        return self._of(self._origin[name])

    def with_row(self, view: str, instant: datetime, sources: tuple[SourceAge, ...]) -> Freshness:
        """Return the freshness of the same features where the row of a view is another one."""
        return Freshness(self._origin, {**self._times, view: instant}, sources)

    def alike(self, names: Iterable[str]) -> dict[FeatureAge, list[str]]:
        """Return every age that some of the features have, with those features, in the order of the names."""
        asked = tuple(names)
        alike: dict[FeatureAge, list[str]] = {}
        for origin, features in _together(asked, tuple(map(self._origin.__getitem__, asked))):
            alike.setdefault(self._of(origin), []).extend(features)
        return alike

    def __contains__(self, name: object) -> bool:
        return name in self._origin

    def _of(self, origin: Origin) -> FeatureAge:
        found = self._found.get(origin)
        if found is None:
            found = self._found[origin] = self._age(*origin)
        return found

    def _age(self, view: str, resources: tuple[str, ...]) -> FeatureAge:
        ages = self._ages
        if ages is None:
            ages = self._ages = {source.resource: source.age_d for source in self.sources}
        # A source that was never delivered is older than any other.
        _, oldest = max((math.inf if (age := ages[resource]) is None else age, resource) for resource in resources)
        return FeatureAge(self._times.get(view), ages[oldest], oldest)

    def __iter__(self) -> Iterator[str]:
        return iter(self._origin)

    def __len__(self) -> int:
        return len(self._origin)


@lru_cache(maxsize=256)
def _together(names: tuple[str, ...], origins: tuple[Origin, ...]) -> tuple[tuple[Origin, tuple[str, ...]], ...]:
    """Return every origin with the features that have it: a model asks for the same ones each time."""
    found: dict[Origin, list[str]] = {}
    for name, origin in zip(names, origins, strict=True):
        found.setdefault(origin, []).append(name)
    return tuple((origin, tuple(features)) for origin, features in found.items())


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
        Feature name -> value; None where it is not known, or may not be read.
    as_of
        The cut-off: nothing that arrived later is in the values.
    sources
        Age of every resource that the values draw on.
    exposure
        Expected exposure over the product's horizon in its exposure unit, where the product has one.
    freshness
        Feature name -> how fresh it is; empty where the caller sent the values.
    plain
        Whether the values are plain already: floats that are none but numbers, texts, and None.
    """

    entity_id: str
    related: Mapping[str, str]
    values: Mapping[str, float | str | None]
    as_of: datetime
    sources: tuple[SourceAge, ...]
    exposure: float | None
    freshness: Freshness = field(default_factory=lambda: Freshness({}, {}, ()))
    plain: bool = False


def with_row(
    inputs: OnlineInputs, view: str, resource: str, values: Mapping[str, float | None], instant: datetime, at: datetime
) -> OnlineInputs:
    """Return inputs with the live row of a view in the place of the stored one.

    Parameters
    ----------
    inputs
        What the store holds.
    view, resource, values
        The view, the resource that it draws on, and its features.
    instant
        What the row speaks about: the cut-off of the inputs from now on.
    at
        Instant of the question, to which the age of the resource counts.
    """
    known = {name: value for name, value in values.items() if name in inputs.values}
    sources = spoken_of(inputs.sources, resource, instant, at)
    freshness = inputs.freshness.with_row(view, instant, sources)
    return replace(inputs, values={**inputs.values, **known}, as_of=instant, sources=sources, freshness=freshness, plain=False)


def spoken_of(sources: tuple[SourceAge, ...], resource: str, instant: datetime, at: datetime) -> tuple[SourceAge, ...]:
    """Return the ages of sources where a row of one of them speaks of a later instant than its deliveries do."""
    return tuple(
        replace(one, complete_until=instant, age_d=max((at - instant).total_seconds() / 86_400.0, 0.0))
        if one.resource == resource and one.authorised and (one.complete_until is None or one.complete_until < instant) else one
        for one in sources
    )
