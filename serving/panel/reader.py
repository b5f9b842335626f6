"""Read a panel: one entity over months, everybody in a month, and who its peers are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.population import BUSINESS, SIZE
from registry.entities import ENTERPRISE
from registry.errors import IntegrityError, NotFound
from registry.products import PRODUCTS, product_named
from serving.panel.layout import (
    ANSWER,
    AS_OF,
    CLAMP,
    CONTRIBUTIONS,
    COVERAGE,
    GROUP_PREFIX,
    INDEX,
    POINTS,
    TIER,
    MonthManifest,
    PanelIndex,
    Spoke,
    check_month,
    month_file,
    panel_folder,
    read_index,
)

if TYPE_CHECKING:
    from registry.settings import Settings

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Texts = npt.NDArray[np.object_]
Model = Literal["then", "now"]
"""Scores of the bundle that spoke for a month, or of the one that is live now."""

_MOST_OPEN: Final = 120
_MOST_ROWS: Final = 1_000
"""Rows of single entities that are kept, some kilobytes each: a portrait reads about forty, and is opened more than once."""
_MOST_READ: Final = 12
"""Months of which everybody is kept in memory, some megabytes each; of the others only where their parts lie."""


@dataclass(frozen=True, kw_only=True)
class EntityMonth:
    """One entity at the end of one month.

    Parameters
    ----------
    month, as_of
        ``YYYY-MM`` in Shanghai, and the cut-off.
    digest, version
        The bundle.
    reconstructed
        Whether the bundle was not live then: the month lies before the first promotion, or the live model was asked about it.
    points, answer
        None without a score; `answer` is what the manifest's `answer` names.
    tier
        Code of the tier; grey without a score.
    coverage
        Share of inputs that were known.
    enterprise_id
        Operator of a vehicle then; the entity itself for an enterprise.
    size_class, business
        What peers are told apart by.
    groups, contributions
        Points by feature group and by feature; empty without a score. Together with `base` and `clamp` they add up to the points,
        to the precision of float32.
    base, clamp
        Points that belong to no feature.
    """

    month: str
    as_of: datetime
    digest: str
    version: int
    reconstructed: bool
    points: float | None
    tier: str
    answer: float | None
    coverage: float
    enterprise_id: str
    size_class: int
    business: str | None
    base: float
    clamp: float
    groups: Mapping[str, float] = field(default_factory=dict)
    contributions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PanelMonth:
    """Everybody at the end of one month, by one bundle; rows are sorted by entity.

    Parameters
    ----------
    manifest
        What the month says of itself.
    reconstructed
        As in `EntityMonth`.
    path
        Its file.
    """

    manifest: MonthManifest
    reconstructed: bool
    path: Path

    @cached_property
    def _metadata(self) -> pq.FileMetaData:
        return pq.read_metadata(self.path)

    @cached_property
    def _parts(self) -> list[tuple[str, str]]:
        """First and last entity of each part of the file."""
        metadata = self._metadata
        column = metadata.schema.names.index(f"{product_named(self.manifest.product).entity}_id")
        told = [metadata.row_group(part).column(column).statistics for part in range(metadata.num_row_groups)]
        return [(one.min, one.max) for one in told]

    def warm(self, *, everybody: bool = False) -> None:
        """Read where the parts of the file lie, and with `everybody` what is kept of everybody, before somebody asks."""
        _ = self._heads if everybody else self._parts

    def row_of(self, entity_id: str) -> dict[str, Any] | None:
        """Return everything about one entity, None where it is not among them; only its part of the file is read."""
        part = next((place for place, (first, last) in enumerate(self._parts) if first <= entity_id <= last), None)
        if part is None:
            return None
        file = pq.ParquetFile(self.path, metadata=self._metadata, memory_map=True)
        # The instant is the month's own, and making it a Python object of a row is slow.
        rows = file.read_row_group(part, use_threads=False).drop_columns([AS_OF])
        place = pc.index(rows[f"{product_named(self.manifest.product).entity}_id"], entity_id).as_py()
        found: dict[str, Any] | None = rows.slice(place, 1).to_pylist()[0] if place >= 0 else None
        return found

    @cached_property
    def _heads(self) -> dict[str, npt.NDArray[Any]]:
        file = pq.ParquetFile(self.path)
        names = [name for name in file.schema_arrow.names if name not in (CONTRIBUTIONS, AS_OF)]
        read = file.read(columns=names)
        return {name: read[name].to_numpy() for name in names}

    def forget(self) -> None:
        """Let go of what was read; it is read again when it is asked for."""
        self.__dict__.pop("_heads", None)

    @property
    def ids(self) -> Texts:
        """(n,) pseudonyms of the entities, ascending."""
        return self._heads[f"{product_named(self.manifest.product).entity}_id"]

    @property
    def enterprise_ids(self) -> Texts:
        """(n,) pseudonyms of the operators."""
        return self._heads[ENTERPRISE.id_column]

    @property
    def points(self) -> Floats:
        """(n,) points, NaN without a score."""
        return self._heads[POINTS]

    @property
    def tiers(self) -> Texts:
        """(n,) codes of the tiers, grey without a score."""
        return self._heads[TIER]

    @property
    def answers(self) -> Floats:
        """(n,) what `manifest.answer` names, NaN without a score."""
        return self._heads[ANSWER]

    @property
    def coverage(self) -> Singles:
        """(n,) share of inputs that were known."""
        return self._heads[COVERAGE]

    @property
    def size_classes(self) -> npt.NDArray[np.int8]:
        """(n,) places of the operators' fleets among `registry.fleet_size.FLEET_SIZE_EDGES`."""
        return self._heads[SIZE]

    @property
    def businesses(self) -> Texts:
        """(n,) codes of ``industry_type``, None where it is not known."""
        return self._heads[BUSINESS]

    def group(self, name: str) -> Singles:
        """Return (n,) points of a feature group, NaN without a score."""
        return self._heads[GROUP_PREFIX + name]

    @property
    def groups(self) -> dict[str, Singles]:
        """Points by feature group, (n,) each."""
        return {name: self.group(name) for name in self.manifest.groups}

    def contributions(self) -> Singles:
        """Return (n, n_features) points by feature in the order of `manifest.features`, NaN without a score; read each time."""
        column = pq.read_table(self.path, columns=[CONTRIBUTIONS])[CONTRIBUTIONS].combine_chunks()
        matrix: Singles = column.flatten().to_numpy().reshape(-1, len(self.manifest.features)).copy()
        matrix[np.isnan(self.points)] = np.nan
        return matrix

    def place(self, entity_id: str) -> int | None:
        """Return the row of an entity; None where it is not among them."""
        place = int(np.searchsorted(self.ids, entity_id))
        return place if place < len(self.ids) and self.ids[place] == entity_id else None

    def of_enterprise(self, enterprise_id: str) -> npt.NDArray[np.intp]:
        """Return the rows of an enterprise: itself, or its vehicles."""
        return np.flatnonzero(self.enterprise_ids == enterprise_id)


