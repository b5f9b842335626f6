"""The stock assembly that benches measure against: Feast's SDK on its own SQLite store, MLflow's pyfunc, shap's TreeExplainer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import datetime, timedelta
from io import StringIO
from typing import Any, Final

from registry.entities import VEHICLE
from registry.settings import Settings

OPERATOR: Final = "vehicle_profile:enterprise_id"


class StockAssembly:
    """Scores and explains vehicles of a home the way that the libraries suggest; nothing is pseudonymised or recorded.

    Parameters
    ----------
    settings
        A home whose product is live and loaded.
    product
        The product.
    """

    def __init__(self, settings: Settings, product: str) -> None:
        import lightgbm
        import mlflow
        import shap

        from features.views import service_of
        from registry.models import MODEL_PREFIX
        from registry.promotion import live
        from registry.scorer import load_scorer

        found = live(settings)[product]
        self._settings, self._scorer = settings, load_scorer(found.folder, settings.keys_dir, digest=found.digest)
        mlflow.set_tracking_uri(settings.mlflow_uri)
        self._model = mlflow.pyfunc.load_model(f"models:/{MODEL_PREFIX}{product}/{found.version}")
        manifest = self._scorer.manifest
        self._explainers = [
            shap.TreeExplainer(
                lightgbm.Booster(model_str=self._scorer.bundle.booster_text(one.name)), feature_perturbation="tree_path_dependent"
            )
            for one in manifest.components
        ]
        self._store = _store(settings, product)
        self._service = service_of(self._store, product)
        self._types = {one.name: object if one.dtype == "category" else float for one in manifest.features}

    def vehicles(self, vins: Sequence[str]) -> list[str]:
        """Return the pseudonyms of those vehicles that have an operator: Feast cannot read an entity whose key is null."""
        from serving.start import make_desk

        found = make_desk(self._settings).source.resolve_many(VEHICLE, [{"vin": vin} for vin in vins])
        ids = [one for one in found if isinstance(one, str)]
        operators = self._store.get_online_features([OPERATOR], {"vehicle_id": ids}).to_dict()["enterprise_id"]
        return [one for one, operator in zip(ids, operators, strict=True) if operator is not None]

    def answer(self, ids: Sequence[str]) -> Any:
        """Return predictions of vehicles, after their exact explanation was computed as well."""
        entities: dict[str, list[Any]] = {"vehicle_id": list(ids)}
        entities["enterprise_id"] = self._store.get_online_features([OPERATOR], entities).to_dict()["enterprise_id"]
        frame = self._store.get_online_features(self._service, entities).to_df()[list(self._types)].astype(self._types)
        predicted = self._model.predict(frame)
        matrix = self._scorer.encode_frame(frame)
        for explainer in self._explainers:
            explainer.shap_values(matrix)
        return predicted


def _store(settings: Settings, product: str) -> Any:
    """Return a store on Feast's own SQLite, filled with the rows that ours holds."""
    from feast.repo_config import RepoConfig

    from features.feast_door import import_feast
    from features.products import PRODUCT_FEATURES
    from features.views import PROJECT, feast_objects, published

    feast = import_feast()
    store = feast.FeatureStore(config=RepoConfig(
        project=PROJECT, provider="local", registry={"registry_type": "file", "path": str(settings.home / "stock.pb")},
        online_store={"type": "sqlite", "path": str(settings.home / "stock.db")}, offline_store={"type": "duckdb"},
        entity_key_serialization_version=3, repo_path=settings.home,
    ))
    with redirect_stdout(StringIO()):
        store.apply(feast_objects(settings.feature_dir))
        until = datetime.fromisoformat(published(settings).snapshot.as_of)
        store.materialize(until - timedelta(days=400), until, feature_views=list(PRODUCT_FEATURES[product].families))
    return store
