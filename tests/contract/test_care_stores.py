"""The ledger of care on both stores: a link opens once for many at once, and a withdrawal takes the key away."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from registry.care.book import CareBook
from registry.care.health import Declared
from registry.errors import Unauthenticated
from registry.model_ledgers import verify
from registry.settings import Settings
from registry.signing import init_keys
from tests.lib.postgresql import DRIVER, INSTALLED, postgresql

AT = datetime(2026, 7, 10, 4, tzinfo=UTC)
PERSON = "d" * 24
SAID = {"version": "v1", "channel": "page", "by": "本人"}


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    init_keys(tmp_path / "keys")
    made = Settings(home=tmp_path / "home", keys_dir=tmp_path / "keys")
    if request.param == "sqlite":
        yield made
        return
    if not INSTALLED or not DRIVER:
        pytest.skip("PostgreSQL's programs or psycopg are not installed")
    with postgresql() as address:
        yield made.model_copy(update={"ledger_url": address})


def test_of_many_who_open_a_link_at_once_one_gets_in(settings: Settings) -> None:
    with closing(CareBook(settings)) as book:
        secret, link = book.issue_link(PERSON, days=7, by="周敏", at=AT)

        def attempt(_: int) -> bool:
            with closing(CareBook(settings)) as mine:
                try:
                    mine.open_link(secret, at=AT)
                except Unauthenticated:
                    return False
                return True

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(attempt, range(4))) == 1
        assert book.driver_of(link.id) == PERSON


def test_a_withdrawal_takes_the_key_away_and_the_chain_verifies(settings: Settings) -> None:
    declared = Declared(code="sleep_apnoea_untreated", until=date(2027, 1, 1))
    with closing(CareBook(settings)) as book:
        book.consent(PERSON, "fatigue_care", given=True, at=AT, **SAID)
        book.declare(PERSON, declared, by="本人", at=AT)
        assert book.declared(PERSON) == [declared]
        book.consent(PERSON, "fatigue_care", given=False, at=AT, **SAID)
        assert book.declared(PERSON) == []
        assert book._ledger.store.read("SELECT count(*) FROM care_keys") == [(0,)]
    report = verify(settings, "care")
    assert (report.ok, report.rows) == (True, 3)
