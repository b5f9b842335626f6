"""What several folders of tests share."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from registry.errors import RoadRiskError
from registry.ledger_sqlite import SqliteStore
from registry.settings import Settings
from tests.lib.provinces import load, settled, simulate, take_in

THEIR_WARNINGS = (
    # ibis 12 calls what DuckDB 2.0 has renamed.
    "ignore:fetch_arrow_table:DeprecationWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    """Let pass the warnings that our dependencies give each other and that we cannot mend; name our markers."""
    config.addinivalue_line("markers", "spark: starts a Spark session, which needs Java (deselect with -m 'not spark')")
    for line in THEIR_WARNINGS:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="session", autouse=True)
def _stores_left_open() -> Iterator[None]:
    """Close the ledgers that tests left open, before the last collection calls each of them a leak."""
    yield
    for one in gc.get_objects():
        if isinstance(one, SqliteStore):
            # One that its test closed or damaged says so, and has nothing open that could be closed.
            with suppress(ValueError, RoadRiskError):
                one.close()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The tiny province up to a filled online store, made once per session; whoever changes something copies it first."""
    settings = settled(tmp_path_factory.mktemp("tiny"))
    simulate(settings)
    take_in(settings)
    load(settings)
    return settings


@pytest.fixture(scope="session")
def registered_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions of one product with cards and evidence and a fourth without a card; whoever changes something copies it."""
    from tests.lib.registered import registered

    folder = tmp_path_factory.mktemp("registered")
    registered(folder, versions=4, without_card=(4,), tags={"trained_by": "赵工"})
    return folder