class Panel:
    """The panel of a home. Cheap to open; months are read when they are asked for, and the last ones are kept.

    Parameters
    ----------
    folder
        Where it lies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept: OrderedDict[tuple[str, str, str, str], PanelMonth] = OrderedDict()
        self._read: OrderedDict[Path, PanelMonth] = OrderedDict()
        self._rows: OrderedDict[tuple[str, bool, str], EntityMonth | None] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def open(cls, settings: Settings) -> Panel:
        """Return the panel of a home; whether it has been built is found out when it is read."""
        return cls(panel_folder(settings))

    def products(self) -> tuple[str, ...]:
        """Return the products that have a panel."""
        return tuple(name for name in PRODUCTS if (self.folder / name / INDEX).is_file())

    def index(self, product: str) -> PanelIndex:
        """Return which bundle spoke for which month; raises NotFound where the panel was never built."""
        return read_index(self.folder, product)

    def month(self, product: str, month: str | None = None, *, model: Model = "then") -> PanelMonth:
        """Return everybody in a month.

        Parameters
        ----------
        month
            ``YYYY-MM``; the newest by default.
        model
            Whose scores.

        Raises
        ------
        NotFound
            If the month is not in the panel.
        """
        index = self.index(product)
        spoke = next((one for one in reversed(index.months) if month in (None, one.month)), None)
        if spoke is None:
            raise NotFound(f"month {month} is not in the panel of {product}", remedy="Run `roadrisk panel build`.")
        return self._reading(self._of(index, spoke, spoke.digest if model == "then" else index.live_digest))

    def under(self, product: str, month: str, digest: str) -> PanelMonth | None:
        """Return everybody in a month by a bundle, None where it was not scored with it."""
        index = self.index(product)
        spoke = next((one for one in index.months if one.month == month), None)
        return None if spoke is None else self._found(index, spoke, digest)

    def entity(self, product: str, entity_id: str, *, months: int = 24, model: Model = "then") -> list[EntityMonth]:
        """Return an entity over the newest months, oldest first; months in which it was not there are left out.

        Raises
        ------
        NotFound
            If the panel was never built.
        """
        index, found = self.index(product), []
        for spoke in index.months[-months:]:
            whole = self._found(index, spoke, spoke.digest if model == "then" else index.live_digest)
            one = self.at(whole, entity_id) if whole is not None else None
            if one is not None:
                found.append(one)
        return found

    def at(self, month: PanelMonth, entity_id: str) -> EntityMonth | None:
        """Return an entity in a month of one bundle; only the part of the file that holds it is read."""
        key = (month.manifest.sha256, month.reconstructed, entity_id)
        with self._lock:
            if key in self._rows:
                self._rows.move_to_end(key)
                return self._rows[key]
        row = month.row_of(entity_id)
        made = None if row is None else _entity_month(month, row)
        with self._lock:
            self._rows[key] = made
            while len(self._rows) > _MOST_ROWS:
                self._rows.popitem(last=False)
        return made

    def warm(self, months: int) -> None:
        """Read where the parts of the newest months lie, and everybody in the newest one: what each portrait asks for first."""
        for product in self.products():
            index = self.index(product)
            for spoke in index.months[-months:]:
                found = self._found(index, spoke, spoke.digest)
                if found is not None:
                    found.warm()
            self.month(product).warm(everybody=True)

    def verify(self) -> int:
        """Compare every month with its manifest and return how many there are.

        Raises
        ------
        IntegrityError
            If one differs.
        """
        manifests = sorted(path for name in self.products() for path in (self.folder / name).glob("*/????-??.json"))
        for path in manifests:
            check_month(path.with_suffix(".parquet"), MonthManifest.read(path))
        return len(manifests)

    def _of(self, index: PanelIndex, spoke: Spoke, digest: str) -> PanelMonth:
        found = self._found(index, spoke, digest)
        if found is None:
            raise NotFound(
                f"month {spoke.month} of {index.product} has not been scored with bundle {digest[:16]}",
                where=str(self.folder), remedy="Run `roadrisk panel build`; it says what it had to skip.",
            )
        return found

    def _found(self, index: PanelIndex, spoke: Spoke, digest: str) -> PanelMonth | None:
        key = (index.product, index.snapshot, digest, spoke.month)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        path = month_file(self.folder, index.product, digest, spoke.month)
        try:
            manifest = MonthManifest.read(path.with_suffix(".json"))
        except NotFound:
            return None
        if manifest.snapshot != index.snapshot or not path.is_file():
            raise IntegrityError(
                f"month {spoke.month} of {index.product} is of another feature build than the panel", where=str(path),
                remedy="Run `roadrisk panel build`.",
            )
        made = PanelMonth(manifest, spoke.reconstructed or digest != spoke.digest, path)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _MOST_OPEN:
                self._kept.popitem(last=False)
        return made

    def _reading(self, month: PanelMonth) -> PanelMonth:
        """Return a month, and let go of everybody in the months that were not asked for lately."""
        with self._lock:
            self._read[month.path] = month
            self._read.move_to_end(month.path)
            while len(self._read) > _MOST_READ:
                self._read.popitem(last=False)[1].forget()
        return month


def _entity_month(month: PanelMonth, row: Mapping[str, Any]) -> EntityMonth:
    manifest = month.manifest
    scored = row[POINTS] is not None
    return EntityMonth(
        month=manifest.month, as_of=manifest.as_of_time, digest=manifest.digest, version=manifest.version,
        reconstructed=month.reconstructed, points=row[POINTS], tier=row[TIER], answer=row[ANSWER], coverage=row[COVERAGE],
        enterprise_id=row[ENTERPRISE.id_column], size_class=row[SIZE], business=row[BUSINESS], base=manifest.base,
        clamp=row[CLAMP] or 0.0, groups={name: row[GROUP_PREFIX + name] for name in manifest.groups} if scored else {},
        contributions=dict(zip(manifest.features, row[CONTRIBUTIONS], strict=True)) if scored else {},
    )
