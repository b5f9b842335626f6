"""No raw identifier is in any file that the platform writes; names of legal persons are in the directory and nowhere else."""

from __future__ import annotations

import ast
import hmac
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from features.cli import ingest
from features.directory import COLUMNS, Directory, names_in
from features.online import OnlineStore
from features.pseudonyms import Pseudonymiser, forward, pseudonym
from features.quality.cli import quality
from features.warehouse import Warehouse
from registry.decisions import DecisionLedger
from registry.entities import ENTERPRISE
from registry.errors import NotFound
from registry.generation import epoch_of
from registry.resources import RESOURCES
from registry.resources.schema import WITHHELD
from registry.scorer import Scorer
from registry.settings import Settings
from registry.signing import PSEUDONYM_KEY, pseudonym_keys, read_secret
from serving.asked import Asked
from serving.desk import ScoringDesk
from serving.live import LiveModels, LiveScorer
from tests.lib.processes import ROOT
from tests.lib.real_bundles import rate_bundle
from tests.lib.scan import Needles, contents, raw_identifiers, raw_values_in

FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))
OPERATORS = "operator_basic"
PUBLIC_NAMES = {
    # Facilities, roads, goods, routes and ships; offices of the state.
    "name", "station_name", "road_name", "cargo_name", "line_name", "ship_name",
}


