"""Everybody that a product is about at past cut-offs, with what was known of them then: for scoring whole populations.

The features come through Feast as training reads them, so a row is what the online store answered, or would have answered, at
that cut-off. Beside them stand the operator and what peers are told apart by: size of the fleet and kind of transport.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from features.build import TIMESTAMP
from features.online_inputs import SourceAge
from features.online_plan import read_plan
from features.product import ProductFeatures
from features.products import PRODUCT_FEATURES
from features.views import open_store, service_of
from features.warehouse import Warehouse
from registry.entities import ENTERPRISE, VEHICLE
from registry.fleet_size import FLEET_SIZE_EDGES
from registry.local_time import SHANGHAI
from registry.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from features.snapshot import FeatureSnapshot

SIZE, BUSINESS, FLEET = "size_class", "business", "fleet_n"
_IDENTITY: Final = "vehicle_profile"
_TOLD_APART_BY: Final = "industry_type"


@dataclass(frozen=True)
class Population:
    """Everybody at one cut-off.

    Parameters
    ----------
    cutoff
        The instant.
    frame
        Sorted by entity: its id, `enterprise_id`, `SIZE` (place among `FLEET_SIZE_EDGES`, null where the fleet is not known),
        `BUSINESS` (code of ``industry_type``, null where it is not known), and every feature of the product.
    sources
        Age of every resource at the cut-off.
    """

    cutoff: datetime
    frame: pd.DataFrame
    sources: tuple[SourceAge, ...]


def month_ends(snapshot: FeatureSnapshot, *, months: int) -> dict[str, datetime]:
    """Return the last cut-off of each of the newest months that have one, by month (``YYYY-MM`` in Shanghai), oldest first."""
    ends: dict[str, datetime] = {}
    for text in snapshot.cutoffs:
        cutoff = datetime.fromisoformat(text)
        # Midnight of the first day is the end of the month before.
        ends[f"{(cutoff - timedelta(seconds=1)).astimezone(SHANGHAI):%Y-%m}"] = cutoff
    return dict(sorted(ends.items())[-months:])


def populations(product_id: str, settings: Settings, cutoffs: Sequence[datetime], snapshot: FeatureSnapshot) -> list[Population]:
    """Return everybody that a product is about at each cut-off, in the order given.

    A vehicle that nobody operates, and an operator without a vehicle in operation, is not among them: the service does not know
    it either.
    """
    import pandas as pd

    product, store = PRODUCT_FEATURES[product_id], open_store(settings)
    spine = _spine(product, settings, cutoffs)
    own = product.entity.id_column
    if spine.empty:
        joined = spine.reindex(columns=[*spine.columns, *(feature.name for feature in product.features)])
    else:
        joined = store.get_historical_features(
            entity_df=spine, features=service_of(store, product_id), filter_by_created_timestamp=True
        ).to_df()
    made = []
    plan, deliveries = read_plan(product_id, None), _deliveries(settings, product_id)
    for cutoff in cutoffs:
        rows = joined[joined[TIMESTAMP] == pd.Timestamp(cutoff)].sort_values(own, kind="stable").reset_index(drop=True)
        complete = _complete_until(deliveries, cutoff, snapshot)
        made.append(Population(cutoff, rows.drop(columns=[TIMESTAMP, FLEET]), plan.sources(complete, cutoff)))
    return made


def _spine(product: ProductFeatures, settings: Settings, cutoffs: Sequence[datetime]) -> pd.DataFrame:
    import pandas as pd

    columns = [VEHICLE.id_column, ENTERPRISE.id_column, _TOLD_APART_BY, TIMESTAMP]
    fleet = pd.read_parquet(
        settings.feature_dir / f"{_IDENTITY}.parquet", columns=columns,
        filters=[(TIMESTAMP, "in", [pd.Timestamp(cutoff) for cutoff in cutoffs])],
    ).rename(columns={_TOLD_APART_BY: BUSINESS})
    fleet = fleet[fleet[ENTERPRISE.id_column].notna()]
    operators = _operators(fleet)
    if product.entity == ENTERPRISE:
        return operators
    sizes = operators.drop(columns=[BUSINESS])
    return fleet.merge(sizes, on=[ENTERPRISE.id_column, TIMESTAMP], how="left", validate="many_to_one")


def _operators(fleet: pd.DataFrame) -> pd.DataFrame:
    """Return every operator of a fleet with its size and the kind of transport of most of its vehicles."""
    import numpy as np

    key = [ENTERPRISE.id_column, TIMESTAMP]
    size = fleet.groupby(key).size().rename(FLEET).reset_index()
    size[SIZE] = np.digitize(size[FLEET], FLEET_SIZE_EDGES).astype("int8")
    counted = fleet.groupby([*key, BUSINESS]).size().rename("n").reset_index()
    # Of kinds that are equally common, the one with the lower code.
    most = counted.sort_values([*key, "n", BUSINESS], ascending=[True, True, False, True]).drop_duplicates(key)
    return size.merge(most[[*key, BUSINESS]], on=key, how="left", validate="one_to_one")


def _deliveries(settings: Settings, product_id: str) -> dict[str, list[tuple[datetime, datetime]]]:
    """Return, by resource, the first event of every delivery and until when it vouches for being complete."""
    warehouse = Warehouse(settings.warehouse_dir)
    named = [age.resource for age in read_plan(product_id, None).sources({}, datetime.max.replace(tzinfo=UTC))]
    return {
        name: [
            (datetime.fromisoformat(one.first_event or one.complete_until), datetime.fromisoformat(one.complete_until))
            for one in warehouse.deliveries(name) if one.complete_until
        ]
        for name in named
    }


def _complete_until(
    deliveries: dict[str, list[tuple[datetime, datetime]]], cutoff: datetime, snapshot: FeatureSnapshot
) -> dict[str, str | None]:
    """Return until when each resource was complete at a cut-off.

    Deliveries bundle rows that came one after the other. What counts is when a row came, not its bundle: a delivery that had
    begun by the cut-off was complete up to it.
    """
    if cutoff == snapshot.as_of_time:
        return snapshot.complete_until
    return {
        name: max((min(end, cutoff).astimezone(UTC).isoformat() for begin, end in known if begin <= cutoff), default=None)
        for name, known in deliveries.items()
    }
