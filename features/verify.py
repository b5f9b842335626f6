"""Whether the online store answers what training would read: every feature, entity by entity, at the store's cut-off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from features.build import TIMESTAMP
from features.families import FAMILIES
from features.product import ProductFeatures
from features.products import PRODUCT_FEATURES
from features.views import open_store, published, service_of
from registry.entities import ENTERPRISE, Entity
from registry.settings import Settings

if TYPE_CHECKING:
    import feast

EXAMPLES: Final = 10
"""Differences that are shown; all are counted."""
_BATCH: Final = 1000
_OWNER_VIEW: Final = "vehicle_profile"
_NOBODY: Final = ""
"""Key that no entity has; Feast takes no null as a key."""


@dataclass(frozen=True)
class Difference:
    """One value that the two readers do not agree about; the entity is a pseudonym."""

    product: str
    feature: str
    entity: str
    online: float | str | None
    offline: float | str | None


@dataclass
class Comparison:
    """What a comparison found.

    Parameters
    ----------
    entities
        Entities that were read.
    compared
        Values that were compared; absent on both sides is equal.
    different
        Values of the online store that are not the offline ones, to the bit.
    missing
        Values that only the offline reader has.
    examples
        The first differences.
    """

    entities: int = 0
    compared: int = 0
    different: int = 0
    missing: int = 0
    examples: list[Difference] = field(default_factory=list)

    def add(self, other: Comparison) -> None:
        """Count another comparison in."""
        self.entities += other.entities
        self.compared += other.compared
        self.different += other.different
        self.missing += other.missing
        self.examples += other.examples[: EXAMPLES - len(self.examples)]


def verify_online(
    settings: Settings, *, products: Sequence[str] | None = None, sample: int | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Comparison]:
    """Compare the online store with the point-in-time features at its cut-off, product by product.

    Every entity of the feature tables is read as serving reads it, a vehicle's operator from the online store too, and what
    has outlived its time counts as absent, as it does when scoring.

    Parameters
    ----------
    settings
        Where the tables and the store lie.
    products
        Product ids; all by default.
    sample
        At most so many entities of each product, the same ones each time; all by default.
    progress
        Called with a product and the share done, 0 to 1.

    Raises
    ------
    NotFound
        If the store has never been filled.
    """
    as_of, store = published(settings).snapshot.as_of_time, open_store(settings)
    found: dict[str, Comparison] = {}
    chosen = list(products or PRODUCT_FEATURES)
    for position, product_id in enumerate(chosen):
        if progress is not None:
            progress(product_id, position / len(chosen))
        product = PRODUCT_FEATURES[product_id]
        ids = _sampled(_entities(settings, product), sample)
        found[product_id] = Comparison()
        for start in range(0, len(ids), _BATCH * 10):
            part = ids[start:start + _BATCH * 10]
            offline, online = _offline(store, product, part, as_of), _online(store, product, part, as_of)
            found[product_id].add(_compared(product, part, offline, online))
    if progress is not None:
        progress("done", 1.0)
    return found


def _entities(settings: Settings, product: ProductFeatures) -> list[str]:
    """Return every entity that a table of the product has ever spoken about."""
    ids: set[str] = set()
    for family in (FAMILIES[name] for name in product.families):
        if family.entity == product.entity:
            column = pq.read_table(settings.feature_dir / f"{family.id}.parquet", columns=[family.entity.id_column]).column(0)
            ids.update(column.unique().to_pylist())
    return sorted(ids)


def _sampled(ids: list[str], sample: int | None) -> npt.NDArray[np.object_]:
    kept = pd.Series(ids, dtype=object)
    if sample is not None and len(ids) > sample:
        # By a hash of the key: the same ones again, whoever else comes or goes.
        kept = kept.loc[sorted(pd.util.hash_array(kept.to_numpy()).argsort(kind="stable")[:sample])]
    return kept.to_numpy(dtype=object)


def _offline(store: feast.FeatureStore, product: ProductFeatures, ids: npt.NDArray[np.object_], as_of: datetime) -> pd.DataFrame:
    spine = pd.DataFrame({product.entity.id_column: ids, TIMESTAMP: pd.Series([as_of] * len(ids), dtype="datetime64[us, UTC]")})
    if _needs_owner(product):
        link = f"{_OWNER_VIEW}:{ENTERPRISE.id_column}"
        spine = store.get_historical_features(
            entity_df=spine, features=[link], filter_by_created_timestamp=True
        ).to_df()
    joined: pd.DataFrame = store.get_historical_features(
        entity_df=spine, features=service_of(store, product.id), filter_by_created_timestamp=True
    ).to_df()
    return joined


def _online(store: feast.FeatureStore, product: ProductFeatures, ids: npt.NDArray[np.object_], as_of: datetime) -> pd.DataFrame:
    service, parts = service_of(store, product.id), []
    for start in range(0, len(ids), _BATCH):
        keys = {product.entity.id_column: list(ids[start:start + _BATCH])}
        if _needs_owner(product):
            link = f"{_OWNER_VIEW}:{ENTERPRISE.id_column}"
            owners = _read(store, [link], keys, as_of, {ENTERPRISE.id_column: FAMILIES[_OWNER_VIEW].ttl_d})
            keys[ENTERPRISE.id_column] = [owner or _NOBODY for owner in owners[ENTERPRISE.id_column]]
        parts.append(pd.DataFrame(_read(store, service, keys, as_of, _ttl_d(product)), dtype=object))
    return pd.concat(parts, ignore_index=True)


def _read(
    store: feast.FeatureStore, features: Any, keys: dict[str, list[str]], as_of: datetime, ttl_d: dict[str, int]
) -> dict[str, list[Any]]:
    """Return feature -> values in the order of the keys, None where the store has none or it has expired."""
    answer = store.get_online_features(features=features, entity_rows=keys).to_dict(include_event_timestamps=True)
    now = as_of.astimezone(UTC).timestamp()
    return {
        name: [
            None if at + days * 86_400 < now else value
            for value, at in zip(answer[name], answer[f"{name}__ts"], strict=True)
        ]
        for name, days in ttl_d.items()
    }


def _ttl_d(product: ProductFeatures) -> dict[str, int]:
    used = {feature.name for feature in product.features}
    families = (FAMILIES[name] for name in product.families)
    return {name: family.ttl_d for family in families for name in family.names if name in used}


def _needs_owner(product: ProductFeatures) -> bool:
    others: tuple[Entity, ...] = product.joins[1:]
    return ENTERPRISE in others


def _compared(
    product: ProductFeatures, ids: npt.NDArray[np.object_], offline: pd.DataFrame, online: pd.DataFrame
) -> Comparison:
    found = Comparison(entities=len(ids))
    for feature in product.features:
        left, right = online[feature.name], offline[feature.name]
        same = _same_bits(left, right) if feature.dtype == "float" else (left == right).to_numpy()
        absent, known = left.isna().to_numpy(), right.notna().to_numpy()
        missing = absent & known
        different = ~same & ~missing & ~(absent & ~known)
        found.compared += len(ids)
        found.missing += int(missing.sum())
        found.different += int(different.sum())
        rows = np.flatnonzero(missing | different)[: EXAMPLES - len(found.examples)]
        found.examples += _examples(product.id, feature.name, rows, ids, left, right)
    return found


def _same_bits(left: pd.Series, right: pd.Series) -> npt.NDArray[np.bool_]:
    bits = [column.to_numpy(dtype=np.float64, na_value=np.nan).view(np.int64) for column in (left, right)]
    same: npt.NDArray[np.bool_] = bits[0] == bits[1]
    return same


def _examples(
    product: str, feature: str, rows: npt.NDArray[np.int64], ids: npt.NDArray[np.object_], left: pd.Series, right: pd.Series
) -> Iterator[Difference]:
    for row in rows:
        online, offline = (None if pd.isna(column.iloc[row]) else column.iloc[row] for column in (left, right))
        yield Difference(product, feature, str(ids[row]), online, offline)
