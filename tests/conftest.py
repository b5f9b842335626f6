"""What several folders of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from registry.errors import RoadRiskError
from registry.settings import Settings
from tests.lib.desks import OPENED
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


@pytest.fixture(autouse=True)
def _ledgers_of_tiny_desks() -> Iterator[None]:
    """Close the ledgers of the desks that a test made and left open; those of wider fixtures were made before it."""
    before = len(OPENED)
    yield
    while len(OPENED) > before:
        # One that its test closed or damaged says so, and has nothing open that could be closed.
        with suppress(ValueError, RoadRiskError):
            OPENED.pop().close()


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
