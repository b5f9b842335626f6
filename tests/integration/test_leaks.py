"""No feature knows the future, and none knows the truth of the simulation."""

from __future__ import annotations

import ast
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from click.testing import CliRunner

from features.build import build_features
from features.families import FAMILIES, Family
from features.families.vehicle_profile import fleet
from features.formulas import FORMULA_FAMILIES
from features.leak_check import check_leaks
from features.leak_cli import leak_check
from features.products import PRODUCT_FEATURES
from features.retrieval import apply_store, training_rows
from features.snapshot import FeatureSnapshot, read_snapshot
from features.warehouse import Warehouse
from registry.entities import VEHICLE
from registry.errors import DataError, IntegrityError, InvalidRequest, NotFound
from registry.feature_spec import Feature
from registry.settings import Settings
from tests.lib.corrections import with_correction
from tests.lib.processes import ROOT

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

# The beginning of a month in Shanghai, a month before the end of the data.
INSTANT = datetime(2026, 5, 31, 16, tzinfo=UTC)
WRITES_THE_TRUTH = {"features/cli.py", "registry/settings.py"}
"""The command that simulates, and the setting itself."""
WORDS_IT = {"training/cards/figures.py", "training/cards/explained.py"}
"""Dictionaries of a card, which translate the keys under which a study has noted figures of the truth."""


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


def leaks(families: list[Family], warehouse: Warehouse, folder: Path) -> dict[str, list[str]]:
    found = check_leaks(families, warehouse, INSTANT, folder)
    assert [leak.family for leak in found] == [family.id for family in families]
    assert all(leak.rows for leak in found)
    return {leak.family: list(leak.columns) for leak in found if leak.columns}


def test_what_arrives_later_changes_no_feature(tiny: Settings, tmp_path: Path) -> None:
    assert leaks([*FAMILIES.values(), *FORMULA_FAMILIES.values()], Warehouse(tiny.warehouse_dir), tmp_path) == {}


@pytest.mark.parametrize("expression", [
    pytest.param(lambda known: by_vehicle(known, known.tables["vehicle_day"]), id="ignores arrival"),
    pytest.param(lambda known: by_vehicle(known, known.matured("vehicle_day")), id="reads what came to be in force"),
    pytest.param(lambda known: by_vehicle(known, known.versions("vehicle_day")), id="reads every version"),
])
def test_a_feature_that_knows_the_future_is_caught(expression: object, tiny: Settings, tmp_path: Path) -> None:
    met = leaks([planted(expression)], Warehouse(tiny.warehouse_dir), tmp_path)
    assert list(met) == ["planted"]


def test_a_correction_that_arrives_late_is_seen_by_those_alone_who_read_it_too_early(tiny: Settings, tmp_path: Path) -> None:
    resources = dict.fromkeys(name for family in (FAMILIES["vehicle_activity"], planted(None)) for name in family.resources)
    day, warehouse = with_correction(
        Warehouse(tiny.warehouse_dir), resources, tmp_path / "corrected", resource="vehicle_day", column="distance_km",
        plus=500.0, happened=INSTANT - timedelta(days=20), arrives=INSTANT + timedelta(days=3),
    )

    def early(known: Known) -> ir.Table:
        # Without its own row's arrival in view the correction counts as if it had always been there.
        rows = known.matured("vehicle_day")
        return by_vehicle(known, rows.filter(rows.row_id == day["row_id"]))

    found = check_leaks([planted(early), FAMILIES["vehicle_activity"]], warehouse, INSTANT, tmp_path / "checked")
    assert [leak.columns for leak in found] == [{"planted_km": 1}, {}]
    later = check_leaks([planted(early)], warehouse, INSTANT + timedelta(days=4), tmp_path / "later")
    assert [leak.columns for leak in later] == [{}]


def test_the_command_says_what_leaks_and_what_does_not(
    tiny: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADRISK_HOME", str(tiny.home))
    arguments = ["--cutoff", INSTANT.isoformat(), "--family", "enterprise_people", "--json"]
    clean = CliRunner().invoke(leak_check, arguments)
    assert clean.exit_code == 0, clean.output
    told = json.loads(clean.stdout)
    assert (told["leaking"], told["families"]) == ([], 1)
    assert told["compared"] > 0
    monkeypatch.setitem(FAMILIES, "planted", planted(lambda known: by_vehicle(known, known.matured("vehicle_day"))))
    leaking = CliRunner().invoke(leak_check, [*arguments[:2], "--family", "planted", "--json"])
    assert isinstance(leaking.exception, IntegrityError)
    assert "planted: values at 2026-05-31T16:00:00+00:00 depend on what arrived later" in str(leaking.exception)
    assert json.loads(leaking.stdout)["details"][0]["columns"]["planted_km"] > 0
    assert not [*tiny.feature_dir.glob(".leak-check-*")]


@pytest.mark.parametrize(("options", "error", "message"), [
    (["--cutoff", "2026-05-31"], InvalidRequest, "has no offset"), (["--cutoff", "soon"], InvalidRequest, "is no instant"),
    (["--family", "nobody"], NotFound, "no feature family 'nobody'"),
    (["--cutoff", "2020-01-01T00:00:00Z", "--family", "enterprise_people"], DataError, "nothing would be proven"),
])
def test_the_command_refuses(
    options: list[str], error: type[Exception], message: str, tiny: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADRISK_HOME", str(tiny.home))
    with pytest.raises(error, match=message):
        CliRunner().invoke(leak_check, options, catch_exceptions=False)


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
        *product.formula_columns,
    }
    assert rows[names].notna().any(axis=1).mean() > 0.98
    assert rows.event_timestamp.max() < pd.Timestamp(snapshot.as_of)
    chosen, _ = training_rows(product_id, settings, max_rows=100)
    key = [*(entity.id_column for entity in product.joins), "event_timestamp"]
    assert set(chosen[key].itertuples(index=False)) < set(rows[key].itertuples(index=False))


def test_no_module_below_the_roof_names_the_truth() -> None:
    met, words = set(), set()
    for package in ("registry", "features", "training", "serving"):
        for path in (ROOT / package).rglob("*.py"):
            if "simulation" in path.parts:
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
            name = str(path.relative_to(ROOT))
            if "truth_dir" in names or ("truth" in texts and name not in WORDS_IT):
                met.add(name)
            if "truth" in texts:
                words.add(name)
    assert met == WRITES_THE_TRUTH
    assert words >= WORDS_IT, "an allowance that nobody needs any more"
