"""The disk of the ledgers' PostgreSQL full: no answer without its record, and back when there is space again.

A full disk of tables refuses single transactions and lets the server live. A full disk of its write-ahead log ends the server,
which does not come up before there is space: for the service that is a server that went away.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lib.bundles import PORTFOLIO, tiny_bundle
from tests.lib.homes import key_header, make_home
from tests.lib.kept_answers import SCORES, body_of, outlasted, proved_environment, recorded, verified
from tests.lib.load import Load, Told
from tests.lib.postgresql import DRIVER, INSTALLED, new_database, owner, postgresql, running, start
from tests.lib.processes import ROOT, command_line, free_port, running_process
from tests.lib.small_disks import filled, small_disk

BACK_WITHIN_S = 30.0

pytestmark = pytest.mark.skipif(not INSTALLED or not DRIVER, reason="PostgreSQL's programs or psycopg are not installed")


@contextmanager
def small_tables() -> Iterator[tuple[str, Path]]:
    """Yield a database whose tables alone lie on a small disk."""
    with small_disk(48) as disk, postgresql() as server:
        place = disk / "tables"
        place.mkdir()
        if owner():
            shutil.chown(place, owner())
        yield new_database(server, "small", tables=place), disk


@contextmanager
def small_log() -> Iterator[tuple[str, Path]]:
    """Yield a database whose write-ahead log alone lies on a small disk."""
    with small_disk(96) as disk:
        place = disk / "log"
        place.mkdir()
        with postgresql(wal=place) as server:
            yield server, disk


@pytest.mark.parametrize(("database", "survives"), [(small_tables, True), (small_log, False)], ids=["tables", "log"])
def test_a_full_disk_of_postgresql_lets_no_answer_go_without_its_record(
    tmp_path: Path, database: Callable[[], Iterator[tuple[str, Path]]], survives: bool
) -> None:
    with database() as (ledger_url, disk):
        home, port = make_home(tmp_path, [tiny_bundle(PORTFOLIO)], ledger_url=ledger_url), free_port()
        answered: dict[str, Told] = {}
        command = command_line("serve", "--port", str(port))
        with running_process(command, proved_environment(home), port, tmp_path / "serve.log", ROOT) as (address, _):
            load = Load(address, SCORES, key_header(home), body_of, "disk", clients=4)
            with load.running():
                load.wait_for(20)
                with filled(disk):
                    load.wait_for(20, status=503)
                    load.pause_s = 0.02
                    load.wait_for(20, status=503)
                    assert running(ledger_url) == survives
                if not survives:
                    start(ledger_url)
                load.wait_for(20, within_s=BACK_WITHIN_S)
            outlasted(address, home, load, answered, random.Random(20260704))
        assert verified(home)
        recorded(home, answered)
