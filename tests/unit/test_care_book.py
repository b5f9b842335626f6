"""The ledger of care: links that open once, consents, sealed declarations that a withdrawal destroys, requests and answers."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner

from features.pseudonyms import pseudonym
from registry.access.rules import AccessRules
from registry.care.book import LONGEST_LINK_D, CareBook
from registry.care.health import (
    HEALTH_CODES,
    LEGAL_RUN_MIN,
    PURPOSES,
    Declared,
    checked_declaration,
    consent_notice,
    health_notice,
)
from registry.cli import roadrisk
from registry.errors import Conflict, InvalidRequest, NotFound, Unauthenticated
from registry.settings import Settings
from registry.signing import init_keys, pseudonym_keys

AT = datetime(2026, 7, 10, 4, tzinfo=UTC)
TODAY = date(2026, 7, 10)
DRIVER, OTHER = "d" * 24, "e" * 24
SAID = {"version": "v1", "channel": "page", "by": "本人"}
APNOEA = Declared(code="sleep_apnoea_untreated", until=date(2027, 7, 1))


@pytest.fixture
def settings(tmp_path):
    init_keys(tmp_path / "keys")
    return Settings(home=tmp_path / "home", keys_dir=tmp_path / "keys")


@pytest.fixture
def book(settings):
    with closing(CareBook(settings)) as made:
        yield made


def issued(book, driver=DRIVER, days=7.0):
    return book.issue_link(driver, days=days, by="周敏", at=AT)


def test_a_link_opens_once_and_names_its_driver_alone(book):
    secret, link = issued(book)
    assert book.driver_of(link.id) is None
    assert book.open_link(secret, at=AT).id == link.id
    assert book.driver_of(link.id) == DRIVER
    with pytest.raises(Unauthenticated):
        book.open_link(secret, at=AT)


def test_forged_changed_foreign_over_and_revoked_links_all_get_the_same_answer(book):
    secret, link = issued(book)
    other, _ = issued(book, OTHER)
    head, tail = secret[:16], other[16:]
    late, _ = issued(book, days=0.5)
    gone, revoked = issued(book)
    book.revoke_link(revoked.id, reason="发错", by="周敏", at=AT)
    wrong = ["", "x", "rl_", head + tail, secret[:-1] + ("A" if secret[-1] != "A" else "B"), "rr_" + secret[3:], secret + " ", gone]
    said = set()
    for text in wrong:
        with pytest.raises(Unauthenticated) as met:
            book.open_link(text, at=AT)
        said.add(str(met.value))
    with pytest.raises(Unauthenticated) as met:
        book.open_link(late, at=AT + timedelta(hours=12))
    with pytest.raises(Unauthenticated):
        book.open_link(secret, at=AT - timedelta(seconds=1))
    assert said == {str(met.value)}
    assert book.open_link(secret, at=AT).id == link.id


def test_a_revocation_ends_what_was_opened_and_nobody_reads_whose_it_was(book):
    secret, link = issued(book)
    book.open_link(secret, at=AT)
    book.revoke_link(link.id, reason="手机遗失", by="周敏", at=AT)
    assert book.driver_of(link.id) is None
    with pytest.raises(Conflict):
        book.revoke_link(link.id, reason="手机遗失", by="周敏", at=AT)


def test_of_many_who_open_a_link_at_once_one_gets_in(settings, book):
    secret, _ = issued(book)

    def attempt(_):
        with closing(CareBook(settings)) as mine:
            try:
                mine.open_link(secret, at=AT)
            except Unauthenticated:
                return False
            return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6))) == 1


def test_neither_secret_nor_pseudonym_nor_declaration_lies_in_the_files(settings, book):
    secret, link = issued(book)
    book.open_link(secret, at=AT)
    book.consent(DRIVER, "fatigue_care", given=True, at=AT, **SAID)
    book.declare(DRIVER, APNOEA, by="本人", at=AT)
    held = b"".join(path.read_bytes() for path in settings.ledger_dir.iterdir())
    assert link.id.encode() in held
    for text in (secret.split("_", 2)[2], DRIVER, APNOEA.code, "2027-07-01"):
        assert text.encode() not in held


def test_nothing_is_kept_without_consent_and_a_withdrawal_destroys_what_was_declared(settings, book):
    with pytest.raises(Conflict, match="consent"):
        book.declare(DRIVER, APNOEA, by="本人", at=AT)
    book.consent(DRIVER, "fatigue_care", given=True, at=AT, **SAID)
    book.declare(DRIVER, APNOEA, by="本人", at=AT)
    assert book.declared(DRIVER) == [APNOEA]
    assert book.declared(OTHER) == []
    book.consent(DRIVER, "fatigue_care", given=False, at=AT, **SAID)
    assert book.declared(DRIVER) == []
    with closing(sqlite3.connect(settings.ledger_dir / "care.db")) as db:
        assert db.execute("SELECT count(*) FROM care_keys").fetchone() == (0,)
    # Consenting again makes another key: what was declared under the first stays unreadable.
    book.consent(DRIVER, "fatigue_care", given=True, at=AT, **SAID)
    assert book.declared(DRIVER) == []
    assert len(book.person(DRIVER).health) == 1


def test_the_newest_declaration_of_a_code_counts(book):
    book.consent(DRIVER, "fatigue_care", given=True, at=AT, **SAID)
    book.declare(DRIVER, APNOEA, by="本人", at=AT)
    newer = Declared(code=APNOEA.code, until=date(2026, 8, 1))
    book.declare(DRIVER, newer, by="本人", at=AT)
    assert book.declared(DRIVER) == [newer]


def test_the_employers_purpose_needs_the_drivers_own_and_falls_with_it(book):
    with pytest.raises(Conflict, match="needs fatigue_care"):
        book.consent(DRIVER, "fatigue_care_employer", given=True, at=AT, **SAID)
    for purpose in PURPOSES:
        book.consent(DRIVER, purpose, given=True, at=AT, **SAID)
    with pytest.raises(Conflict, match="already"):
        book.consent(DRIVER, "fatigue_care", given=True, at=AT, **SAID)
    assert book.consent(DRIVER, "fatigue_care", given=False, at=AT, **SAID) == []
    assert [(one.purpose, one.given) for one in book.person(DRIVER).consents[-2:]] == [
        ("fatigue_care_employer", False), ("fatigue_care", False),
    ]
    with pytest.raises(Conflict, match="no consent"):
        book.consent(DRIVER, "fatigue_care", given=False, at=AT, **SAID)


def test_requests_are_asked_once_and_answered_by_a_person(book):
    asked = book.ask(DRIVER, "data_wrong", by="本人", at=AT)
    book.ask(DRIVER, None, by="本人", at=AT)
    with pytest.raises(Conflict):
        book.ask(DRIVER, "data_wrong", by="本人", at=AT)
    book.ask(OTHER, "data_wrong", by="本人", at=AT)
    with pytest.raises(InvalidRequest, match="identifies"):
        book.answer(asked.n, "upheld", reason="致电13812345678", by="王工", at=AT)
    done = book.answer(asked.n, "corrected", reason="已更正", by="王工", at=AT + timedelta(days=1))
    assert done.answer == {"outcome": "corrected", "reason": "已更正", "by": "王工"}
    assert [(one.ground, one.answer is not None) for one in book.person(DRIVER).asked] == [("data_wrong", True), (None, False)]
    with pytest.raises(Conflict):
        book.answer(asked.n, "upheld", reason="x", by="王工", at=AT)
    with pytest.raises(NotFound):
        book.answer(999, "upheld", reason="x", by="王工", at=AT)


NOTICES = [
    ([], None, None), ([APNOEA], 0.0, (120, 120)), ([APNOEA], 7_000.0, (120, 4)), ([APNOEA], 7_200.0, (120, 0)),
    ([APNOEA], 20_000.0, (120, 0)), ([APNOEA], None, (120, None)),
    ([Declared(code="sleep_apnoea_untreated", until=date(2026, 7, 9))], 0.0, None),
    ([Declared(code="sleep_apnoea_untreated", until=TODAY)], 0.0, (120, 120)),
    ([Declared(code="sleep_apnoea_treated", until=date(2027, 1, 1))], 0.0, None),
    ([Declared(code="medical_certificate", until=date(2027, 1, 1))], 0.0, None),
]


@pytest.mark.parametrize(("declared", "driven_s", "expected"), NOTICES)
def test_what_is_advised(declared, driven_s, expected):
    found = health_notice(declared, on=TODAY, driven_s=driven_s)
    assert (found and (found["advised_run_min"], found["advised_rest_in_min"])) == expected
    # It names no code: who sees the advice does not learn what was declared.
    assert not any(code in json.dumps(found) for code in HEALTH_CODES)


def test_every_effect_is_earlier_than_the_law_and_says_how_well_it_is_sourced():
    for one in HEALTH_CODES.values():
        assert one.run_min is None or 0 < one.run_min < LEGAL_RUN_MIN
        assert one.evidence in ("A", "G", "F2", "F1")
        assert one.note


WRONG = [("cancer", None), ("sedating_medication", None), ("medical_certificate", date(2026, 7, 9)),
         ("sleep_apnoea_treated", date(2028, 1, 1))]


@pytest.mark.parametrize(("code", "until"), WRONG)
def test_a_wrong_declaration_is_refused(code, until):
    with pytest.raises(InvalidRequest):
        checked_declaration(code, until, on=TODAY)


def test_the_notices_say_purpose_kinds_and_how_to_withdraw_in_both_languages():
    made = [consent_notice(purpose, AccessRules()) for purpose in PURPOSES]
    assert len({one.version for one in made}) == 2
    for one in made:
        assert all(word in one.zh for word in ("第二十八条", "第二十九条", "撤回", "单独同意"))
        assert all(word in one.en for word in ("Art. 28", "Art. 29", "withdraw", "separate consent".capitalize()))


def run(monkeypatch, settings, *arguments, said="", on=False):
    monkeypatch.setenv("ROADRISK_HOME", str(settings.home))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(settings.keys_dir))
    monkeypatch.setenv("ROADRISK_HEALTH_DATA", str(on))
    return CliRunner().invoke(roadrisk, ["access", *arguments, "--json"], input=said)


def test_health_commands_say_that_it_is_off_and_keep_nothing(monkeypatch, settings):
    number = "360100199001010017\n"
    for arguments in (
        ("consent", "--purpose", "fatigue_care", "--given", "--by", "周敏"),
        ("health", "declare", "sleep_apnoea_treated", "--by", "周敏"),
    ):
        found = run(monkeypatch, settings, *arguments, said=number)
        assert "ROADRISK_HEALTH_DATA=true" in getattr(found.exception, "remedy", "")
    assert not (settings.ledger_dir / "care.db").exists()


def test_the_commands_from_link_to_withdrawal(monkeypatch, settings):
    number = "360100199001010017"
    made = json.loads(run(monkeypatch, settings, "subject-link", "issue", "--by", "周敏", said=number).output)
    assert "/console/me/open?link=rl_" in made["address"]
    assert number not in made["address"]
    listed = json.loads(run(monkeypatch, settings, "subject-link", "list").output)["links"]
    assert [one["state"] for one in listed] == ["waiting"]
    consented = run(
        monkeypatch, settings, "consent", "--purpose", "fatigue_care", "--given", "--by", "周敏", said=number, on=True,
    )
    assert json.loads(consented.output)["standing"] == ["fatigue_care"]
    run(monkeypatch, settings, "health", "declare", "sleep_apnoea_untreated", "--by", "周敏", said=number, on=True)
    driver = pseudonym(pseudonym_keys(settings.keys_dir), "person", number)
    with closing(CareBook(settings)) as book:
        assert [one.code for one in book.declared(driver)] == ["sleep_apnoea_untreated"]
    # Taking it back needs no setting.
    taken = run(monkeypatch, settings, "consent", "--purpose", "fatigue_care", "--withdrawn", "--by", "周敏", said=number)
    assert json.loads(taken.output)["standing"] == []
    with closing(CareBook(settings)) as book:
        assert book.declared(driver) == []
        asked = book.ask(driver, None, by="本人", at=datetime.now(UTC))
    assert json.loads(run(monkeypatch, settings, "subject-requests", "list").output)["requests"][0]["due"]
    answered = run(
        monkeypatch, settings, "subject-requests", "answer", str(asked.n), "--outcome", "upheld", "--reason", "已复核",
        "--by", "王工",
    )
    assert json.loads(answered.output)["answer"]["outcome"] == "upheld"


def test_a_link_lasts_a_month_at_most_and_somebody_signs_for_it(book):
    with pytest.raises(InvalidRequest):
        book.issue_link(DRIVER, days=LONGEST_LINK_D + 1, by="周敏", at=AT)
    with pytest.raises(InvalidRequest):
        book.issue_link(DRIVER, days=1, by=" ", at=AT)


def test_the_whole_chain_verifies_after_a_withdrawal(settings, book):
    from registry.model_ledgers import verify

    book.consent(DRIVER, "fatigue_care", given=True, at=AT, **SAID)
    book.declare(DRIVER, APNOEA, by="本人", at=AT)
    book.consent(DRIVER, "fatigue_care", given=False, at=AT, **SAID)
    report = verify(settings, "care")
    assert report.ok
    assert report.rows == 3
