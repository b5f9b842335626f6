"""Packed rows into inputs, under one publication of the online store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from features.families import FAMILIES
from features.online_inputs import Freshness, OnlineInputs, SourceAge, spoken_of
from features.online_plan import ReadPlan, ViewPlan
from features.packed.layout import DIGEST, EPOCH, MICROSECOND, Layout, damaged, micros
from features.packed.reader import RowReader
from features.packed.rows import PackedRows, publication_of
from features.snapshot import FeatureSnapshot
from features.views import IDENTITY_VIEW
from registry.entities import ENTERPRISE, VEHICLE
from registry.errors import RoadRiskError, UnknownEntity
from registry.products import PRODUCTS
from registry.units import DAYS_PER_YEAR

_PROFILE_TTL: Final = timedelta(days=FAMILIES["vehicle_profile"].ttl_d)
IDENTITY: Final = ViewPlan(IDENTITY_VIEW, _PROFILE_TTL // MICROSECOND, (), (VEHICLE.id_column,))
"""How a plate leads to the vehicle that bears it."""

LIVE_VIEWS: Final = {"duty": "driving_hour"}
"""View that the live stream writes beside the batch -> the resource that its rows stand for."""

Values = dict[str, float | str | None]

_MAX_INSTANTS: Final = 10_000
_MAX_ALIKE: Final = 1000


@dataclass
class Decoded:
    """What the rows of one entity say that have not expired.

    Parameters
    ----------
    values
        Feature name -> value.
    times
        View -> instant that its row speaks about.
    links
        Column -> id of the entity that it leads to.
    """

    values: Values = field(default_factory=dict)
    times: dict[str, datetime] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


_NOBODY: Final = Decoded()


@dataclass(frozen=True)
class Held:
    """One publication of the store.

    Parameters
    ----------
    number
        Its number.
    snapshot
        The build that the rows are of.
    as_of
        The build's cut-off.
    layouts
        Digest -> layout of the rows.
    """

    number: int
    snapshot: FeatureSnapshot
    as_of: datetime
    layouts: Mapping[bytes, Layout]
    _instants: dict[tuple[bytes, int], datetime | None] = field(default_factory=dict, repr=False)
    _sources: dict[tuple[str, frozenset[str] | None], tuple[SourceAge, ...]] = field(default_factory=dict, repr=False)
    _alike: dict[tuple[Any, ...], Freshness] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, rows: PackedRows) -> Held:
        """Return the publication that a store holds; raises NotFound where there is none."""
        found = publication_of(rows)
        return cls(found.number, found.snapshot, found.snapshot.as_of_time, rows.layouts())

    def sources(self, plan: ReadPlan) -> tuple[SourceAge, ...]:
        """Return the age of every resource at the cut-off."""
        key = (plan.product.id, plan.resources)
        if key not in self._sources:
            self._sources[key] = plan.sources(self.snapshot.complete_until, self.as_of)
        return self._sources[key]

    def decoded(self, views: Sequence[ViewPlan], rows: Sequence[Sequence[bytes | None]]) -> list[Decoded]:
        """Return what rows say, which come view by view, entity by entity."""
        found = [Decoded() for _ in rows[0]] if rows else []
        for view, of_view in zip(views, rows, strict=True):
            known = view.readers
            for entity, row in zip(found, of_view, strict=True):
                if row is None:
                    continue
                reader, links = known.get(row[DIGEST]) or self._learnt(view, row)
                opened = reader.opened(row)
                instant = self._instant(opened[2], view.ttl_us)
                if instant is None:
                    continue
                reader.fill(opened, row, entity.values)
                entity.times[view.view] = instant
                if links is not None:
                    links.fill(opened, row, entity.links)
        return found

    def inputs(
        self, plan: ReadPlan, entity_id: str, own: Decoded, operator_id: str | None, operator: Decoded | None,
        sources: tuple[SourceAge, ...], at: datetime,
    ) -> OnlineInputs | RoadRiskError:
        """Return what is known about one entity, or why there is nothing.

        Parameters
        ----------
        plan
            What was read.
        entity_id
            Pseudonym of the entity.
        own, operator
            What its rows say, and those of the enterprise that it belongs to.
        operator_id
            Pseudonym of that enterprise.
        sources
            Age of every resource.
        at
            Instant to which ages count.
        """
        if plan.joins_operator and operator_id is None:
            return self._unknown("no vehicle in operation with this key", "a vehicle out of operation has no score.")
        values = plan.blank | own.values | (operator or _NOBODY).values
        if not own.times or (plan.resources is None and all(value is None for value in values.values())):
            return self._unknown(
                f"no {plan.product.entity.en} with this key", "an operator without a vehicle in operation has no score."
            )
        related = {} if operator_id is None else {ENTERPRISE.id: operator_id}
        times = own.times if operator is None else own.times | operator.times
        sources = _with_live(sources, times, at)
        return OnlineInputs(
            entity_id, related, values, self.as_of, sources, _exposure(plan.product.id, values),
            self._freshness(plan, times, sources), plain=True,
        )

    def _freshness(self, plan: ReadPlan, times: Mapping[str, datetime], sources: tuple[SourceAge, ...]) -> Freshness:
        # Rows of a build speak about few instants, so few answers differ in it. What is counted by the wall clock differs always.
        if sources is not self._sources.get((plan.product.id, plan.resources)):
            return Freshness(plan.origin, times, sources)
        key = (plan.product.id, plan.resources, *times.items())
        found = self._alike.get(key)
        if found is None:
            if len(self._alike) >= _MAX_ALIKE:
                self._alike.clear()
            found = self._alike[key] = Freshness(plan.origin, times, sources)
        return found

    def _learnt(self, view: ViewPlan, row: bytes) -> tuple[RowReader, RowReader | None]:
        layout = self.layouts.get(row[DIGEST])
        if layout is None or layout.view != view.view:
            raise damaged(view.view)
        return view.learn(layout)

    def _instant(self, told: bytes, ttl_us: int) -> datetime | None:
        """Return the instant that a row speaks about; None where it has expired."""
        key = (told, ttl_us)
        if key not in self._instants:
            # Rows of a build speak about few instants.
            if len(self._instants) >= _MAX_INSTANTS:
                self._instants.clear()
            at = micros(told)
            # Feast heeds a row's time to live in training and forgets about it online.
            self._instants[key] = None if at + ttl_us < self._as_of_us else EPOCH + at * MICROSECOND
        return self._instants.get(key)

    @cached_property
    def _as_of_us(self) -> int:
        return (self.as_of - EPOCH) // MICROSECOND

    def _unknown(self, message: str, advice: str) -> UnknownEntity:
        return UnknownEntity(message, where=f"as of {self.as_of:%Y-%m-%d}", remedy=f"Check the number; {advice}")


def _with_live(sources: tuple[SourceAge, ...], times: Mapping[str, datetime], at: datetime) -> tuple[SourceAge, ...]:
    """Return the ages of sources; of one whose live row speaks of a later instant than its deliveries, that of the row."""
    for view, resource in LIVE_VIEWS.items():
        instant = times.get(view)
        if instant is not None and any(
            one.resource == resource and one.complete_until is not None and one.complete_until < instant for one in sources
        ):
            sources = spoken_of(sources, resource, instant, at)
    return sources


def _exposure(product_id: str, values: Mapping[str, Any]) -> float | None:
    """Return the expected exposure over the horizon: the fleet on the day, for the whole horizon."""
    product = PRODUCTS[product_id]
    if product.answer != "rate" or product.horizon_d is None or values.get("fleet_size") is None:
        return None
    return float(values["fleet_size"]) * product.horizon_d / DAYS_PER_YEAR
