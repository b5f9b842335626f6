"""A study in a real PostgreSQL server, started for this test where its programs and a driver are installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.errors import ConfigurationError
from tests.lib.postgresql import DRIVER, INSTALLED, postgresql
from tests.lib.processes import free_port
from tests.lib.searches import small_frame, small_plan, small_task
from training.tuning.search import search
from training.tuning.store import open_store

needs_driver = pytest.mark.skipif(not DRIVER, reason="psycopg is not installed")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    if not INSTALLED:
        pytest.skip("PostgreSQL's programs are not installed")
    with postgresql() as started:
        yield started


@needs_driver
def test_a_study_in_postgresql_goes_on_and_asks_what_one_in_a_journal_asks(address: str, tmp_path: Path) -> None:
    (calm,) = search(small_task(), small_frame(), small_plan(f"journal:///{tmp_path}/studies.log", 7))
    search(small_task(), small_frame(), small_plan(address, 3))
    (found,) = search(small_task(), small_frame(), small_plan(address, 7))
    assert [(t.state, t.parameters) for t in found.trials] == [(t.state, t.parameters) for t in calm.trials]


@needs_driver
def test_processes_share_a_study_in_postgresql(address: str, tmp_path: Path) -> None:
    plan = small_plan(address, 8, snapshot="shared")
    (found,) = search(small_task(), small_frame(), plan, jobs=2, scratch=tmp_path)
    assert [trial.number for trial in found.trials] == list(range(8))


@needs_driver
def test_a_server_that_does_not_answer_is_named() -> None:
    with (
        pytest.raises(ConfigurationError, match=r"PostgreSQL does not answer: OperationalError \(127.0.0.1/studies\)"),
        open_store(f"postgresql://u:secret@127.0.0.1:{free_port()}/studies"),
    ):
        pass


@pytest.mark.skipif(DRIVER, reason="psycopg is installed")
def test_without_a_driver_the_error_says_what_to_install() -> None:
    with pytest.raises(ConfigurationError, match="no driver for PostgreSQL"), open_store("postgresql://u@127.0.0.1/d"):
        pass
