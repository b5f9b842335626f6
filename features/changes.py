"""From the point-in-time feature tables to how often entities changed what they can change: counts by peer group and band.

The document holds numbers of entities only (`registry.change_evidence` reads it). Starting instants lie `WITHIN_D` days apart, so
that the days after each have been seen whole. Families whose rows have no common cut-offs are left out: driving time changes from
shift to shift, and that it did says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from features.build import TIMESTAMP
from features.families import FAMILIES
from registry.change_evidence import EVERYBODY, KIND, LEAST_SIMILAR, enterprise_group, vehicle_group
from registry.entities import ENTERPRISE, VEHICLE, Entity
from registry.evidence import write_evidence

if TYPE_CHECKING:
    import pandas as pd

    from features.families import Family
    from registry.bundle import ManifestFeature
    from registry.settings import Settings

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

MONTHS: Final = 6
WITHIN_D: Final = 183
"""Days in which a change is looked for. [A]"""
MOST_CUTOFFS: Final = 400
"""More instants than this are no common cut-offs."""
QUANTILES: Final = (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9)
HEAP: Final = 0.05
"""A least value that so large a share of entities has is a band of its own: mostly it is none at all. [A]"""
DEFINITION: Final = {
    "zh": "相似：同一同业组，且在某一起点时刻的取值与现值同属一档；做到：此后六个月内达到新值所在的档或更好；每个对象只计一次",
    "en": "similar: of the same peer group and, at a starting instant, in the same band as the present value; changed: came into "
    "the band of the new value or beyond it within the six months after; every entity counts once",
}
_GROUPS: Final[dict[str, tuple[str, str, Callable[[object], str]]]] = {
    VEHICLE.id: ("vehicle_profile", "vehicle_type", vehicle_group),
    ENTERPRISE.id: ("enterprise_profile", "fleet_size", enterprise_group),
}
"""Entity -> table and column that its peer group follows from."""


def change_document(settings: Settings, features: Sequence[ManifestFeature]) -> dict[str, Any]:
    """Return the counts for the actionable numbers among a model's inputs.

    Parameters
    ----------
    features
        Inputs as the bundle declares them.
    """
    wanted = {one.name: one for one in features if one.actionable and one.dtype == "float"}
    found: dict[str, Any] = {}
    for family in FAMILIES.values():
        names = [name for name in family.names if name in wanted]
        path = settings.feature_dir / f"{family.id}.parquet"
        if names and family.entity.id in _GROUPS and path.is_file():
            found |= _family(settings.feature_dir, family, path, names)
    return {"months": MONTHS, "within_d": WITHIN_D, "definition": DEFINITION, "features": found}


def keep_changes(settings: Settings, product: str, digest: str, features: Sequence[ManifestFeature]) -> Path:
    """Count the changes behind a model and keep them as evidence beside its card; return the file."""
    return write_evidence(settings, product, digest, KIND, change_document(settings, features))


def _family(folder: Path, family: Family, path: Path, names: list[str]) -> dict[str, Any]:
    import pandas as pd

    id_column = family.entity.id_column
    rows = pd.read_parquet(path, columns=[id_column, TIMESTAMP, *names])
    grid = _Grid.of(rows, id_column)
    if grid is None:
        return {}
    groups = _groups(folder, family.entity, grid)
    return {
        name: made for name in names
        if (made := _feature(grid, grid.spread(rows[name].to_numpy(np.float64)), groups, family.entity.id)) is not None
    }


class _Grid:
    """Rows of a table as places in a matrix of entities by cut-offs, with its starting columns and the windows after them."""

    def __init__(self, ids: pd.Index, entity: Codes, cutoff: Codes, times: pd.DatetimeIndex) -> None:
        self.ids, self._entity, self._cutoff = ids, entity, cutoff
        self._shape = (len(ids), len(times))
        self.windows = _windows(times)

    @classmethod
    def of(cls, rows: pd.DataFrame, id_column: str) -> _Grid | None:
        """Return the grid of a table; None where it has no common cut-offs or too short a history."""
        import pandas as pd

        cutoff, times = pd.factorize(rows[TIMESTAMP], sort=True)
        if len(times) > MOST_CUTOFFS:
            return None
        entity, ids = pd.factorize(rows[id_column], sort=True)
        made = cls(pd.Index(ids), entity.astype(np.int64), cutoff.astype(np.int64), pd.DatetimeIndex(times))
        return made if made.windows else None

    def spread(self, values: npt.NDArray[Any], missing: Any = np.nan) -> npt.NDArray[Any]:
        """Return the matrix of a column."""
        matrix = np.full(self._shape, missing, dtype=values.dtype)
        matrix[self._entity, self._cutoff] = values
        return matrix


def _windows(times: pd.DatetimeIndex) -> list[tuple[int, slice]]:
    """Return starting columns, the newest first, each with the columns of the days after it."""
    step, found = timedelta(days=WITHIN_D), list[tuple[int, slice]]()
    end = len(times) - 1
    while end > 0:
        start = int(times.searchsorted(times[end] - step, side="right")) - 1
        if start < 0:
            break
        found.append((start, slice(start + 1, end + 1)))
        end = start
    return found


def _groups(folder: Path, entity: Entity, grid: _Grid) -> npt.NDArray[Any]:
    """Return the peer group of each entity at its newest row; groups of a few are everybody's."""
    import pandas as pd

    table, column, group_of = _GROUPS[entity.id]
    path = folder / f"{table}.parquet"
    if not path.is_file():
        return np.full(len(grid.ids), EVERYBODY, dtype=object)
    rows = pd.read_parquet(path, columns=[entity.id_column, TIMESTAMP, column]).sort_values(TIMESTAMP, kind="stable")
    newest = rows.drop_duplicates(entity.id_column, keep="last").set_index(entity.id_column)[column]
    return np.array([group_of(None if value is None else value) for value in newest.reindex(grid.ids).tolist()], dtype=object)


