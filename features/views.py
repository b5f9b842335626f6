"""Feast objects, derived from the families: one entity, source and view each, one service per product.

Feast is used as a library on local files. No on-demand views: they store code in the registry and execute it in readers.
"""

from __future__ import annotations

import hashlib
import warnings
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from features import families
from features.build import CREATED, TIMESTAMP
from features.families import FAMILIES, Family
from features.families.base import FEATURE_TTL_D
from features.feast_door import import_feast
from features.formulas import FORMULA_FAMILIES
from features.packed import PACKED_TYPE
from features.packed.rows import ONLINE_FILE, Publication, publication_of, settled_rows
from features.pit import ENGINE_TYPE, STORE_TYPE
from features.products import PRODUCT_FEATURES
from registry.entities import ENTERPRISE, VEHICLE, Entity
from registry.errors import NotFound
from registry.settings import Settings

if TYPE_CHECKING:
    import feast

PROJECT: Final = "roadrisk"
PLATE_KEY: Final = "plate_id"
IDENTITY_VIEW: Final = "vehicle_identity"
"""View that leads from a plate to the vehicle that bears it now; no model reads it."""
SCORED_ENTITIES: Final = (ENTERPRISE, VEHICLE)


def feast_objects(feature_dir: Path) -> list[Any]:
    """Return every Feast object of the project: entities, views and services.

    Parameters
    ----------
    feature_dir
        Folder of the feature tables.
    """
    entities = {entity.id: _entity(entity) for entity in SCORED_ENTITIES}
    plate = _plate_entity()
    views = {
        family.id: _view(family, entities[family.entity.id], feature_dir / f"{family.id}.parquet")
        for family in (*FAMILIES.values(), *FORMULA_FAMILIES.values())
    }
    identity = _identity_view(plate, feature_dir / "vehicle_profile.parquet")
    services = [_service(product_id, views) for product_id in PRODUCT_FEATURES]
    return [*entities.values(), plate, *views.values(), identity, *services]


def open_store(settings: Settings, *, rewrite: bool = False) -> feast.FeatureStore:
    """Return the feature store: SQL registry on SQLite, Parquet offline, online rows in SQLite or where the settings say.

    Parameters
    ----------
    settings
        Where its files lie.
    rewrite
        Whether a load into the online store writes rows too that it holds already.
    """
    feast = import_feast()
    from feast.repo_config import RepoConfig

    # Feast makes every deprecation visible when it is imported; this one is between ibis and DuckDB.
    warnings.filterwarnings("ignore", "fetch_arrow_table", DeprecationWarning)
    settings.feast_dir.mkdir(parents=True, exist_ok=True)
    folder = settings.feast_dir.absolute()
    config = RepoConfig(
        project=PROJECT,
        provider="local",
        registry={
            "registry_type": "sql",
            "path": f"sqlite:///{folder / 'registry.db'}",
            # Feast refuses reads of a view while it is being materialised unless told otherwise.
            "serve_features_while_materializing": True,
            "cache_ttl_seconds": 3600,
        },
        online_store={
            "type": PACKED_TYPE, "path": str(folder / ONLINE_FILE), "url": settings.online_url, "rewrite": rewrite,
            "timeout_s": settings.store_timeout_s,
        },
        offline_store={"type": STORE_TYPE},
        batch_engine={"type": ENGINE_TYPE},
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    return feast.FeatureStore(config=config)


def published(settings: Settings) -> Publication:
    """Return what the online store holds.

    Raises
    ------
    NotFound
        If the store has never been filled.
    ServiceUnavailable
        If it does not answer.
    """
    rows = settled_rows(settings, PROJECT)
    try:
        return publication_of(rows)
    finally:
        rows.close()


def service_of(store: feast.FeatureStore, product_id: str) -> feast.FeatureService:
    """Return a product's feature service.

    Raises
    ------
    NotFound
        If Feast does not know it.
    """
    met = {service.name: service for service in store.list_feature_services()}
    if product_id not in met:
        raise NotFound(
            f"Feast has no service {product_id!r}, it has {sorted(met)}", remedy="Run `roadrisk features apply`."
        )
    return met[product_id]


def definitions_digest() -> str:
    """Return a hash over what defines the features: the code of the families and the fields of their views.

    A store that was loaded under another digest holds values of other definitions, whatever their instants.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(families.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    for family in FAMILIES.values():
        fields = [f"{feature.name}:{feature.dtype}" for feature in family.features]
        digest.update(repr((family.id, family.entity.id, family.links, family.ttl_d, fields)).encode())
    return digest.hexdigest()


def _entity(entity: Entity) -> feast.Entity:
    feast = import_feast()
    return feast.Entity(
        name=entity.id, join_keys=[entity.id_column], value_type=feast.ValueType.STRING, description=entity.en
    )


def _plate_entity() -> feast.Entity:
    feast = import_feast()
    return feast.Entity(
        name="plate", join_keys=[PLATE_KEY], value_type=feast.ValueType.STRING, description="number plate and its colour"
    )


def _source(name: str, path: Path) -> feast.FileSource:
    feast = import_feast()
    return feast.FileSource(
        name=name, path=str(path.absolute()), timestamp_field=TIMESTAMP, created_timestamp_column=CREATED
    )


def _view(family: Family, entity: feast.Entity, path: Path) -> feast.FeatureView:
    feast = import_feast()
    from feast.types import Float64, String

    links = [feast.Field(name=link, dtype=String) for link in family.links if link != PLATE_KEY]
    inputs = [
        feast.Field(name=feature.name, dtype=Float64 if feature.dtype == "float" else String, description=feature.en)
        for feature in family.features
    ]
    return feast.FeatureView(
        name=family.id, entities=[entity], schema=[*links, *inputs], source=_source(family.id, path),
        # Formulas stand beside a score when it is judged; whoever asks for a score is not told them.
        ttl=timedelta(days=family.ttl_d), online=family.id not in FORMULA_FAMILIES,
    )


def _identity_view(plate: feast.Entity, path: Path) -> feast.FeatureView:
    feast = import_feast()
    from feast.types import String

    fields = [feast.Field(name=name, dtype=String) for name in (VEHICLE.id_column, ENTERPRISE.id_column)]
    return feast.FeatureView(
        name=IDENTITY_VIEW, entities=[plate], schema=fields, source=_source(IDENTITY_VIEW, path),
        ttl=timedelta(days=FEATURE_TTL_D), online=True,
    )


def _service(product_id: str, views: dict[str, feast.FeatureView]) -> feast.FeatureService:
    feast = import_feast()
    product = PRODUCT_FEATURES[product_id]
    used = {feature.name for feature in product.features}
    chosen = [
        views[family][[feature.name for feature in FAMILIES[family].features if feature.name in used]]
        for family in product.families
    ]
    return feast.FeatureService(name=product_id, features=chosen)
