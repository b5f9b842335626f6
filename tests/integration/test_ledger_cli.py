"""`roadrisk ledger` as an operator and a third party use it, and erasing that leaves nothing behind in the files."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from registry.chain_format import row_digest
from registry.cli import main
from registry.decisions import DecisionLedger
from registry.ledger_audit import audit_ledgers
from registry.settings import Settings
from registry.signing import ANCHOR_KEY, ANCHOR_VERIFY_KEY, init_keys
from tests.lib.ledgers import AT, DECISION, PERSON, answer, beside, count, decision
from tests.lib.postgresql import DRIVER, INSTALLED, postgresql

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ROADRISK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(tmp_path / "keys"))
    settings = Settings()
    init_keys(settings.keys_dir)
    filled(settings)
    return settings


def filled(settings: Settings) -> None:
    with closing(DecisionLedger.open(settings)) as ledger:
        ledger.record(DECISION, beside=beside(count(), answer=answer(score_id=DECISION.score_id)))
        for i in range(1, 20):
            ledger.record(decision(entity_id=f"e{i}", related={}, at=AT + timedelta(seconds=i)))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        status = main(["ledger", *arguments, "--json"])
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return status, found

    return command


def tamper(settings: Settings, statement: str) -> None:
    with closing(sqlite3.connect(settings.ledger_dir / "decisions.db", isolation_level=None)) as db:
        db.execute("DROP TRIGGER decisions_no_update")
        db.execute("DROP TRIGGER decisions_no_delete")
        db.execute(statement)


def test_a_whole_ledger_verifies_and_shows(home: Settings, run: Run) -> None:
    status, found = run("verify")
    assert (status, found["ok"]) == (0, True)
    (one,) = found["ledgers"]
    assert (one["ledger"], one["rows"], one["anchored"]) == ("decisions", 20, 20)
    # At the first row, and at closing.
    assert one["anchors"] == 2
    status, found = run("show", "-n", "2")
    assert [row["seq"] for row in found["rows"]] == [19, 20]
    assert "sealed" not in found["rows"][0]["payload"]
    assert main(["ledger", "show"]) == main(["ledger", "verify"]) == 0


@pytest.mark.parametrize(("statement", "problem"), [
    ("UPDATE decisions SET payload = replace(payload, 'maintenance', 'pricing') WHERE seq = 7", "row 7 was changed or moved"),
    ("DELETE FROM decisions WHERE seq > 15", "ledger decisions ends at row 15, its head names row 20: rows were cut off"),
    ("UPDATE decisions_usage SET n = 0", "is kept as 0, the chain says 1"),
])
def test_what_was_tampered_with_ends_with_40(home: Settings, run: Run, statement: str, problem: str) -> None:
    tamper(home, statement)
    status, found = run("verify")
    assert (status, found["ok"]) == (40, False)
    assert any(problem in one for one in found["ledgers"][0]["problems"])


def test_a_ledger_that_was_removed_is_missed(home: Settings, run: Run) -> None:
    for path in home.ledger_dir.iterdir():
        path.unlink()
    status, found = run("verify")
    assert status == 40
    assert "row 20, anchored at" in found["ledgers"][0]["problems"][-1]


def test_anchors_elsewhere_are_held_against_the_ledger(home: Settings, run: Run, tmp_path: Path) -> None:
    shutil.copytree(home.home / "anchors", tmp_path / "elsewhere")
    backup = tmp_path / "backup"
    shutil.copytree(home.ledger_dir, backup)
    with closing(DecisionLedger.open(home)) as ledger:
        ledger.record(decision())
    assert run("anchor")[1]["anchors"][0]["seq"] == 21
    assert run("anchor")[1]["anchors"][0]["seq"] == 21
    shutil.copytree(home.home / "anchors", tmp_path / "elsewhere", dirs_exist_ok=True)
    # Ledger and head taken back together agree with each other; so do the anchors that lie beside them.
    shutil.rmtree(home.ledger_dir)
    shutil.copytree(backup, home.ledger_dir)
    _, found = run("verify", "--anchors", str(tmp_path / "elsewhere"))
    assert found["ledgers"][0]["problems"][-1].startswith("row 21, anchored at")
    (tmp_path / "elsewhere" / "decisions.anchors").write_text('{"torn": 1}\n{"ledger": "decis')
    (audit,) = audit_ledgers(home, anchors=tmp_path / "elsewhere")
    assert audit.problems == ("line 1 of decisions.anchors is no anchor",)


def test_an_anchor_of_another_key_does_not_count(home: Settings, run: Run, tmp_path: Path) -> None:
    init_keys(tmp_path / "others")
    for name in (ANCHOR_KEY, ANCHOR_VERIFY_KEY):
        shutil.copy(tmp_path / "others" / name, home.keys_dir / name)
    status, found = run("verify")
    assert status == 40
    assert found["ledgers"][0]["problems"] == [
        "the anchor of row 1 in decisions.anchors does not verify", "the anchor of row 20 in decisions.anchors does not verify",
    ]


def test_where_the_signing_key_is_elsewhere_the_ledger_works_and_says_so(home: Settings, run: Run) -> None:
    (home.keys_dir / ANCHOR_KEY).unlink()
    filled_rows = len((home.home / "anchors" / "decisions.anchors").read_text().splitlines())
    with closing(DecisionLedger.open(home)) as ledger:
        ledger.record(decision())
    assert len((home.home / "anchors" / "decisions.anchors").read_text().splitlines()) == filled_rows
    status, found = run("anchor")
    assert (status, found["error"]["slug"]) == (10, "configuration")


def exported(run: Run, folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    file = folder / "decisions.ndjson"
    status, found = run("export", str(file))
    assert (status, found["rows"]) == (0, 20)
    return file, [json.loads(line) for line in file.read_text().splitlines()]


def write(file: Path, lines: list[dict[str, Any]]) -> None:
    file.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))


def test_an_export_is_checked_without_a_secret(home: Settings, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, lines = exported(run, tmp_path)
    key = tmp_path / "published.pem"
    shutil.copy(home.keys_dir / ANCHOR_VERIFY_KEY, key)
    shutil.rmtree(home.keys_dir)
    shutil.rmtree(home.home)
    status, found = run("check-export", str(file), "--key", str(key))
    assert (status, found["ok"], found["rows"], found["anchored"]) == (0, True, 20, 20)
    assert PERSON not in file.read_text()
    # The formula of the documentation, by hand.
    first, second = lines[1], lines[2]
    assert second["digest"] == row_digest("decisions", 2, second["at"], first["digest"], second["payload"])


def test_a_falsified_export_is_found(home: Settings, run: Run, tmp_path: Path) -> None:
    file, lines = exported(run, tmp_path)
    rows = [line for line in lines if "seq" in line]
    cases: dict[str, list[dict[str, Any]]] = {
        "row 7 was changed": [line | ({"at": AT.isoformat()} if line.get("seq") == 7 else {}) for line in lines],
        "row 7 is missing": [line for line in lines if line.get("seq") != 7],
        "rows were cut off": [line for line in lines if line.get("seq", 0) < 15],
        "no anchor": [lines[0], *rows],
    }
    for problem, changed in cases.items():
        write(file, changed)
        status, found = run("check-export", str(file))
        assert status == 40
        assert any(problem in one for one in found["problems"]), found
    # Written anew from row 5 on, with digests that fit.
    previous = rows[3]["digest"]
    for row in rows[4:]:
        row["payload"] = row["payload"].replace("maintenance", "pricing")
        row["digest"] = previous = row_digest("decisions", row["seq"], row["at"], previous, row["payload"])
    write(file, [lines[0], *rows, *(line for line in lines if "anchor" in line)])
    assert any("history was written anew" in one for one in run("check-export", str(file))[1]["problems"])
    write(file, [{"format": "something else"}])
    assert run("check-export", str(file))[1]["error"]["slug"] == "invalid-data"


def test_a_key_from_elsewhere_decides(home: Settings, run: Run, tmp_path: Path) -> None:
    file, _ = exported(run, tmp_path)
    init_keys(tmp_path / "others")
    status, found = run("check-export", str(file), "--key", str(tmp_path / "others" / ANCHOR_VERIFY_KEY))
    assert status == 40
    assert found["problems"][0] == "the file names another public key than the one given"
    assert found["problems"][1].endswith("does not verify")


def test_what_was_erased_is_in_no_file_any_more(home: Settings, run: Run) -> None:
    with closing(DecisionLedger.open(home)) as ledger:
        wrapped = ledger.chain.store.read("SELECT wrapped FROM decisions_keys WHERE seq = 1")[0][0]
        tag = ledger.chain.store.read("SELECT tag FROM decisions_subjects WHERE seq = 1 AND own = 1")[0][0]
        body = ledger.chain.store.read("SELECT body FROM decisions_answers")[0][0]
        assert all(part in held(home) for part in (wrapped, tag, body))
        status, found = run("erase", "--entity", PERSON, "--reason", "asked for", "--by", "李工", "--dry-run")
        assert (status, found["erased"], found["rows"]) == (0, 0, [1])
        # Another process has the ledger open all the while, as the service has.
        status, found = run("erase", "--entity", PERSON, "--reason", "asked for", "--by", "李工")
        assert (status, found["erased"], found["rows"]) == (0, 1, [1])
        assert not any(part in held(home) for part in (wrapped, tag, body))
        assert len(list(ledger.decisions())) == 19
    assert run("verify")[1]["ok"]
    status, found = run("erase", "--score-id", DECISION.score_id, "--reason", "again", "--by", "李工")
    assert (status, found["error"]["slug"]) == (30, "erased")


def held(settings: Settings) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(settings.home.rglob("*")) if path.is_file())


@pytest.mark.skipif(not INSTALLED or not DRIVER, reason="PostgreSQL's programs or psycopg are not installed")
def test_every_ledger_lies_where_the_settings_say(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from registry.model_ledgers import TEST_READS, heads, lines, missing_heads, writing

    with postgresql() as address:
        for name, value in {"HOME": tmp_path / "home", "KEYS_DIR": tmp_path / "keys", "LEDGER_URL": address}.items():
            monkeypatch.setenv(f"ROADRISK_{name}", str(value))
        settings = Settings()
        init_keys(settings.keys_dir)
        assert run("verify")[1]["ledgers"] == []
        filled(settings)
        assert lines(settings, TEST_READS) == []
        with writing(settings, TEST_READS) as ledger:
            ledger.append({"product": "maintenance"}, at=AT)
        assert [line.payload for line in lines(settings, TEST_READS)] == [{"product": "maintenance"}]
        assert missing_heads(settings, heads(settings)) == []
        found = run("verify")[1]
        assert [(one["ledger"], one["rows"], one["anchored"], one["problems"]) for one in found["ledgers"]] == [
            ("decisions", 20, 20, []), ("test_reads", 1, 1, []),
        ]
        assert run("erase", "--entity", PERSON, "--reason", "r", "--by", "b")[1]["erased"] == 1
        assert run("export", str(tmp_path / "e.ndjson"))[1]["rows"] == 21
        assert run("check-export", str(tmp_path / "e.ndjson"))[1]["ok"]
        assert not list(settings.home.rglob("*.db"))
