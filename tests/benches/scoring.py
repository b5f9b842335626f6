"""Score and explain with our scorer, beside MLflow's pyfunc and `shap.TreeExplainer` on the same bundle.

The bundle is a Poisson score of 300 trees on 20 numbers, trained and saved as every score is. Ours: plain rows through
`Scorer.encode` and `Scorer.explain` (points and every exact contribution), or `Scorer.points` where only the score is
asked for. The peer: the same model loaded with `mlflow.pyfunc.load_model`, whose signature is enforced on a DataFrame that
is ready made, and `shap.TreeExplainer` (path-dependent) on a matrix that is ready made. Single rows take one thread of ours, as
in the service; a batch takes all cores, as the peer does always, because it has no setting for it. The values are equal; the
bench ends with an error if they are not.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from registry.bundle import ScoreBundle
from registry.models import ModelRegistry
from registry.scorer import Scorer
from registry.settings import Settings
from tests.lib.bundles import write_signed
from tests.lib.portfolios import NUMBERS, portfolio, portfolio_task
from tests.lib.timing import medians
from training.assemble import assemble
from training.calibration import calibrate
from training.fit import fit_score

TITLE: Final = "Scoring and explaining"
FIGURES: Final = {
    "single_explained_time_ratio": "one row, score and exact contributions: our time / pyfunc + TreeExplainer",
    "single_scored_time_ratio": "one row, score only: our time / pyfunc",
    "batch_10000_scored_time_ratio": "10,000 rows, score only: our time / pyfunc",
    "batch_400_explained_time_ratio": "400 rows, score and contributions: our time / pyfunc + TreeExplainer",
    "single_explained_us": "our time for one explained row, in microseconds",
    "largest_difference": "largest difference of any point or contribution between the two",
}
N_BATCH, N_EXPLAINED = 10_000, 400


def run() -> dict[str, float]:
    """Return the figures."""
    bundle = _bundle()
    with tempfile.TemporaryDirectory() as folder:
        return _measure(bundle, _pyfunc(bundle, Path(folder)))


def _measure(bundle: ScoreBundle, peer: Any) -> dict[str, float]:
    import lightgbm
    import shap

    scorer, wide = Scorer(bundle, threads=1), Scorer(bundle, threads=os.cpu_count() or 1)
    booster = lightgbm.Booster(model_str=bundle.booster_text("claims"))
    explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    frame = portfolio(N_BATCH, seed=9)[list(NUMBERS)]
    rows = [{name: None if np.isnan(value) else value for name, value in row.items()} for row in frame.to_dict("records")]
    matrix, one = scorer.encode(rows)[0], frame.iloc[:1]
    some, few = frame.iloc[:N_EXPLAINED], rows[:N_EXPLAINED]
    single = medians({
        "ours": lambda: scorer.explain(scorer.encode(rows[:1])[0]),
        "peer": lambda: (peer.predict(one), explainer.shap_values(matrix[:1])),
        "ours scored": lambda: scorer.points(scorer.encode(rows[:1])[0]),
        "peer scored": lambda: peer.predict(one),
    }, rounds=60)
    batch = medians({
        "ours scored": lambda: wide.points(wide.encode(rows)[0]),
        "peer scored": lambda: peer.predict(frame),
    }, rounds=5)
    explained = medians({
        "ours": lambda: wide.explain(wide.encode(few)[0]),
        "peer": lambda: (peer.predict(some), explainer.shap_values(matrix[:N_EXPLAINED])),
    }, rounds=3, warm=False)
    return {
        "single_explained_time_ratio": single["ours"] / single["peer"],
        "single_scored_time_ratio": single["ours scored"] / single["peer scored"],
        "batch_10000_scored_time_ratio": batch["ours scored"] / batch["peer scored"],
        "batch_400_explained_time_ratio": explained["ours"] / explained["peer"],
        "single_explained_us": single["ours"] * 1e6,
        "largest_difference": _difference(scorer, peer, explainer, some, matrix[:N_EXPLAINED]),
    }


def _difference(scorer: Scorer, peer: Any, explainer: Any, frame: pd.DataFrame, matrix: Any) -> float:
    (component,) = scorer.manifest.components
    ours = scorer.explain(matrix)
    points = np.abs(peer.predict(frame)["points"].to_numpy() - ours.points).max()
    parts = np.abs(explainer.shap_values(matrix) * component.slope - ours.component_contributions[:, 0]).max()
    largest = float(max(points, parts))
    assert largest < 1e-9, f"the two ways differ by {largest}"
    return largest


def _bundle() -> ScoreBundle:
    fitted = fit_score(
        portfolio_task(), portfolio(20_000), seed=1, threads=2, parameters={"n_trees": 300, "patience": 0}
    )
    return assemble(calibrate(fitted)[0], snapshot="bench")


def _pyfunc(bundle: ScoreBundle, folder: Path) -> Any:
    from registry.models import import_mlflow

    import_mlflow()
    import mlflow.pyfunc

    signed, keys_dir = write_signed(bundle, folder)
    os.environ["ROADRISK_KEYS_DIR"] = str(keys_dir)
    models = ModelRegistry(Settings(home=folder / "home", keys_dir=keys_dir))
    version = models.register(signed, run_id=models.client.create_run(models.experiment("bench")).info.run_id)
    return mlflow.pyfunc.load_model(str(models.get(bundle.manifest.product, version).source))
