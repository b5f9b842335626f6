"""The model registry: versions of each product's bundle in MLflow, as a client library on its own database.

One registered model per product, `roadrisk-<product>`; a version is an MLflow model from code (`registry.pyfunc_model`)
around the bundle folder, with a signature and an input example, so that MLflow's own tools score it too. What our
service loads is the signed bundle itself in `Settings.bundle_dir`, found by product and digest without MLflow.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlparse

from registry.bundle import Manifest, ScoreBundle, parse_bundle, read_files
from registry.errors import BundleRefused, NotFound
from registry.locks import exclusive
from registry.sbom import SBOM, write_sbom
from registry.settings import Settings
from registry.signing import verify_files

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

MODEL_PREFIX: Final = "roadrisk-"
LIVE_ALIAS: Final = "live"
CARD: Final = "card.json"
REQUIREMENTS: Final = ("cryptography", "lightgbm", "mlflow", "numpy", "pandas", "pydantic", "pydantic-settings")
"""What scoring imports, pinned to what is installed. Our own name is left out: no public index has this platform, and
a name that an index lacks is a name that somebody else may take."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered version.

    Parameters
    ----------
    product, version
        Together they name it.
    digest
        Digest of its bundle.
    run_id
        MLflow run that made it.
    folder
        Signed bundle in `Settings.bundle_dir`.
    source
        MLflow's model folder.
    created_ms
        When it was registered, in milliseconds since 1970-01-01 UTC.
    """

    product: str
    version: int
    digest: str
    run_id: str
    folder: Path
    source: Path
    created_ms: int


def bundle_folder(settings: Settings, product: str, digest: str) -> Path:
    """Return where the bundle of a product with a digest lies, as `registry.bundle.write_bundle` names it."""
    return settings.bundle_dir / f"{product}-{digest[:16]}"


class ModelRegistry:
    """Model versions in MLflow. Made cheaply; MLflow is imported at the first use.

    Parameters
    ----------
    settings
        Tells where MLflow's database and artefacts lie.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client on our database; the first use makes the database."""
        import_mlflow()
        from mlflow import MlflowClient

        with exclusive(self._lock):
            # The database is migrated at the first connection; two processes doing so at once break it.
            return MlflowClient(self._settings.mlflow_uri, self._settings.mlflow_uri)

    def experiment(self, name: str) -> str:
        """Return the id of the experiment with this name, made when missing with its artefacts in `mlflow_dir`."""
        location = (self._settings.mlflow_dir / "artifacts" / name).absolute().as_uri()
        client = self.client
        with exclusive(self._lock):
            found = client.get_experiment_by_name(name)
            return str(found.experiment_id if found else client.create_experiment(name, artifact_location=location))

    def register(self, bundle_folder: Path, *, run_id: str, card: Path | None = None) -> int:
        """Register the signed bundle in a folder as the next version of its product and return the version's number.

        Registering the same bundle of the same run again changes nothing and returns the version it has. A bill of
        materials (`registry.sbom`) is written beside the card and kept with the version.

        Parameters
        ----------
        bundle_folder
            A signed bundle; it is copied to `Settings.bundle_dir` when it lies elsewhere.
        run_id
            MLflow run that made the bundle.
        card
            Model card, a JSON object with `metrics`.

        Raises
        ------
        BundleRefused
            If the bundle does not verify.
        """
        bundle = self._adopt(bundle_folder)
        product = bundle.manifest.product
        for made in self.versions(product):
            if (made.run_id, made.digest) == (run_id, bundle.digest):
                return made.version
        source = self._log(bundle, run_id, card)
        name, client = MODEL_PREFIX + product, self.client
        with exclusive(self._lock):
            if not client.search_registered_models(filter_string=f"name = '{name}'"):
                client.create_registered_model(name, tags={"product": product})
            tags = {"digest": bundle.digest, "product": product}
            return int(client.create_model_version(name, source, run_id, tags=tags).version)

    def products(self) -> list[str]:
        """Return the products that have versions, sorted."""
        if not self._has_database():
            return []
        names = [model.name for model in self.client.search_registered_models(max_results=1000)]
        return sorted(name.removeprefix(MODEL_PREFIX) for name in names if name.startswith(MODEL_PREFIX))

    def versions(self, product: str) -> list[ModelVersion]:
        """Return the versions of a product, oldest first; empty when it has none."""
        if not self._has_database():
            return []
        found = self.client.search_model_versions(f"name = '{MODEL_PREFIX}{product}'", max_results=10_000)
        return sorted((self._version(product, made) for made in found), key=lambda made: made.version)

    def get(self, product: str, version: int) -> ModelVersion:
        """Return a version.

        Raises
        ------
        NotFound
            If the product has no such version.
        """
        versions = self.versions(product)
        for made in versions:
            if made.version == version:
                return made
        known = ", ".join(str(made.version) for made in versions) or "none"
        raise NotFound(
            f"no version {version} of {product}", where="model registry",
            remedy=f"Versions of {product}: {known}. See `roadrisk models list`.",
        )

    def card(self, made: ModelVersion) -> dict[str, Any] | None:
        """Return a version's model card; None when it was registered without one.

        Raises
        ------
        BundleRefused
            If the card is no JSON object.
        """
        path = made.source / CARD
        if not path.is_file():
            return None
        try:
            card = json.loads(path.read_bytes())
        except ValueError as error:
            raise BundleRefused(f"model card is no JSON: {error}", where=str(path)) from error
        if not isinstance(card, dict):
            raise BundleRefused(f"model card is a {type(card).__name__}, an object is needed", where=str(path))
        return card

    def tag(self, made: ModelVersion, name: str) -> str | None:
        """Return a tag of the run that made a version; None where it has none or the run is gone."""
        from mlflow.exceptions import MlflowException

        try:
            value = self.client.get_run(made.run_id).data.tags.get(name)
        except MlflowException:
            return None
        return None if value is None else str(value)

    def set_alias(self, product: str, version: int, alias: str = LIVE_ALIAS) -> None:
        """Point an alias at a version. A mirror for MLflow's own tools: the promotion ledger is what counts."""
        client = self.client  # its first use takes the same lock
        with exclusive(self._lock):
            # MLflow answers two writers of one alias with a raw database error.
            client.set_registered_model_alias(MODEL_PREFIX + product, alias, str(version))

    def _has_database(self) -> bool:
        # Asking makes nothing: MLflow would migrate a new database, which takes seconds.
        return (self._settings.mlflow_dir / "mlflow.db").is_file()

    @property
    def _lock(self) -> Path:
        return self._settings.mlflow_dir / "registry.lock"

    def _adopt(self, folder: Path) -> ScoreBundle:
        files = read_files(folder)
        digest = verify_files(files, self._settings.keys_dir, where=str(folder))
        bundle = parse_bundle(files, where=str(folder))
        home = bundle_folder(self._settings, bundle.manifest.product, digest)
        if not home.exists():
            home.parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=home.parent))
            shutil.copytree(folder, staging, dirs_exist_ok=True)
            staging.rename(home)
        return bundle

    def _log(self, bundle: ScoreBundle, run_id: str, card: Path | None) -> str:
        artifact_path = f"{MODEL_PREFIX}{bundle.manifest.product}-{bundle.digest[:16]}"
        run = self.client.get_run(run_id)
        with tempfile.TemporaryDirectory(prefix="roadrisk-model-") as staging:
            model = Path(staging) / "model"
            self._save(bundle, model)
            if card is not None:
                shutil.copyfile(card, model / CARD)
            shutil.copyfile(write_sbom(self._settings, bundle.manifest.product, bundle.digest), model / SBOM)
            self.client.log_artifacts(run_id, str(model), artifact_path)
        return f"{run.info.artifact_uri}/{artifact_path}"

    def _save(self, bundle: ScoreBundle, model: Path) -> None:
        import_mlflow()
        import mlflow.pyfunc

        mlflow.pyfunc.save_model(
            model,
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={"bundle": str(bundle_folder(self._settings, bundle.manifest.product, bundle.digest))},
            pip_requirements=_pinned(),
            signature=signature_of(bundle.manifest),
            input_example=example_of(bundle),
            metadata={"product": bundle.manifest.product, "digest": bundle.digest},
        )

    def _version(self, product: str, made: Any) -> ModelVersion:
        digest = made.tags["digest"]
        return ModelVersion(
            product, int(made.version), digest, made.run_id, bundle_folder(self._settings, product, digest),
            Path(unquote(urlparse(made.source).path)), int(made.creation_timestamp),
        )


