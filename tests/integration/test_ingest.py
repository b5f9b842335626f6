"""The front door: a bad file leaves nothing behind, a killed process leaves whole deliveries, no raw identifier enters."""

from __future__ import annotations

import io
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from features.landing import ingest_file
from features.pseudonyms import Pseudonymiser
from features.warehouse import Warehouse
from registry.errors import DeliveryRefused
from registry.resources import RESOURCES
from registry.resources.schema import COMPLETE_UNTIL
from registry.settings import Settings
from registry.signing import init_keys
from tests.lib.processes import ROOT, environment_of, manifests_in
from tests.lib.provinces import settled, take_in

KEY = bytes(range(32))
DAY = "vehicle_day"
KILLED_INBOX = (DAY, "claim", "enforcement_case")


@pytest.fixture(scope="module")
def rows(tiny: Settings) -> pa.Table:
    """Forty rows of a real delivery."""
    return pq.read_table(sorted((tiny.outbox_dir / DAY).glob("*.parquet"))[3]).slice(0, 40)


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, write_page_checksum=True)
    return sink.getvalue()


def comma_separated(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    csv.write_csv(table, sink)
    return sink.getvalue()


def lines(table: pa.Table, **changes: object) -> bytes:
    made = [json.dumps(row | changes, default=lambda value: value.isoformat(), ensure_ascii=False)
            for row in table.to_pylist()]
    return "\n".join(made).encode()


def naive(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("arrived_at")
    return table.set_column(place, "arrived_at", table["arrived_at"].cast(pa.timestamp("us")))


def renamed(table: pa.Table, **names: str) -> pa.Table:
    return table.rename_columns([names.get(name, name) for name in table.column_names])


MALFORMED: dict[str, tuple[str, Callable[[pa.Table], bytes], str]] = {
    "no parquet at all": (".parquet", lambda _: b"PAR1 no", "cannot read a parquet delivery"),
    "an empty file": (".parquet", lambda _: b"", "cannot read a parquet delivery"),
    "a truncated parquet": (".parquet", lambda table: parquet(table)[:-200], "cannot read a parquet delivery"),
    "a parquet with a damaged page": (
        ".parquet", lambda table: (content := parquet(table))[:300] + bytes([content[300] ^ 8]) + content[301:],
        "cannot read a parquet delivery",
    ),
    "a parquet with naive times": (".parquet", lambda table: parquet(naive(table)), "timestamps without a zone"),
    "a parquet that vouches for no time": (
        ".parquet", lambda table: parquet(table.replace_schema_metadata({COMPLETE_UNTIL: "soon"})), "'soon' is no time"),
    "a parquet that vouches for a naive time": (
        ".parquet", lambda table: parquet(table.replace_schema_metadata({COMPLETE_UNTIL: "2026-01-01T00:00:00"})),
        "has no zone"),
    "a csv with a column renamed": (
        ".csv", lambda table: comma_separated(renamed(table, drive_h="drive_min")),
        r"missing \['drive_h'\], unknown \['drive_min'\]"),
    "a csv with columns shifted": (
        ".csv", lambda table: comma_separated(renamed(table, plate_no="drive_h", drive_h="plate_no")),
        "cannot read a csv delivery"),
    "a csv with a short row": (".csv", lambda table: comma_separated(table) + b'"x","2"\n', "Expected 21 columns, got"),
    "a csv with naive times": (".csv", lambda table: comma_separated(naive(table)), "expected a zone offset"),
    "a csv in UTF-16": (".csv", lambda table: comma_separated(table).decode().encode("utf-16"), "cannot read a csv"),
    "ndjson garbage": (".ndjson", lambda _: b"hello\nworld\n", "JSON parse error"),
    "ndjson cut off": (".ndjson", lambda table: lines(table)[:-30], "JSON parse error"),
    "ndjson with a field too many": (".ndjson", lambda table: lines(table, colour="red"), r"unknown \['colour'\]"),
    "ndjson with naive times": (".ndjson", lambda table: lines(naive(table)), "expected a zone offset"),
    "ndjson that is no UTF-8": (".ndjson", lambda table: lines(table).replace("赣".encode(), b"\xb8\xd3"), "Invalid UTF8"),
    "text for a number": (".ndjson", lambda table: lines(table, distance_km="far"), "changed from number to string"),
    "impossible values": (
        ".parquet", lambda table: parquet(pa.table({
            name: pc.multiply(table[name], 1000.0) if name == "distance_km" else table[name] for name in table.column_names
        })), "distance_km = .* breaks 'must be at most 2400'"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_nothing_of_a_malformed_file_enters(case: str, rows: pa.Table, tmp_path: Path) -> None:
    suffix, make, reason = MALFORMED[case]
    path = tmp_path / f"delivery{suffix}"
    path.write_bytes(make(rows))
    warehouse = Warehouse(tmp_path / "warehouse")
    with pytest.raises(DeliveryRefused, match=reason) as refusal:
        ingest_file(path, DAY, warehouse, Pseudonymiser(KEY))
    assert not warehouse.root.exists()
    assert str(path) in str(refusal.value)
    assert not any(plate in str(refusal.value) for plate in rows["plate_no"].unique().to_pylist())


def test_a_parquet_with_any_byte_changed_is_refused_or_says_the_same(rows: pa.Table, tmp_path: Path) -> None:
    content, rng, path = parquet(rows), random.Random(7), tmp_path / "delivery.parquet"
    path.write_bytes(content)
    whole = ingest_file(path, DAY, Warehouse(tmp_path), Pseudonymiser(KEY), dry_run=True).manifest
    outcomes = []
    for _ in range(150):
        at = rng.randrange(len(content))
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1:])
        try:
            manifest = ingest_file(path, DAY, Warehouse(tmp_path), Pseudonymiser(KEY), dry_run=True).manifest
        except DeliveryRefused:
            outcomes.append("refused")
        else:
            assert manifest is not None
            assert whole is not None
            assert (manifest.rows, manifest.last_event, manifest.null_share) == (40, whole.last_event, whole.null_share)
    assert len(outcomes) > 75


def taken_in(path: Path, content: bytes, resource: str = DAY) -> list[dict[str, Any]]:
    path.write_bytes(content)
    warehouse = Warehouse(path.parent / path.suffix[1:])
    ingest_file(path, resource, warehouse, Pseudonymiser(KEY))
    (file,) = warehouse.files(resource)
    return pq.read_table(file).drop_columns(["delivery_id"]).to_pylist()


def test_every_format_says_the_same(rows: pa.Table, tmp_path: Path) -> None:
    expected = taken_in(tmp_path / "a.parquet", parquet(rows))
    assert taken_in(tmp_path / "a.csv", comma_separated(rows)) == expected
    assert taken_in(tmp_path / "a.ndjson", lines(rows)) == expected


def test_csv_in_gb18030_with_chinese_text_is_read(tiny: Settings, tmp_path: Path) -> None:
    table = pq.read_table(sorted((tiny.outbox_dir / "toll_station").glob("*.parquet"))[0])
    texts = [c.id for c in RESOURCES["toll_station"].warehouse_columns() if c.dtype == "string" and not c.codes]
    read = taken_in(tmp_path / "a.csv", comma_separated(table).decode().encode("gb18030"), "toll_station")
    assert {name: [row[name] for row in read] for name in texts} == {name: table[name].to_pylist() for name in texts}
    assert any(not text.isascii() for name in texts for text in table[name].drop_null().to_pylist())


def ingest(settings: Settings, inbox: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "registry.cli", "ingest", "--from", str(inbox)], env=environment_of(settings),
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )


def test_the_command_prints_the_reason_and_its_exit_code(rows: pa.Table, tmp_path: Path) -> None:
    settings = settled(tmp_path)
    inbox = tmp_path / "inbox"
    (inbox / DAY).mkdir(parents=True)
    (inbox / DAY / "a.csv").write_bytes(comma_separated(renamed(rows, drive_h="drive_min")))
    done = ingest(settings, inbox)
    assert done.returncode == 20
    assert "unknown ['drive_min']" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not settings.warehouse_dir.exists()


def test_a_folder_of_no_resource_is_not_found(tmp_path: Path) -> None:
    settings = settled(tmp_path)
    (tmp_path / "inbox" / "vehicle_dya").mkdir(parents=True)
    done = ingest(settings, tmp_path / "inbox")
    assert (done.returncode, "no resource 'vehicle_dya'" in done.stderr) == (30, True)


def test_taking_everything_in_again_changes_nothing(tiny: Settings) -> None:
    warehouse = Warehouse(tiny.warehouse_dir)
    before = {path: path.stat().st_mtime_ns for path in tiny.warehouse_dir.rglob("*")}
    assert take_in(tiny) == warehouse.snapshot()
    assert {path: path.stat().st_mtime_ns for path in tiny.warehouse_dir.rglob("*")} == before


@pytest.fixture(scope="module")
def inbox(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inbox")
    for name in KILLED_INBOX:
        shutil.copytree(tiny.outbox_dir / name, folder / name)
    return folder


def test_killed_processes_leave_whole_deliveries_and_the_next_one_finishes(
    inbox: Path, tiny: Settings, tmp_path: Path
) -> None:
    settings, rng = settled(tmp_path), random.Random(20260704)
    shutil.copytree(tiny.keys_dir, settings.keys_dir, dirs_exist_ok=True)
    warehouse, undisturbed = Warehouse(settings.warehouse_dir), Warehouse(tiny.warehouse_dir)
    for after in (0, rng.randrange(2, 20), rng.randrange(25, 50)):
        killed_while_working(settings, inbox, after, rng.uniform(0, 0.03))
        for resource_id in KILLED_INBOX:
            warehouse.verify(resource_id)
            whole = undisturbed.deliveries(resource_id)
            assert all(delivery in whole for delivery in warehouse.deliveries(resource_id))
    assert ingest(settings, inbox).returncode == 0
    for resource_id in KILLED_INBOX:
        assert warehouse.deliveries(resource_id) == undisturbed.deliveries(resource_id)
        assert hashes(warehouse, resource_id) == hashes(undisturbed, resource_id)
    assert list((settings.warehouse_dir / ".staging").iterdir()) == []


def killed_while_working(settings: Settings, inbox: Path, after: int, then_s: float) -> None:
    """Kill an ingestion once it has committed more than `after` deliveries and a moment has passed."""
    with subprocess.Popen(
        [sys.executable, "-m", "registry.cli", "ingest", "--from", str(inbox)], env=environment_of(settings), cwd=ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while process.poll() is None and manifests_in(settings.warehouse_dir) <= after:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(then_s)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL


def hashes(warehouse: Warehouse, resource_id: str) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in warehouse.files(resource_id)]


def test_keys_are_made_once(tmp_path: Path) -> None:
    assert sorted(init_keys(tmp_path)) == sorted(path.name for path in tmp_path.iterdir())
    assert init_keys(tmp_path) == []
