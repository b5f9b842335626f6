"""No feature knows the future, and none knows the truth of the simulation."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from features.build import build_features
from features.families import FAMILIES, Family
from features.families.vehicle_profile import fleet
from features.products import PRODUCT_FEATURES
from features.retrieval import apply_store, training_rows
from features.snapshot import FeatureSnapshot, read_snapshot
from features.warehouse import Warehouse
from registry.entities import VEHICLE
from registry.feature_spec import Feature
from registry.settings import Settings
from tests.lib.leaks import leaks
from tests.lib.processes import ROOT

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

# The beginning of a month in Shanghai, a month before the end of the data.
INSTANT = datetime(2026, 5, 31, 16, tzinfo=UTC)
WRITES_THE_TRUTH = {"features/cli.py", "registry/settings.py"}
"""The command that simulates, and the setting itself."""


def planted(expression: object) -> Family:
    feature = Feature(name="planted_km", entity="vehicle", zh="埋设", en="planted", group="exposure", unit="km")
    return Family(
        id="planted", entity=VEHICLE, resources=("vehicle_day", "vehicle_transport_permit"), features=(feature,),
        expression=expression,  # type: ignore[arg-type]
    )


def by_vehicle(known: Known, days: ir.Table) -> ir.Table:
    key = [VEHICLE.id_column, "plate_id", "cutoff"]
    joined = fleet(known).select(*key).inner_join(days, "plate_id")
    past = joined.filter(joined.event_time < joined.cutoff)
    return past.group_by([VEHICLE.id_column, "cutoff"]).aggregate(planted_km=past.distance_km.sum())


def test_what_arrives_later_changes_no_feature(tiny: Settings, tmp_path: Path) -> None:
    assert leaks(list(FAMILIES.values()), Warehouse(tiny.warehouse_dir), INSTANT, tmp_path) == {}


@pytest.mark.parametrize("expression", [
    pytest.param(lambda known: by_vehicle(known, known.tables["vehicle_day"]), id="ignores arrival"),
    pytest.param(lambda known: by_vehicle(known, known.matured("vehicle_day")), id="reads what came to be in force"),
])
def test_a_feature_that_knows_the_future_is_caught(expression: object, tiny: Settings, tmp_path: Path) -> None:
    met = leaks([planted(expression)], Warehouse(tiny.warehouse_dir), INSTANT, tmp_path)
    assert list(met) == ["planted"]


@pytest.fixture(scope="module")
def apart(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, FeatureSnapshot]:
    """A home that has the warehouse and nothing of the simulation, built with another number of threads."""
    home = tmp_path_factory.mktemp("apart")
    (home / "warehouse").symlink_to(tiny.warehouse_dir)
    settings = tiny.model_copy(update={"home": home, "threads": 1})
    return settings, build_features(settings, simulated=True)


def test_the_same_warehouse_gives_the_same_bytes(tiny: Settings, apart: tuple[Settings, FeatureSnapshot]) -> None:
    settings, snapshot = apart
    assert snapshot == read_snapshot(tiny.feature_dir)
    for name in snapshot.tables:
        file = f"{name}.parquet"
        assert (settings.feature_dir / file).read_bytes() == (tiny.feature_dir / file).read_bytes(), name


@pytest.mark.parametrize("product_id", PRODUCT_FEATURES)
def test_training_rows_need_no_truth_and_hold_what_was_declared(
    product_id: str, apart: tuple[Settings, FeatureSnapshot]
) -> None:
    settings, _ = apart
    assert not settings.truth_dir.exists()
    product = PRODUCT_FEATURES[product_id]
    apply_store(settings)
    rows, snapshot = training_rows(product_id, settings, max_rows=300)
    names = [feature.name for feature in product.features]
    assert len(rows) == 300
    assert set(rows.columns) == {
        *(entity.id_column for entity in product.joins), "event_timestamp", *product.targets, *names,
    }
    assert rows[names].notna().any(axis=1).mean() > 0.98
    assert rows.event_timestamp.max() < pd.Timestamp(snapshot.as_of)
    chosen, _ = training_rows(product_id, settings, max_rows=100)
    key = [*(entity.id_column for entity in product.joins), "event_timestamp"]
    assert set(chosen[key].itertuples(index=False)) < set(rows[key].itertuples(index=False))


def test_no_module_below_the_roof_names_the_truth() -> None:
    met = set()
    for package in ("registry", "features", "training", "serving"):
        for path in (ROOT / package).rglob("*.py"):
            if "simulation" in path.parts:
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
            if "truth_dir" in names or "truth" in texts:
                met.add(str(path.relative_to(ROOT)))
    assert met == WRITES_THE_TRUTH
