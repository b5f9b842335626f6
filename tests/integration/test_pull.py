"""Pull: every row of a source enters once, whatever goes wrong on the way, and nothing that is no page is believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from features.door import outbox_pages
from features.door.cli import pull as pull_command
from features.door.outbox_pages import OutboxPages
from features.door.pull import Pulled, PullTarget, pull, pull_all
from features.door.reference_server import Faults, create_source
from features.door.source import PullLimits, Source
from features.landing import ingest_inbox
from features.pseudonyms import Pseudonymiser
from features.warehouse import Warehouse
from registry.errors import ConfigurationError, DeliveryRefused, NotFound, ServiceUnavailable
from registry.signing import init_keys
from tests.lib.door import KEY, RESOURCE_IDS, held, served, small_outbox

EVENTS = "traffic_emergency"
PSEUDONYM_KEY = bytes(32)


@pytest.fixture(scope="module")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_outbox(tmp_path_factory.mktemp("source") / "outbox")


@pytest.fixture(scope="module")
def base(outbox: Path) -> Iterator[str]:
    with served(create_source(OutboxPages(outbox), key=KEY)) as address:
        yield address


@pytest.fixture(scope="module")
def from_files(outbox: Path, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The same rows, taken in as files."""
    warehouse = Warehouse(tmp_path_factory.mktemp("files"))
    assert all(not ingested.skipped for ingested in ingest_inbox(outbox, warehouse, PSEUDONYM_KEY))
    return warehouse


def target(folder: Path, **options: Any) -> PullTarget:
    return PullTarget(
        folder=folder / "intake", warehouse=Warehouse(folder / "warehouse"), pseudonyms=Pseudonymiser(PSEUDONYM_KEY), **options
    )


def source(base: str, **limits: Any) -> Source:
    return Source(base, KEY, PullLimits(**{"page_rows": 70, "first_wait_s": 0.001, "max_wait_s": 0.01, "attempts": 12} | limits))


def test_a_pull_brings_what_the_files_bring(base: str, from_files: Warehouse, tmp_path: Path) -> None:
    into = target(tmp_path)
    with source(base) as upstream:
        outcomes = list(pull_all(upstream, into, RESOURCE_IDS))
    for outcome in outcomes:
        assert held(into.warehouse, outcome.resource) == held(from_files, outcome.resource)
        assert (outcome.rows, outcome.complete_until) == (600, from_files.deliveries(outcome.resource)[-1].complete_until)


@pytest.mark.parametrize(("page_rows", "delivery_rows"), [(7, 10_000), (70, 1), (600, 10_000), (1_000, 150)])
def test_pages_and_deliveries_of_any_size_lose_and_repeat_nothing(
    base: str, from_files: Warehouse, tmp_path: Path, page_rows: int, delivery_rows: int
) -> None:
    into = target(tmp_path, delivery_rows=delivery_rows)
    with source(base, page_rows=page_rows) as upstream:
        pull(upstream, into, EVENTS)
    assert held(into.warehouse, EVENTS) == held(from_files, EVENTS)


def test_windows_of_any_size_lose_and_repeat_nothing(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sorted(
        (row["arrived_at"], row["row_id"])
        for path in (outbox / EVENTS).glob("*.parquet") for row in pq.read_table(path).to_pylist()
    )
    for rows in (13, 100):
        monkeypatch.setattr(outbox_pages, "WINDOW_ROWS", rows)
        pages, cursor, more, found = OutboxPages(outbox), "", True, []
        while more:
            page = pages.page(EVENTS, cursor, limit=50)
            found += [(row["arrived_at"], row["row_id"]) for row in page.rows.to_pylist()]
            cursor, more = page.next.cursor(), page.more
        assert found == expected


def test_rows_of_one_instant_are_cut_between_pages(tmp_path: Path) -> None:
    folder = small_outbox(tmp_path, n=90, resources=(EVENTS,)) / EVENTS
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path)
        same = [table["arrived_at"][0]] * len(table)
        pq.write_table(table.set_column(table.schema.get_field_index("arrived_at"), "arrived_at", [same]), path)
    pages, cursor, more, found = OutboxPages(tmp_path), "", True, []
    while more:
        page = OutboxPages(tmp_path).page(EVENTS, cursor, limit=7) if len(found) % 2 else pages.page(EVENTS, cursor, limit=7)
        found += page.rows["row_id"].to_pylist() if len(page.rows) else []
        cursor, more = page.next.cursor(), page.more
    assert len(found) == len(set(found)) == 90