def _feature(grid: _Grid, matrix: Floats, groups: npt.NDArray[Any], entity_id: str) -> dict[str, Any] | None:
    known = matrix[~np.isnan(matrix)]
    if len(known) < LEAST_SIMILAR:
        return None
    edges = _edges(known)
    counted: dict[str, dict[str, list[list[int]]]] = {}
    tallies = {direction: _tally(grid, matrix, edges, direction) for direction in ("down", "up")}
    for group in (EVERYBODY, *sorted(set(groups.tolist()) - {EVERYBODY})):
        mine = np.ones(len(groups), dtype=bool) if group == EVERYBODY else groups == group
        if mine.sum() >= LEAST_SIMILAR:
            counted[group] = {direction: _counts(reached[mine], len(edges)) for direction, reached in tallies.items()}
    whole = bool(np.all(known == np.round(known)))
    return {"entity": entity_id, "edges": edges, "high": float(known.max()), "whole": whole, "groups": counted}


def _edges(values: Floats) -> list[float]:
    """Return where bands begin: quantiles, of what lies above the least value where many have that one."""
    least = float(values.min())
    heaped = float(np.mean(values == least)) >= HEAP
    rest = values[values > least] if heaped else values
    edges = {least, *(np.quantile(rest, QUANTILES).tolist() if len(rest) else ())}
    return sorted(edges)


def _tally(grid: _Grid, matrix: Floats, edges: list[float], direction: str) -> Codes:
    """Return (entities, bands) the farthest band that an entity came to from each band that it started in; -1 for never there."""
    reached = np.full((len(matrix), len(edges)), -1, dtype=np.int64)
    bound = np.array(edges)
    for start, window in grid.windows:
        value, after = matrix[:, start], matrix[:, window]
        seen = ~np.isnan(value) & ~np.isnan(after).all(axis=1)
        # The entity's own start counts as reached: standing still is the least that it did.
        path = np.column_stack([value[seen], after[seen]])
        best = np.nanmin(path, axis=1) if direction == "down" else np.nanmax(path, axis=1)
        rows = np.flatnonzero(seen)
        from_band, to_band = (np.maximum(np.searchsorted(bound, one, side="right") - 1, 0) for one in (value[seen], best))
        held = reached[rows, from_band]
        better = np.where(held < 0, to_band, np.minimum(held, to_band) if direction == "down" else np.maximum(held, to_band))
        reached[rows, from_band] = better
    return reached


def _counts(reached: Codes, n_bands: int) -> list[list[int]]:
    return [np.bincount(column[column >= 0], minlength=n_bands).tolist() for column in reached.T]
