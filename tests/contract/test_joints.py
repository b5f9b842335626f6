"""The places where LightGBM, pandas, SHAP and MLflow disagree, and that a bundle survives every one of them."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from registry.answers import answer_of
from registry.bundle import ManifestFeature, ScoreBundle, make_bundle, read_files
from registry.errors import BundleRefused, InvalidRequest
from registry.feature_spec import Feature
from registry.models import ModelRegistry, ModelVersion
from registry.scorer import Scorer, load_scorer
from registry.settings import Settings
from registry.treeshap.engines import PRED_CONTRIB
from tests.lib.bundles import tiny_bundle, tiny_rows, write_signed

# shap, when imported, colours its pictures in a way that matplotlib is going to deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:The set_(bad|over|under) function:PendingDeprecationWarning")

CATEGORY = "use"
PRODUCTS = ("enterprise_risk", "insurance_pricing", "maintenance", "driver_fatigue")


@pytest.fixture(scope="module")
def bundle() -> ScoreBundle:
    return tiny_bundle("enterprise_risk")


@pytest.fixture(scope="module")
def scorer(bundle: ScoreBundle) -> Scorer:
    return Scorer(bundle)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = tiny_rows(seed=11, n=40)
    made[0][CATEGORY] = None
    made[1]["penalties_365d"] = None
    return made


@pytest.fixture(scope="module")
def registered(bundle: ScoreBundle, tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    home = tmp_path_factory.mktemp("registered")
    folder, keys_dir = write_signed(bundle, home)
    models = ModelRegistry(Settings(home=home / "home", keys_dir=keys_dir))
    run = models.client.create_run(models.experiment("joints"))
    version = models.register(folder, run_id=run.info.run_id)
    return models.get("enterprise_risk", version)


@pytest.fixture
def pyfunc(registered: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> Any:
    import mlflow.pyfunc

    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(registered.folder.parents[2] / "keys"))
    return mlflow.pyfunc.load_model(str(registered.source))


def as_frame(rows: list[dict[str, Any]], scorer: Scorer) -> pd.DataFrame:
    dtypes = {f.name: object if f.dtype == "category" else "float64" for f in scorer.manifest.features}
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=dtypes[name]) for name in dtypes})


def points_of(scorer: Scorer, rows: list[dict[str, Any]]) -> list[float]:
    return scorer.points(scorer.encode(rows)[0]).tolist()


def test_rows_rebuilt_from_json_score_the_same(scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    assert points_of(scorer, json.loads(json.dumps(rows))) == points_of(scorer, rows)


def test_one_row_scores_as_it_does_among_others(scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    assert [points_of(scorer, [row])[0] for row in rows] == points_of(scorer, rows)


def test_a_frame_scores_as_its_rows(scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    assert scorer.points(scorer.encode_frame(as_frame(rows, scorer))).tolist() == points_of(scorer, rows)


def test_a_pandas_category_with_its_own_codes_changes_nothing(scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    frame = as_frame(rows, scorer)
    frame[CATEGORY] = pd.Categorical(frame[CATEGORY], categories=["hazmat", "freight", "bus"])
    assert scorer.points(scorer.encode_frame(frame)).tolist() == points_of(scorer, rows)


def test_an_unseen_category_is_the_explicit_other_and_is_reported(scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    matrix, unseen = scorer.encode([rows[2] | {CATEGORY: "网约"}, rows[2] | {CATEGORY: None}])
    column = scorer.manifest.feature_names.index(CATEGORY)
    assert matrix[0, column] == 0.0
    assert math.isnan(matrix[1, column])
    assert unseen == [[CATEGORY], []]


def test_column_order_does_not_matter(scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    swapped = [dict(reversed(list(row.items()))) for row in rows]
    assert points_of(scorer, swapped) == points_of(scorer, rows)
    frame = as_frame(rows, scorer)
    assert scorer.points(scorer.encode_frame(frame[frame.columns[::-1]])).tolist() == points_of(scorer, rows)


def test_a_missing_or_extra_input_is_refused(scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    without = {name: value for name, value in rows[2].items() if name != CATEGORY}
    with pytest.raises(InvalidRequest, match=r"missing \['use'\]"):
        scorer.encode([without])
    with pytest.raises(InvalidRequest, match=r"unknown \['colour'\]"):
        scorer.encode([rows[2] | {"colour": "red"}])


@pytest.mark.parametrize("value", [math.nan, math.inf, "12", True])
def test_what_is_no_finite_number_is_refused(scorer: Scorer, rows: list[dict[str, Any]], value: object) -> None:
    with pytest.raises(InvalidRequest, match="age_year must be"):
        scorer.encode([rows[2] | {"age_year": value}])


def test_a_monotone_category_is_refused_before_any_fit() -> None:
    with pytest.raises(ValueError, match="is a category and cannot be monotone"):
        Feature(name="use", entity="vehicle", zh="用途", en="use", group="exposure", dtype="category",
                vocabulary=("bus",), monotone=1, monotone_reason="none")


def test_nullable_integers_with_na_are_nulls(scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    frame = as_frame(rows, scorer)
    frame["fleet_n"] = pd.array([None if i % 3 == 0 else i for i in range(len(rows))], dtype="Int64")
    expected = [row | {"fleet_n": None if i % 3 == 0 else float(i)} for i, row in enumerate(rows)]
    assert scorer.points(scorer.encode_frame(frame)).tolist() == points_of(scorer, expected)


@pytest.mark.parametrize("product", PRODUCTS)
def test_contributions_are_those_of_shap(product: str, rows: list[dict[str, Any]]) -> None:
    import lightgbm
    import shap

    scorer = Scorer(tiny_bundle(product))
    matrix, _ = scorer.encode(rows)
    explanation, theirs = scorer.explain(matrix), scorer.explain(matrix, engine=PRED_CONTRIB)
    for k, component in enumerate(scorer.manifest.components):
        booster = lightgbm.Booster(model_str=scorer.bundle.booster_text(component.name))
        explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
        ours, lightgbms = explanation.component_contributions[:, k], theirs.component_contributions[:, k]
        assert (explainer(matrix).values * component.slope == lightgbms).all()  # noqa: PD011 - shap's, not pandas'
        np.testing.assert_allclose(ours, lightgbms, rtol=0, atol=1e-12)
        # For LightGBM, TreeExplainer calls `pred_contrib` itself; told to take its own trees, it computes on its own.
        explainer.model.model_type = "internal"
        independent = explainer.shap_values(matrix, check_additivity=False)
        np.testing.assert_allclose(independent * component.slope, ours, rtol=0, atol=1e-12)


@pytest.mark.parametrize("product", PRODUCTS)
def test_contributions_add_up_to_the_points(product: str, rows: list[dict[str, Any]]) -> None:
    scorer = Scorer(tiny_bundle(product))
    matrix, _ = scorer.encode(rows)
    explanation = scorer.explain(matrix)
    sums = explanation.base + explanation.contributions.sum(axis=1) + explanation.clamp
    np.testing.assert_allclose(sums, scorer.points(matrix), rtol=0, atol=1e-9)
    np.testing.assert_allclose(explanation.margin, scorer.margin(matrix), rtol=0, atol=1e-9)


def test_wording_with_characters_lightgbm_refuses_changes_no_score(
    bundle: ScoreBundle, scorer: Scorer, rows: list[dict[str, Any]]
) -> None:
    features = tuple(
        ManifestFeature(**feature.model_dump() | {"zh": f'夜间:"{feature.zh}"[{{}}],'})
        for feature in bundle.manifest.features
    )
    texts = {component.name: bundle.booster_text(component.name) for component in bundle.manifest.components}
    reworded = Scorer(make_bundle(bundle.manifest.model_copy(update={"features": features}), bundle.golden, texts))
    assert points_of(reworded, rows) == points_of(scorer, rows)


def test_text_survives_a_round_trip(bundle: ScoreBundle, scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    import lightgbm

    text = lightgbm.Booster(model_str=bundle.booster_text("rate")).model_to_string()
    again = Scorer(make_bundle(bundle.manifest, bundle.golden, {"rate": text}))
    assert points_of(again, rows) == points_of(scorer, rows)


def mutants(content: bytes, n: int) -> list[bytes]:
    """Bit flips, truncations, dropped and doubled bytes."""
    rng, made = random.Random(20260704), []
    for k in range(n):
        at = rng.randrange(len(content))
        flipped = bytes([content[at] ^ (1 << rng.randrange(8))])
        made.append((
            content[:at] + flipped + content[at + 1:],
            content[:at],
            content[:at] + content[at + 1:],
            content[:at] + content[at:at + 1] + content[at:],
        )[k % 4])
    return made


def test_damaged_trees_are_refused_before_they_are_parsed(bundle: ScoreBundle, tmp_path: Path) -> None:
    # Parsed, most of these abort or hang the process; that this test ends is the proof that they are not.
    folder, keys_dir = write_signed(bundle, tmp_path)
    path = folder / "rate.lgb.txt"
    for mutant in mutants(path.read_bytes(), 80):
        path.write_bytes(mutant)
        with pytest.raises(BundleRefused, match="a file was changed"):
            load_scorer(folder, keys_dir)


def test_the_signature_of_the_mlflow_model_allows_nulls(registered: ModelVersion, scorer: Scorer) -> None:
    from mlflow.models import get_model_info

    signature = get_model_info(str(registered.source)).signature
    assert signature is not None
    assert signature.inputs.input_names() == list(scorer.manifest.feature_names)
    assert not any(spec.required for spec in signature.inputs.inputs)
    assert signature.outputs.input_names() == ["points", "margin", "expected_rate"]


def test_mlflow_scores_a_frame_as_we_do(pyfunc: Any, scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    scored = pyfunc.predict(as_frame(rows, scorer))
    matrix, _ = scorer.encode(rows)
    assert scored["points"].tolist() == scorer.points(matrix).tolist()
    assert scored["margin"].tolist() == scorer.margin(matrix).tolist()
    answers = [answer_of(scorer.manifest, margins) for margins in scorer.component_margins(matrix).tolist()]
    assert scored["expected_rate"].tolist() == [answer["expected_rate"] for answer in answers]


def test_mlflow_scores_json_rows_with_nulls_as_we_do(
    pyfunc: Any, scorer: Scorer, rows: list[dict[str, Any]]
) -> None:
    from mlflow.pyfunc.scoring_server import infer_and_parse_data

    for body in (rows, rows[:1], [dict.fromkeys(rows[0])]):
        parsed = infer_and_parse_data({"dataframe_records": body}, pyfunc.metadata.get_input_schema())
        assert pyfunc.predict(parsed)["points"].tolist() == points_of(scorer, body)


def test_mlflow_refuses_an_absent_input(pyfunc: Any, scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidRequest, match=r"missing \['use'\]"):
        pyfunc.predict(as_frame(rows, scorer).drop(columns=[CATEGORY]))


def test_mlflow_refuses_loudly_what_it_cannot_convert(
    pyfunc: Any, scorer: Scorer, rows: list[dict[str, Any]]
) -> None:
    from mlflow.exceptions import MlflowException

    frame = as_frame(rows, scorer)
    frame["fleet_n"] = pd.array([None, *range(1, len(rows))], dtype="Int64")
    with pytest.raises(MlflowException, match="Can not safely convert Int64 to float64"):
        pyfunc.predict(frame)


def test_a_registered_model_holds_no_pickle(registered: ModelVersion) -> None:
    files = [path for path in registered.source.rglob("*") if path.is_file()]
    assert any(path.name == "manifest.json" for path in files)
    for path in files:
        assert path.suffix not in {".pkl", ".pickle", ".joblib", ".cloudpickle", ".npy", ".bin"}
        content = path.read_bytes()
        assert content[:1] != b"\x80", path  # the opcode that starts every binary pickle
        content.decode()  # every file of a model is text


def test_the_registered_copy_is_the_bundle(registered: ModelVersion, bundle: ScoreBundle) -> None:
    copied = read_files(registered.source / "artifacts" / registered.folder.name)
    assert {name: copied[name] for name in bundle.files} == dict(bundle.files)
