"""The figures of one delivery, measured while it is in memory at the door. They hold counts, never a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from registry.local_time import SHANGHAI
from registry.resources.schema import ENVELOPE, Resource

if TYPE_CHECKING:
    import polars as pl

    from features.contracts import Violation
    from features.warehouse import DeliveryManifest

DAYS_KEPT: Final = 62
_HASH_SEED: Final = 20260704


@dataclass(frozen=True, kw_only=True)
class DeliveryQuality:
    """What one delivery was like.

    Parameters
    ----------
    delivery_id
        Which delivery.
    complete_until
        Instant until which its supplier vouches for completeness, ISO in UTC.
    rows
        Delivered rows.
    accepted
        Rows that went into the warehouse.
    quarantined
        Rows that broke a rule.
    repeated
        Rows that say again what another one of the delivery says, at the same arrival.
    key_clashes
        Accepted rows with key and event time of another accepted row under a different row identifier.
    nulls
        Column -> accepted rows without a value, where there are any.
    broken
        "column: rule" -> rows that broke it; a row may break several.
    days
        Day in Shanghai -> accepted rows that happened on it, for the last `DAYS_KEPT` days of a resource that is delivered
        daily or in real time: a gap of one day is invisible in the count of a month.
    """

    delivery_id: str
    complete_until: str
    rows: int
    accepted: int
    quarantined: int
    repeated: int
    key_clashes: int
    nulls: Mapping[str, int]
    broken: Mapping[str, int]
    days: Mapping[str, int]


def measure(accepted: pa.Table, resource: Resource, violations: Iterable[Violation]) -> dict[str, Any]:
    """Return the figures of a delivery that its manifest does not hold anyhow.

    Parameters
    ----------
    accepted
        Rows that hold their contract, as delivered: with raw identifiers, before pseudonymisation, because the key of a
        row is made of them.
    violations
        What the quarantined rows broke.
    """
    nulls = {column.id: accepted[column.id].null_count for column in resource.columns}
    return {
        "key_clashes": _key_clashes(accepted, resource),
        "nulls": {name: count for name, count in nulls.items() if count},
        "broken": dict(sorted(Counter(f"{one.column}: {one.rule}" for one in violations).items())),
        "days": _days(accepted, resource),
    }


def quality_of(delivery: DeliveryManifest) -> DeliveryQuality:
    """Return the figures of a committed delivery; one of a time before they were measured has its counts only."""
    unmeasured: dict[str, Any] = {"key_clashes": 0, "nulls": {}, "broken": {}, "days": {}}
    return DeliveryQuality(
        delivery_id=delivery.delivery_id, complete_until=delivery.complete_until, quarantined=delivery.quarantined,
        repeated=delivery.repeated, accepted=delivery.rows,
        rows=delivery.rows + delivery.quarantined + delivery.repeated, **(unmeasured | delivery.quality),
    )


def _days(accepted: pa.Table, resource: Resource) -> dict[str, int]:
    if resource.cycle not in ("realtime", "daily") or not len(accepted):
        return {}
    happened = accepted[resource.event_time]
    if pa.types.is_timestamp(happened.type):
        happened = pc.local_timestamp(happened.cast(pa.timestamp("us", tz=SHANGHAI.key)))
    counts = pc.value_counts(happened.cast(pa.date32())).to_pylist()
    newest = max(entry["values"] for entry in counts)
    return {
        entry["values"].isoformat(): entry["counts"]
        for entry in sorted(counts, key=lambda entry: entry["values"])
        if (newest - entry["values"]).days < DAYS_KEPT
    }


def _key_clashes(accepted: pa.Table, resource: Resource) -> int:
    """Return how many standing rows share key and event time with another row than their own earlier versions.

    Rows are told apart by 64-bit hashes: among twenty million the chance that two differ and agree is below 1e-4, and a
    figure would be off by one row.
    """
    import polars as pl

    if not len(accepted):
        return 0
    row_id, _, withdrawn = (column.id for column in ENVELOPE)
    names = [*dict.fromkeys([*resource.key, resource.event_time])]
    gone = pc.any(accepted[withdrawn]).as_py()
    standing = accepted.filter(pc.invert(accepted[withdrawn])) if gone else accepted
    claims = pl.DataFrame(standing.select([*names, row_id]))
    keys = _distinct(claims.select(names))
    # Versions of one row share its identifier: they are corrections, not clashes.
    return 0 if keys == len(claims) else _distinct(claims) - keys


def _distinct(frame: pl.DataFrame) -> int:
    return frame.hash_rows(seed=_HASH_SEED).n_unique()