def test_a_second_pull_brings_nothing_and_a_later_source_brings_the_rest(
    outbox: Path, from_files: Warehouse, tmp_path: Path
) -> None:
    into, march = target(tmp_path), datetime(2026, 3, 1, tzinfo=UTC)
    with served(create_source(OutboxPages(outbox, as_of=march), key=KEY)) as early, source(early) as upstream:
        first = pull(upstream, into, EVENTS)
        before = into.warehouse.snapshot()
        assert pull(upstream, into, EVENTS) == Pulled(resource=EVENTS, complete_until=first.complete_until)
        assert into.warehouse.snapshot() == before
    assert first.complete_until == march.isoformat()
    assert max(row["arrived_at"] for row in held(into.warehouse, EVENTS)) <= march
    with served(create_source(OutboxPages(outbox), key=KEY)) as late, source(late) as upstream:
        assert first.rows + pull(upstream, into, EVENTS).rows == 600
    assert held(into.warehouse, EVENTS) == held(from_files, EVENTS)


def test_until_is_kept_and_a_quiet_source_grows_no_staler(outbox: Path, tmp_path: Path) -> None:
    into, quiet = target(tmp_path), "2026-01-02T00:00:00+00:00"
    with served(create_source(OutboxPages(outbox), key=KEY)) as base, source(base) as upstream:
        assert pull(upstream, into, EVENTS, until="2026-01-01T00:00:00+00:00").rows == 0
        assert pull(upstream, into, EVENTS, until=quiet).rows == 0
    assert [delivery.complete_until for delivery in into.warehouse.deliveries(EVENTS)] == ["2026-01-01T00:00:00+00:00", quiet]


def test_faults_of_the_source_cost_time_and_no_row(outbox: Path, from_files: Warehouse, tmp_path: Path) -> None:
    into = target(tmp_path, delivery_rows=200)
    faulty = create_source(OutboxPages(outbox), key=KEY, faults=Faults(share=0.5))
    with served(faulty) as base, source(base, page_rows=20) as upstream:
        pull(upstream, into, EVENTS)
    assert held(into.warehouse, EVENTS) == held(from_files, EVENTS)


def test_a_pull_that_gives_up_goes_on_where_it_stopped(base: str, outbox: Path, from_files: Warehouse, tmp_path: Path) -> None:
    into, whole = target(tmp_path, delivery_rows=200), target(tmp_path / "whole", delivery_rows=200)
    rounds = 0
    with served(create_source(OutboxPages(outbox), key=KEY, faults=Faults(share=0.3, seed=5))) as flaky, source(
        flaky, page_rows=20, attempts=1
    ) as upstream:
        while True:
            rounds += 1
            try:
                pull(upstream, into, EVENTS)
            except ServiceUnavailable:
                continue
            break
    with source(base, page_rows=20) as upstream:
        pull(upstream, whole, EVENTS)
    assert rounds > 3
    assert into.warehouse.snapshot() == whole.warehouse.snapshot()
    assert held(into.warehouse, EVENTS) == held(from_files, EVENTS)
    assert [path.name for path in (into.folder / EVENTS).iterdir()] == ["watermark.json"]


def answering(*answers: Response | Callable[[Request], Response]) -> Starlette:
    left = list(answers)

    async def rows(request: Request) -> Response:
        answer = left.pop(0) if len(left) > 1 else left[0]
        return answer if isinstance(answer, Response) else answer(request)

    return Starlette(routes=[Route("/{path:path}", rows)])


def page(rows: Any = (), cursor: Any = "c", **fields: Any) -> Response:
    return Response(json.dumps({"rows": list(rows), "next": cursor} | fields))