@pytest.fixture(scope="module")
def used(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home in which everything was done that writes: a bad delivery, a quality report, a decision."""
    folder = tmp_path_factory.mktemp("used") / "home"
    shutil.copytree(tiny.home, folder)
    settings = tiny.model_copy(update={"home": folder})
    (folder / "province.json").write_text('{"preset": "tiny", "seed": 1}')
    inbox = folder / "outbox" / "bad"
    (inbox / OPERATORS).mkdir(parents=True)
    rows = operators(tiny).slice(0, 20)
    spoiled = pc.if_else(pa.array([row == 3 for row in range(20)]), "91360000RAWVALUE99", rows["uscc"])
    pq.write_table(rows.set_column(rows.schema.get_field_index("uscc"), "uscc", spoiled), inbox / OPERATORS / "bad.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROADRISK_HOME", str(folder))
        patch.setenv("ROADRISK_KEYS_DIR", str(settings.keys_dir))
        said = [CliRunner().invoke(command, options) for command, options in
                ((ingest, ["--from", str(inbox)]), (quality, []), (quality, ["--history"]))]
    assert [one.exit_code for one in said] == [0, 0, 0]
    (folder / "logs").mkdir()
    (folder / "logs" / "said.log").write_text("".join(one.output for one in said))
    decide(settings)
    return settings


def operators(settings: Settings) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted((settings.outbox_dir / OPERATORS).glob("*.parquet")))


def decide(settings: Settings) -> None:
    store = OnlineStore(settings)
    names = ("case_per_vehicle_year", "fine_cny_per_vehicle_year")
    scorer = Scorer(rate_bundle("enterprise_risk", names, upper=(1.0, 1.0), weights=(1.0, 1.0)))
    models = LiveModels({"enterprise_risk": LiveScorer("1", scorer)}, settings.bundle_dir, settings.keys_dir)
    desk = ScoringDesk(models, store, DecisionLedger.open(settings), lambda: datetime(2026, 7, 4, tzinfo=UTC))
    examples = json.loads((settings.home / "examples.json").read_text(encoding="utf-8"))
    desk.score_entity("enterprise_risk", {"uscc": examples["enterprise"][0]["uscc"]}, Asked("r1", 0.0))
    desk.decisions.close()


def test_no_raw_identifier_is_in_any_file_but_the_suppliers(used: Settings) -> None:
    withheld, names = raw_identifiers(used.outbox_dir)
    assert len(withheld) > 3_000
    assert len(names) > 30
    key = read_secret(used.keys_dir, PSEUDONYM_KEY).hex()
    searched, met = raw_values_in(used.home, withheld | {key, "91360000RAWVALUE99"}, names)
    assert searched > 500
    assert met == {}


def test_every_kind_of_store_was_searched(used: Settings) -> None:
    written = {path.relative_to(used.home).parts[0] for path in used.home.rglob("*") if path.is_file()}
    assert {"warehouse", "features", "feast", "ledger", "quality", "directory", "logs"} <= written
    assert list((used.warehouse_dir / ".quarantine" / OPERATORS).glob("*.json"))


def test_the_search_finds_what_it_looks_for(tiny: Settings) -> None:
    example = json.loads((tiny.home / "examples.json").read_text(encoding="utf-8"))["vehicle"][0]
    needles = Needles([example["vin"], example["plate_no"], "王伟"])
    path = next(path for path in sorted((tiny.outbox_dir / "vehicle_basic").glob("*.parquet"))
                if example["vin"] in pq.read_table(path)["vin"].to_pylist())
    assert {needle for content in contents(path) for needle in needles.found(content)} >= {example["vin"]}
    assert needles.found("名王伟".encode()) == ["王伟"]
    assert Needles(["abcdef"]).found(b"abcde") == []


def test_every_declared_name_address_number_and_phone_is_withheld() -> None:
    for resource in RESOURCES.values():
        for column in resource.columns:
            telling = ("name", "address", "phone", "id_card", "uscc", "vin", "plate", "licence_no", "cert_no",
                       "qualification_no", "registration_no", "ship_id", "engine_no", "legal_rep", "manager", "birth")
            public = column.id in PUBLIC_NAMES and resource.entity != "enterprise" and resource.directory is None
            if any(word in column.id for word in telling) and column.dtype == "string" and not public:
                assert column.sensitivity in WITHHELD, f"{resource.id}.{column.id}"


def test_a_directory_name_is_declared_as_one() -> None:
    declared = {resource.id: resource.directory for resource in RESOURCES.values() if resource.directory}
    assert set(declared) == {OPERATORS, "waterway_operator_basic", "highway_construction_enterprise",
                             "waterway_construction_enterprise"}
    for resource_id, entry in declared.items():
        resource = RESOURCES[resource_id]
        assert resource.column(entry.column).sensitivity == "legal_name"
        assert entry.entity in {made.id for made in resource.pseudonyms}
        assert not entry.unless or resource.column(entry.unless).dtype == "bool"


def test_the_directory_names_legal_persons_and_nobody_else(tiny: Settings) -> None:
    rows = [row for row in operators(tiny).to_pylist() if not row["withdrawn"]]
    keys = pseudonym_keys(tiny.keys_dir)
    of = {row["uscc"]: pseudonym(keys, ENTERPRISE.namespace, row["uscc"]) for row in rows}
    known = Directory(tiny.directory_dir).names_at(list(of.values()), datetime(2027, 1, 1, tzinfo=UTC))
    legal = {row["uscc"]: row["name"] for row in rows if not row["is_individual"]}
    natural = {row["uscc"] for row in rows if row["is_individual"]}
    assert legal
    assert natural
    assert {uscc: known.get(of[uscc]) for uscc in legal} == legal
    assert not {of[uscc] for uscc in natural} & set(known)
    assert Directory(tiny.directory_dir).names_at(list(of.values()), datetime(2000, 1, 1, tzinfo=UTC)) == {}


def told(*versions: tuple[str, int, bool, bool | None]) -> pa.Table:
    """Return what deliveries say about one operator: (name, arrival in days, withdrawn, natural person)."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    n, moment = len(versions), pa.timestamp("us", tz="UTC")
    accepted = pa.table({"name": [name for name, *_ in versions],
                         "is_individual": pa.array([natural for *_, natural in versions], pa.bool_())})
    rows = pa.table({
        "enterprise_id": ["e1"] * n, "row_id": ["r1"] * n, "event_time": pa.array([start] * n, moment),
        "arrived_at": pa.array([start + timedelta(days=days) for _, days, _, _ in versions], moment),
        "withdrawn": [gone for _, _, gone, _ in versions], "delivery_id": [f"d{days}" for _, days, _, _ in versions],
    })
    made = names_in(accepted, rows, RESOURCES[OPERATORS])
    assert made is not None
    assert tuple(made.column_names) == COLUMNS
    return made


def test_a_name_is_what_was_known_at_the_instant(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    for _ in range(2):
        directory.fill(told(("旧名", 1, False, False), ("新名", 5, False, False)))
        directory.fill(told(("新名", 9, True, False)))
    assert len(list(directory.rows())) == 3
    known = [directory.names_at(["e1", "e2"], datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)) for days in (0, 1, 6, 10)]
    assert known == [{}, {"e1": "旧名"}, {"e1": "新名"}, {}]


@pytest.mark.parametrize("natural", [True, None])
def test_a_natural_person_is_never_named(tmp_path: Path, natural: bool | None) -> None:
    directory = Directory(tmp_path)
    directory.fill(told(("王伟", 1, False, natural)))
    assert directory.names_at(["e1"], datetime(2027, 1, 1, tzinfo=UTC)) == {}
    assert "王伟".encode() not in (tmp_path / "names.db").read_bytes()


def test_an_empty_directory_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="never been filled"):
        Directory(tmp_path).names_at(["e1"], datetime(2027, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="has no zone"):
        Directory(tmp_path).names_at(["e1"], datetime(2027, 1, 1))  # noqa: DTZ001 - what is refused


def test_only_the_door_the_rotation_and_the_console_import_the_directory() -> None:
    importers = set()
    for package in ("registry", "features", "training", "serving", "experiments"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            # To parse every module takes seconds, and most do not speak of it.
            tree = ast.parse(text if "directory" in text else "")
            modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            modules |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
            if "features.directory" in modules:
                importers.add(path.relative_to(ROOT).as_posix())
    assert {name for name in importers if not name.startswith("serving/console")} == {
        "features/landing.py", "features/key_rotation.py",
    }


def test_a_pseudonym_is_an_hmac_and_later_keys_follow_from_earlier_ones() -> None:
    raw = hmac.digest(FIRST, b"vin|L99000248R0000017", "sha256").hex()[:24]
    assert pseudonym(FIRST, "vin", "l99000248r0000017 ") == raw
    later = hmac.digest(SECOND, raw.encode(), "sha256").hex()[:24]
    assert pseudonym((FIRST, SECOND), "vin", "L99000248R0000017") == later
    assert forward((FIRST, SECOND), raw, epoch=1) == later
    assert forward((FIRST, SECOND), later, epoch=2) == later
    assert pseudonym(FIRST, "uscc", "L99000248R0000017") != raw


def test_the_memory_of_entities_is_bounded_and_changes_nothing(tiny: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    table = operators(tiny)
    stamped = table.append_column("event_time", table["modify_time"])
    whole = Pseudonymiser(FIRST).apply(stamped, RESOURCES[OPERATORS])
    monkeypatch.setattr("features.pseudonyms.MAX_REMEMBERED", 10)
    monkeypatch.setattr("features.pseudonyms._BLOCK_ROWS", 7)
    small = Pseudonymiser(FIRST)
    assert small.apply(stamped, RESOURCES[OPERATORS]).equals(whole)
    assert sum(map(len, small._known.values())) <= 10
    assert len(set(whole["row_id"].to_pylist())) == len(set(table["row_id"].to_pylist()))


def test_a_warehouse_lies_in_its_epoch(tiny: Settings) -> None:
    assert epoch_of(tiny.warehouse_dir) == 1
    assert epoch_of(tiny.home / "generations" / "0003" / "warehouse") == 3
    assert Warehouse(tiny.warehouse_dir).files(OPERATORS)
