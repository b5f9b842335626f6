"""Training data: labels joined with the features that were known at their instant, through Feast."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING

from features.build import TIMESTAMP, label_table
from features.families.base import FEATURE_TTL_D
from features.formulas import FORMULA_FAMILIES
from features.packed.rows import Publication, settled_rows
from features.product import ProductFeatures
from features.products import PRODUCT_FEATURES
from features.snapshot import FeatureSnapshot, read_snapshot
from features.views import IDENTITY_VIEW, PROJECT, definitions_digest, feast_objects, open_store, service_of
from registry.errors import DataError, NotFound
from registry.settings import Settings

if TYPE_CHECKING:
    import feast
    import pandas as pd


def apply_store(settings: Settings) -> feast.FeatureStore:
    """Register every entity, view and service with Feast and return the store. Applying again changes nothing."""
    store = open_store(settings)
    store.apply(feast_objects(settings.feature_dir))
    store.provider.online_store.rows(store.config).close()
    expected = {*PRODUCT_FEATURES}
    met = {service.name for service in store.list_feature_services()}
    if not expected <= met:
        raise DataError(f"Feast registered {sorted(met)}, {sorted(expected)} were applied", where=str(settings.feast_dir))
    return store


def training_rows(
    product_id: str, settings: Settings, *, max_rows: int | None = None
) -> tuple[pd.DataFrame, FeatureSnapshot]:
    """Return labelled rows with their point-in-time features.

    Parameters
    ----------
    product_id
        A scored product.
    settings
        Where the tables lie.
    max_rows
        At most so many rows, taken evenly by a hash of the row's identity; None for all.

    Returns
    -------
    tuple
        Frame with the ids of the product's entities, `event_timestamp`, the targets, every feature and the columns of the
        product's formulas, in the order of the label table; and the snapshot that it comes from. Formulas that the snapshot
        was built without are left out: a model is trained without them, only judged by fewer baselines.
    """
    import pandas as pd

    product, snapshot = PRODUCT_FEATURES[product_id], read_snapshot(settings.feature_dir)
    labels = pd.read_parquet(settings.feature_dir / f"{label_table(product_id)}.parquet")
    if labels.empty:
        raise DataError(f"no matured label for {product_id}", remedy="Ingest a longer history.")
    if max_rows is not None and len(labels) > max_rows:
        labels = _thinned(labels, max_rows, [entity.id_column for entity in product.joins])
    store = open_store(settings)
    joined: pd.DataFrame = store.get_historical_features(
        entity_df=labels, features=_references(store, product, snapshot), filter_by_created_timestamp=True
    ).to_df()
    key = [*(entity.id_column for entity in product.joins), TIMESTAMP]
    ordered = joined.sort_values(key, kind="stable").reset_index(drop=True)
    if len(ordered) != len(labels):
        raise DataError(f"Feast returned {len(ordered)} rows for {len(labels)} labels of {product_id}")
    return ordered, snapshot


def _references(store: feast.FeatureStore, product: ProductFeatures, snapshot: FeatureSnapshot) -> list[str]:
    """Return ``view:column`` of the inputs that the product's service names, then of its formulas."""
    service = service_of(store, product.id)
    references = [
        f"{view.name_to_use()}:{feature.name}" for view in service.feature_view_projections for feature in view.features
    ]
    built = [family for family in product.formulas if family in snapshot.tables]
    absent = {*built} - {view.name for view in store.list_feature_views()}
    if absent:
        raise NotFound(f"no view {min(absent)!r} in Feast", remedy="Run `roadrisk features apply`.")
    return [*references, *(f"{family}:{name}" for family in built for name in FORMULA_FAMILIES[family].names)]


def materialise(
    settings: Settings, *, full: bool = False, progress: Callable[[str, float], None] | None = None
) -> FeatureSnapshot:
    """Load the newest rows of every view into the online store. Running it again changes nothing.

    Rows that the store holds already are not written again, unless the features have been defined or built anew since. Until
    every view is loaded the store answers as before; then it holds the whole build at once.

    Parameters
    ----------
    settings
        Where the tables and the store lie.
    full
        Whether every row is written, whatever the store holds.
    progress
        Called with a view's name and the share done, 0 to 1.

    Raises
    ------
    NotFound
        If nothing has been built, or a view is not registered.
    DataError
        If the store holds a newer snapshot than the one built.
    """
    snapshot, definitions = read_snapshot(settings.feature_dir), definitions_digest()
    held = _held(settings)
    _refuse_older(snapshot, held)
    store = open_store(settings, rewrite=full or not _continues(snapshot, definitions, held))
    rows = store.provider.online_store.rows(store.config)
    rows.begin()
    try:
        _load(store, snapshot, progress)
        rows.publish(snapshot, definitions)
    except BaseException:
        rows.abandon()
        raise
    finally:
        rows.close()
    if progress is not None:
        progress("done", 1.0)
    return snapshot


def _load(store: feast.FeatureStore, snapshot: FeatureSnapshot, progress: Callable[[str, float], None] | None) -> None:
    views = [*dict.fromkeys(family for product in PRODUCT_FEATURES.values() for family in product.families)]
    views.append(IDENTITY_VIEW)
    for position, view in enumerate(views):
        if progress is not None:
            progress(view, position / len(views))
        try:
            found = store.get_feature_view(view)
        except Exception as error:
            raise NotFound(f"no view {view!r} in Feast", remedy="Run `roadrisk features apply`.") from error
        begin = snapshot.as_of_time - (found.ttl or timedelta(days=FEATURE_TTL_D))
        # Feast prints its own progress on standard output, where results belong.
        with redirect_stdout(StringIO()):
            store.materialize(begin, snapshot.as_of_time, feature_views=[view])


def _held(settings: Settings) -> Publication | None:
    rows = settled_rows(settings, PROJECT)
    try:
        return rows.published()
    finally:
        rows.close()


def _refuse_older(snapshot: FeatureSnapshot, held: Publication | None) -> None:
    if held is not None and held.snapshot.as_of_time > snapshot.as_of_time:
        raise DataError(
            f"the online store holds {held.snapshot.as_of}, the newest build is of {snapshot.as_of}",
            remedy="Build from all deliveries, or empty the store and run `roadrisk features apply` to begin anew.",
        )


def _continues(snapshot: FeatureSnapshot, definitions: str, held: Publication | None) -> bool:
    """Return whether the rows that the store holds are still right, so that only others need to be written."""
    if held is None or held.definitions != definitions:
        return False
    return held.snapshot.digest == snapshot.digest or held.snapshot.as_of_time < snapshot.as_of_time


def _thinned(labels: pd.DataFrame, max_rows: int, ids: list[str]) -> pd.DataFrame:
    import pandas as pd

    # A hash of identity, not a random draw: the same rows stay chosen when others come and go.
    order = pd.util.hash_pandas_object(labels[[*ids, TIMESTAMP]], index=False)
    kept = order.nsmallest(max_rows).index
    return labels.loc[sorted(kept)].reset_index(drop=True)
