"""How MLflow's own tools score a bundle: `mlflow models serve` and `mlflow.pyfunc.load_model`.

MLflow copies this file into the model folder and runs it there (models from code), so nothing is pickled. It needs the
installed platform. Our service never goes this way; it loads the bundle itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.pyfunc  # noqa: TID253 - MLflow is this module's subject, and only MLflow runs it
import pandas as pd
from mlflow.models import set_model  # noqa: TID253

from registry.answers import answer_of
from registry.bundle import parse_bundle, read_files
from registry.encoding import as_row
from registry.errors import InvalidRequest
from registry.scorer import Scorer
from registry.settings import Settings
from registry.signing import verify_files


class BundleModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow ships no type information we follow
    """A score bundle as an MLflow model."""

    def load_context(self, context: Any) -> None:
        """Verify and load the bundle; the public key is looked for in `ROADRISK_KEYS_DIR`.

        Raises
        ------
        BundleRefused
            If the bundle is unsigned, or its digest or signature does not verify.
        ConfigurationError
            If there is no public key: nobody scores with what cannot be verified.
        """
        self._scorer = _verified(Path(context.artifacts["bundle"]), Settings().keys_dir)

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return points, margin and the answer's quantities, one row each; a rate is per unit of exposure.

        Raises
        ------
        InvalidRequest
            If an input is missing, of the wrong kind or not finite.
        """
        return score_frame(self._scorer, model_input)


def score_frame(scorer: Scorer, frame: pd.DataFrame) -> pd.DataFrame:
    """Return points, margin and answer columns of a frame whose columns are matched by name; NaN and NA are null."""
    names = list(scorer.manifest.feature_names)
    missing = [name for name in names if name not in frame]
    if missing:
        # The signature declares every column optional, because only then may it be null; absent it may not be.
        raise InvalidRequest(
            f"inputs do not match the model: missing {missing}", remedy="Send every input; null says it is not known."
        )
    inputs = frame[names].astype(object)
    values = inputs.where(inputs.notna(), None).to_numpy().tolist()
    matrix, _ = scorer.encode([as_row(dict(zip(names, row, strict=True))) for row in values])
    answers = [answer_of(scorer.manifest, margins) for margins in scorer.component_margins(matrix).tolist()]
    scores = pd.DataFrame({"points": scorer.points(matrix), "margin": scorer.margin(matrix)}, index=frame.index)
    return scores.join(pd.DataFrame(answers, index=frame.index))


def _verified(folder: Path, keys_dir: Path) -> Scorer:
    files = read_files(folder)
    verify_files(files, keys_dir, where=str(folder))
    return Scorer(parse_bundle(files, where=str(folder)))


set_model(BundleModel())