NO_PAGES: dict[str, tuple[Response, str]] = {
    "no JSON": (Response("<html>"), "no strict JSON"),
    "a list": (Response("[]"), "its fields are not"),
    "another field": (page(rest=1), "its fields are not"),
    "rows that are none": (page(rows=[1]), "its rows are no list of objects"),
    "no cursor": (page(cursor=""), "names no cursor"),
    "a cursor that is a number": (page(cursor=5), "names no cursor"),
    "an endless cursor": (page(cursor="c" * 1_100), "names no cursor"),
    "NaN": (Response('{"rows": [{"a": NaN}], "next": "c"}'), "no strict JSON"),
    "a field twice": (Response('{"rows": [], "rows": [], "next": "c"}'), "no strict JSON"),
    "too many bytes": (page(rows=[{"a": "x" * 3_000}]), "a page of more than 2000 bytes"),
    "a time without zone": (page(complete_until="2026-01-01T00:00:00"), "has no zone"),
    "a cursor that stands": (page(cursor="c", more=True), "does not move its cursor"),
    "columns drifted": (page(rows=[{"row_id": "SECRET"}]), r"drifted: missing \['event_id'"),
}


@pytest.mark.parametrize("case", NO_PAGES)
def test_what_is_no_page_is_refused_and_asked_for_again(case: str, tmp_path: Path) -> None:
    answer, reason = NO_PAGES[case]
    into = target(tmp_path)
    with served(answering(answer)) as base, source(base, max_page_bytes=2_000) as upstream:
        with pytest.raises(DeliveryRefused, match=reason) as refusal:
            pull(upstream, into, EVENTS)
        assert "SECRET" not in str(refusal.value)
    assert not into.warehouse.root.exists()
    assert not list(into.folder.rglob("watermark.json"))


REFUSALS = [
    (Response(status_code=401), ConfigurationError, "refuses the key: status 401"),
    (Response(status_code=404), NotFound, "does not have this resource"),
    (Response(status_code=302, headers={"Location": "http://127.0.0.1:1/"}), ConfigurationError, "redirects: status 302"),
    (Response(status_code=400), ServiceUnavailable, "refuses the request: status 400"),
    (Response(status_code=500), ServiceUnavailable, "did not answer in 3 attempts; last: status 500"),
]


@pytest.mark.parametrize(("answer", "error", "reason"), REFUSALS)
def test_a_refusal_of_the_source_is_named(answer: Response, error: type[Exception], reason: str, tmp_path: Path) -> None:
    with served(answering(answer)) as base, source(base, attempts=3) as upstream, pytest.raises(error, match=reason) as met:
        pull(upstream, target(tmp_path), EVENTS)
    assert KEY not in str(met.value)


@pytest.mark.parametrize(("url", "reason"), [
    ("", "no source is named"), ("ftp://data.example", "no http or https"), ("http://", "no http or https"),
    ("https://user:secret@data.example", "carries a user"), ("https://data.example?key=1", "carries a user"),
])
def test_only_a_plain_address_is_asked(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Source(url)


def test_the_command_pulls_and_looks(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"ROADRISK_HOME": str(tmp_path / "home"), "ROADRISK_KEYS_DIR": str(tmp_path / "keys"), "ROADRISK_PULL_KEY": KEY}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    init_keys(tmp_path / "keys")
    asked = ["--url", base, "--resource", EVENTS, "--json"]
    looked = CliRunner().invoke(pull_command, [*asked, "--dry-run", "--page-rows", "50"], catch_exceptions=False)
    assert json.loads(looked.stdout)["resources"][0] | {"complete_until": ""} == {
        "resource": EVENTS, "deliveries": 0, "rows": 50, "quarantined": 0, "complete_until": "", "more": True, "refused": ""
    }
    assert not (tmp_path / "home").exists()
    done = CliRunner().invoke(pull_command, asked, catch_exceptions=False)
    assert json.loads(done.stdout)["resources"][0]["rows"] == 600
    assert KEY not in done.output
