"""The access book on real files: what it lets in, how soon a change bites, and that no secret is kept."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.access.book import AccessBook
from registry.access.changes import Writer
from registry.access.local import LOCAL_KEY, init_local, local_token
from registry.access.parties import Quota
from registry.access.terms import Term
from registry.access.tokens import Token, read_token
from registry.chain import ChainLedger, Entry
from registry.errors import (
    AccessRefused,
    ConfigurationError,
    Conflict,
    IntegrityError,
    InvalidRequest,
    NotFound,
    Unauthenticated,
)
from registry.model_ledgers import ACCESS, writing
from registry.products import PRODUCTS
from registry.settings import Settings
from registry.signing import API_PEPPER
from tests.lib.access import APPLICANT, APPROVER, NOW, REQUEST, TERM, activate, add_consumer, installation, token_of
from tests.lib.postgresql import DRIVER, INSTALLED, postgresql
from tests.lib.processes import environment_of

REFUSED = "no API key that is known and valid"
SECOND = timedelta(seconds=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = installation(tmp_path)
    add_consumer(made)
    return made


def lets_in(book: AccessBook, token: str | None, now: datetime = NOW) -> bool:
    try:
        book.authenticate(token, now)
    except Unauthenticated as error:
        assert REFUSED in error.message  # noqa: PT017 - whatever is wrong, the words are the same
        return False
    return True


def test_a_key_names_its_consumer(settings: Settings) -> None:
    token = token_of(settings)
    who = AccessBook.open(settings).authenticate(token, NOW)
    assert (who.consumer, who.role, who.zh) == ("insurer-a", "insurer", "消费方")
    assert who.key_id == token.split("_")[1]


def test_whatever_is_wrong_with_a_token_the_answer_is_the_same(settings: Settings) -> None:
    token, other = token_of(settings), token_of(settings)
    book = AccessBook.open(settings)
    right, foreign = read_token(token), read_token(other)
    assert right is not None
    assert foreign is not None
    mixed = Token(right.key_id, foreign.secret).text
    unknown = Token("0" * 12, right.secret).text
    wrong = [None, "", "rr_", token[:-1], token + "a", token.upper(), mixed, unknown, f"Bearer {token}", "x" * 100_000, "ｒｒ_"]
    said = set()
    for text in wrong:
        with pytest.raises(Unauthenticated, match=REFUSED) as refused:
            book.authenticate(text, NOW)
        said.add(str(refused.value))
    assert len(said) == 1
    assert not any(part in text for text in said for part in (right.secret, right.key_id))


def test_a_key_is_valid_between_its_limits(settings: Settings) -> None:
    token = token_of(settings, not_before=NOW, not_after=NOW + timedelta(days=1))
    book = AccessBook.open(settings)
    assert [lets_in(book, token, NOW + step) for step in (-SECOND, 0 * SECOND, SECOND)] == [False, True, True]
    ends = NOW + timedelta(days=1)
    assert [lets_in(book, token, ends + step) for step in (-SECOND, 0 * SECOND, SECOND)] == [True, False, False]


def test_a_rotated_key_overlaps_with_its_successor(settings: Settings) -> None:
    old = token_of(settings)
    key_id = old.split("_")[1]
    new = Writer(settings, APPLICANT, NOW).rotate_key(key_id, overlap=timedelta(hours=6)).token.text
    book = AccessBook.open(settings)
    assert lets_in(book, old)
    assert lets_in(book, new)
    assert lets_in(book, old, NOW + timedelta(hours=6) - SECOND)
    assert not lets_in(book, old, NOW + timedelta(hours=6))
    assert lets_in(book, new, NOW + timedelta(hours=6))
    with pytest.raises(Conflict, match="was replaced by"):
        Writer(settings, APPLICANT, NOW).rotate_key(key_id)


def test_a_rotation_lengthens_no_key(settings: Settings) -> None:
    ends = NOW + timedelta(hours=1)
    old = token_of(settings, not_after=ends)
    Writer(settings, APPLICANT, NOW).rotate_key(old.split("_")[1], overlap=timedelta(days=30))
    book = AccessBook.open(settings)
    assert lets_in(book, old, ends - SECOND)
    assert not lets_in(book, old, ends)


def test_a_revocation_holds_whatever_the_clock_says(settings: Settings) -> None:
    token = token_of(settings)
    Writer(settings, APPLICANT, NOW).revoke_key(token.split("_")[1], reason="lost")
    book = AccessBook.open(settings)
    for now in (NOW, NOW - timedelta(days=400), NOW + timedelta(days=400)):
        assert not lets_in(book, token, now)
    with pytest.raises(Conflict, match="was revoked already"):
        Writer(settings, APPLICANT, NOW).revoke_key(token.split("_")[1], reason="again")
    with pytest.raises(Conflict, match="was revoked already"):
        Writer(settings, APPLICANT, NOW).rotate_key(token.split("_")[1])


def test_a_revocation_bites_in_every_open_book_at_once(settings: Settings) -> None:
    token = token_of(settings)
    books = [AccessBook.open(settings) for _ in range(3)]
    for _ in range(3):
        assert all(lets_in(book, token) for book in books)
    Writer(settings, APPLICANT, NOW).revoke_key(token.split("_")[1], reason="lost")
    assert not any(lets_in(book, token) for book in books)


def test_a_revocation_by_another_process_bites_at_once(settings: Settings) -> None:
    token = token_of(settings)
    book = AccessBook.open(settings)
    assert lets_in(book, token)
    done = subprocess.run(
        [sys.executable, "-m", "registry.cli", "access", "keys", "revoke", token.split("_")[1], "--by", "周敏", "--reason", "lost"],
        env=environment_of(settings), capture_output=True, text=True, timeout=120, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not lets_in(book, token)


def test_a_consumer_that_left_is_refused_with_every_key(settings: Settings) -> None:
    tokens = [token_of(settings) for _ in range(2)]
    add_consumer(settings, "insurer-b")
    other = token_of(settings, "insurer-b")
    book = AccessBook.open(settings)
    assert all(lets_in(book, token) for token in tokens)
    Writer(settings, APPROVER, NOW).close_consumer("insurer-a", reason="contract ended")
    assert [lets_in(book, token) for token in (*tokens, other)] == [False, False, True]
    for change in (
        lambda writer: writer.issue_key("insurer-a"), lambda writer: writer.rotate_key(tokens[0].split("_")[1]),
        lambda writer: writer.apply_for(REQUEST), lambda writer: writer.close_consumer("insurer-a", reason="again"),
    ):
        with pytest.raises(Conflict, match="consumer insurer-a was closed on 2026-07-10"):
            change(Writer(settings, APPLICANT, NOW))


def test_a_ledger_that_was_removed_or_replaced_is_noticed(settings: Settings, tmp_path: Path) -> None:
    token, path = token_of(settings), settings.ledger_dir / "access.db"
    book = AccessBook.open(settings)
    assert lets_in(book, token)
    backup = tmp_path / "backup"
    shutil.copytree(settings.ledger_dir, backup)
    Writer(settings, APPLICANT, NOW).revoke_key(token.split("_")[1], reason="lost")
    assert not lets_in(book, token)
    path.rename(tmp_path / "away.db")
    with pytest.raises(IntegrityError, match="rows were cut off"):
        book.authenticate(token, NOW)
    # What an operator restores whole from a backup holds again; the anchors outside show that it was taken back.
    shutil.rmtree(settings.ledger_dir)
    shutil.copytree(backup, settings.ledger_dir)
    assert lets_in(book, token)


def test_a_suspension_bites_the_next_call_and_a_resumption_too(settings: Settings) -> None:
    token, scenario = token_of(settings), activate(settings)
    book = AccessBook.open(settings)

    def ask() -> str:
        return book.authorise(book.authenticate(token, NOW), product=REQUEST.product, action="score", now=NOW).scenario

    assert ask() == scenario
    Writer(settings, APPROVER, NOW).take_step(scenario, "suspend", reason="complaint")
    with pytest.raises(AccessRefused, match="is suspended since 2026-07-10 12:00"):
        ask()
    Writer(settings, APPROVER, NOW).take_step(scenario, "resume", reason="settled")
    assert ask() == scenario


def test_an_agreed_quota_reaches_the_grant(settings: Settings) -> None:
    token, _ = token_of(settings), activate(settings)
    book = AccessBook.open(settings)
    Writer(settings, APPROVER, NOW).set_quota("insurer-a", REQUEST.product, Quota(per_day=5, per_month=90))
    found = book.authorise(book.authenticate(token, NOW), product=REQUEST.product, action="score", now=NOW)
    assert (found.per_day, found.per_month, found.rate_per_s) == (5, 90, 50)


def test_the_ledger_is_read_again_only_when_it_changed(settings: Settings) -> None:
    book = AccessBook.open(settings)
    first = book.state()
    assert book.state() is first
    AccessBook.open(settings).close()
    assert book.state() is first
    token_of(settings)
    second = book.state()
    assert second is not first
    assert second.seq == first.seq + 1


def test_a_book_opens_before_anything_was_written(tmp_path: Path) -> None:
    settings = installation(tmp_path)
    book = AccessBook.open(settings)
    assert not lets_in(book, Token("0" * 12, "A" * 43).text)
    add_consumer(settings)
    assert lets_in(book, token_of(settings))


def test_no_book_without_the_pepper(settings: Settings) -> None:
    (settings.keys_dir / API_PEPPER).unlink()
    with pytest.raises(ConfigurationError, match=r"key api-pepper.key does not exist"):
        AccessBook.open(settings)


def test_another_pepper_lets_nobody_in(settings: Settings) -> None:
    token = token_of(settings)
    (settings.keys_dir / API_PEPPER).write_text("ab" * 32)
    assert not lets_in(AccessBook.open(settings), token)


def test_a_changed_ledger_lets_nobody_in(settings: Settings) -> None:
    token = token_of(settings)
    book = AccessBook.open(settings)
    assert lets_in(book, token)
    db = sqlite3.connect(settings.ledger_dir / "access.db")
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f'DROP TRIGGER "{name}"')
    db.execute("UPDATE access SET payload = replace(payload, 'insurer', 'regulator') WHERE seq = 1")
    db.commit()
    db.close()
    with pytest.raises(IntegrityError, match="ledger access"):
        book.authenticate(token, NOW)
    with pytest.raises(IntegrityError, match="ledger access"):
        AccessBook.open(settings)


def test_no_secret_is_kept_anywhere(tmp_path: Path) -> None:
    settings = installation(tmp_path)
    add_consumer(settings)
    init_local(settings, now=NOW)
    tokens = [token_of(settings) for _ in range(3)]
    rotated = Writer(settings, APPLICANT, NOW).rotate_key(tokens[0].split("_")[1])
    with pytest.raises(Unauthenticated, match=REFUSED):
        AccessBook.open(settings).authenticate(tokens[1][:-1] + "!", NOW)
    secrets = [token.split("_", 2)[2] for token in (*tokens, rotated.token.text)]
    assert rotated.token.secret not in repr(rotated)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 8
    for path in files:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], path
        if path.name != LOCAL_KEY:
            assert (local_token(settings) or "").split("_", 2)[2].encode() not in content, path


def test_two_writers_do_not_both_win(settings: Settings) -> None:
    token = token_of(settings)
    outcomes: list[str] = []

    def rotate() -> None:
        try:
            Writer(settings, APPLICANT, NOW).rotate_key(token.split("_")[1])
            outcomes.append("done")
        except Conflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=rotate) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", *["refused"] * 5]


def test_a_line_written_on_what_did_not_hold_any_more_is_void(settings: Settings) -> None:
    token = token_of(settings)
    book = AccessBook.open(settings)
    before = book.state()
    with writing(settings, ACCESS) as ledger:
        # As another machine does that shares the database but not the lock of this one.
        line = {"kind": "key_revoked", "id": token.split("_")[1], "reason": "late", "by": APPLICANT}
        ledger.append(line | {"after": before.seq - 1}, at=NOW)
    assert lets_in(book, token)
    assert book.state().seq == before.seq + 1
    Writer(settings, APPLICANT, NOW).revoke_key(token.split("_")[1], reason="in time")
    assert not lets_in(book, token)


def test_a_writer_that_was_overtaken_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    token, append = token_of(settings), ChainLedger.append

    def overtaken(ledger: ChainLedger, payload: Mapping[str, object], *, at: datetime) -> Entry:
        append(ledger, {"kind": "key_revoked", "id": "x", "reason": "", "by": "x", "after": -1}, at=at)
        return append(ledger, payload, at=at)

    monkeypatch.setattr(ChainLedger, "append", overtaken)
    with pytest.raises(Conflict, match="somebody else changed the access ledger at the same moment"):
        Writer(settings, APPLICANT, NOW).revoke_key(token.split("_")[1], reason="lost")
    assert lets_in(AccessBook.open(settings), token)


def test_a_dry_run_checks_and_writes_nothing(settings: Settings) -> None:
    before = AccessBook.open(settings).state().seq
    dry = Writer(settings, APPLICANT, NOW, dry_run=True)
    assert dry.apply_for(REQUEST).standing == "applied"
    with pytest.raises(NotFound, match="there is no consumer 'nobody'"):
        dry.issue_key("nobody")
    assert AccessBook.open(settings).state().seq == before


def test_a_line_names_who_wrote_it(settings: Settings) -> None:
    with pytest.raises(InvalidRequest, match="by is empty"):
        Writer(settings, "  ", NOW).add_consumer("other", role="insurer", zh="x", en="x")
    with pytest.raises(InvalidRequest, match="'No Id' is no identifier"):
        Writer(settings, APPLICANT, NOW).add_consumer("No Id", role="insurer", zh="x", en="x")
    with pytest.raises(Conflict, match="there is a consumer 'insurer-a' already"):
        add_consumer(settings)


def test_a_scenario_lies_inside_the_authorised_operation(settings: Settings, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text('{"operation_start": "2026-07-04", "operation_end": "2029-07-03"}')
    inside = settings.model_copy(update={"access_rules": rules})
    assert Writer(inside, APPLICANT, NOW).apply_for(REQUEST).request.term == TERM
    beyond = replace(REQUEST, term=Term(TERM.start.replace(day=3), TERM.end.replace(day=1)))
    with pytest.raises(InvalidRequest, match="is not inside the authorised operation, 2026-07-04 to 2029-07-03"):
        Writer(inside, APPLICANT, NOW).apply_for(beyond)


@pytest.mark.skipif(not (INSTALLED and DRIVER), reason="PostgreSQL or its driver is not installed")
def test_on_a_database_server_a_change_bites_as_soon(tmp_path: Path) -> None:
    with postgresql() as address:
        settings = installation(tmp_path).model_copy(update={"ledger_url": address})
        first, second = AccessBook.open(settings), AccessBook.open(settings)
        assert not lets_in(first, Token("0" * 12, "A" * 43).text)
        add_consumer(settings)
        scenario, token = activate(settings), token_of(settings)
        for book in (first, second):
            who = book.authenticate(token, NOW)
            assert book.authorise(who, product=REQUEST.product, action="score", now=NOW).scenario == scenario
        known = first.state()
        assert first.state() is known
        Writer(settings, APPROVER, NOW).take_step(scenario, "suspend", reason="complaint")
        for book in (first, second):
            who = book.authenticate(token, NOW)
            with pytest.raises(AccessRefused, match="is suspended since"):
                book.authorise(who, product=REQUEST.product, action="score", now=NOW)
        Writer(settings, APPLICANT, NOW).revoke_key(token.split("_")[1], reason="lost")
        assert not any(lets_in(book, token) for book in (first, second))
        assert not (settings.ledger_dir / "access.db").exists()
        first.close()
        second.close()


def test_local_access_is_made_once_and_made_good(tmp_path: Path) -> None:
    settings = installation(tmp_path)
    first = init_local(settings, now=NOW, products=["french_mtpl"])
    assert first.key_made
    assert stat.S_IMODE(first.key_file.stat().st_mode) == 0o600
    assert len(first.in_force) == len(PRODUCTS) + 2
    again = init_local(settings, now=NOW + SECOND, products=["french_mtpl"])
    assert (again.key_made, again.opened, again.key_id) == (False, (), first.key_id)

    book = AccessBook.open(settings)
    who = book.authenticate(local_token(settings), NOW)
    for product in (*PRODUCTS, "vehicle_supervision", "french_mtpl"):
        found = book.authorise(who, product=product, action="replay", now=NOW)
        assert (found.detail, found.resources, found.rate_per_s, found.charge) == ("exact", None, None, "public")

    after = datetime(2030, 1, 1, tzinfo=UTC)
    assert len(init_local(settings, now=after).opened) == len(PRODUCTS) + 1
    (settings.keys_dir / LOCAL_KEY).unlink()
    assert local_token(settings) is None
    assert init_local(settings, now=after).key_made
    assert lets_in(book, local_token(settings), after)


def test_nobody_else_gets_scenarios_without_a_review(settings: Settings) -> None:
    with pytest.raises(InvalidRequest, match="only the consumer of this machine"):
        Writer(settings, APPLICANT, NOW).open_locally([REQUEST], reason="quick")