def import_mlflow() -> None:
    """Import MLflow as we want it: no telemetry, no progress bars, no news of its own while it loads."""
    # Raw data do not leave the domain, and neither does how the platform is used.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # While being imported it warns about its own type hints and about how it maps its own tables.
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 - loaded here for its warnings


def signature_of(manifest: Manifest) -> ModelSignature:
    """Return the MLflow signature: doubles and strings that may be null, and the answer's columns."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from registry.answers import answer_of

    # MLflow lets a null through in an optional column only; the model itself refuses a column that is absent.
    inputs = [
        ColSpec("string" if feature.dtype == "category" else "double", feature.name, required=False)
        for feature in manifest.features
    ]
    answers = answer_of(manifest, [0.0] * len(manifest.components))
    outputs = [ColSpec("double", name) for name in ("points", "margin", *answers)]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def example_of(bundle: ScoreBundle) -> pd.DataFrame:
    """Return the golden rows as a caller would send them, with the bundle's own categories and nulls."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for index, feature in enumerate(bundle.manifest.features):
        values = [row[index] for row in bundle.golden.rows]
        if feature.dtype == "category":
            names = ("(other)", *feature.vocabulary)
            columns[feature.name] = pd.Series([None if v is None else names[int(v)] for v in values], dtype=object)
        else:
            columns[feature.name] = pd.Series(values, dtype="float64")
    return pd.DataFrame(columns)


def _pinned() -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in REQUIREMENTS]
