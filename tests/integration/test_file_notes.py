"""Files that carry no metadata of their own: the note beside them, byte order marks, and a column that no row has."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from features.landing import delivery_files, ingest_file
from features.pseudonyms import Pseudonymiser
from features.warehouse import DeliveryManifest, Warehouse
from registry.errors import DeliveryRefused
from tests.lib.door import small_outbox

EVENTS = "traffic_emergency"
BOM = b"\xef\xbb\xbf"


def delivered(folder: Path, content: bytes, note: bytes | None, suffix: str = ".csv") -> DeliveryManifest:
    inbox = folder / "inbox"
    path = inbox / EVENTS / f"a{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if note is not None:
        path.with_name(path.name + ".meta.json").write_bytes(note)
    assert delivery_files(inbox) == [(EVENTS, path)]
    manifest = ingest_file(path, EVENTS, Warehouse(folder / "warehouse"), Pseudonymiser(bytes(32))).manifest
    assert manifest is not None
    return manifest


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = small_outbox(tmp_path_factory.mktemp("outbox"), n=40, resources=(EVENTS,)) / EVENTS
    sink = io.BytesIO()
    csv.write_csv(pq.read_table(sorted(folder.iterdir())[0]), sink)
    return sink.getvalue()


def test_a_note_vouches_and_another_note_is_another_delivery(text: bytes, tmp_path: Path) -> None:
    first = delivered(tmp_path, text, json.dumps({"complete_until": "2026-07-01T00:00:00+08:00"}).encode())
    assert first.complete_until == "2026-06-30T16:00:00+00:00"
    second = delivered(tmp_path, text, json.dumps({"complete_until": "2026-07-02T00:00:00+08:00"}).encode())
    assert second.delivery_id != first.delivery_id


def test_a_byte_order_mark_changes_nothing(text: bytes, tmp_path: Path) -> None:
    assert delivered(tmp_path, BOM + text, None).rows == delivered(tmp_path, text, None).rows > 0


@pytest.mark.parametrize(("note", "reason"), [
    (b"{", "no JSON object of texts"), (b"[]", "no JSON object of texts"), (b'{"complete_until": 5}', "no JSON object of texts"),
    (b'{"until": "x"}', r"unknown fields \['until'\]"), (b'{"complete_until": "soon"}', "'soon' is no time"),
    (b'{"sha256": "00"}', "its note names 00"), (b" " * 5_000, "no JSON object of texts"),
])
def test_a_note_that_is_none_refuses_the_file(note: bytes, reason: str, text: bytes, tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefused, match=reason):
        delivered(tmp_path, text, note)


def test_a_column_that_no_row_has_is_drift_in_ndjson_too(tmp_path: Path) -> None:
    with pytest.raises(DeliveryRefused, match=r"missing \['event_id'"):
        delivered(tmp_path, b'{"row_id": "a", "arrived_at": "2026-01-01T00:00:00Z", "withdrawn": false}\n', None, ".ndjson")


def test_a_note_without_its_file_is_no_delivery(tmp_path: Path) -> None:
    (tmp_path / EVENTS).mkdir()
    (tmp_path / EVENTS / "a.csv.meta.json").write_bytes(b"{}")
    with pytest.raises(DeliveryRefused, match=r"cannot read '\.json'"):
        delivery_files(tmp_path)
