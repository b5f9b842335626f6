"""The edge of the command line: exit codes, errors for people and for machines."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from registry.cli import EntryPointGroup, main, roadrisk
from registry.signing import LEDGER_KEY


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADRISK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(tmp_path / "keys"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0), (["--version"], 0), ([], 2), (["nosuch"], 2), (["models", "live", "--at", "2026-07-04"], 2),
        (["models", "live"], 0), (["models", "list"], 0), (["models", "show", "enterprise_risk"], 30),
        (["models", "history", "enterprise_risk"], 30), (["models", "audit"], 0), (["doctor"], 10),
        (["models", "promote", "x", "1", "--approver", "a", "--reason", "b"], 30), (["completion", "bash"], 0),
    ],
)
def test_exit_codes(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert bool(error) == (code in (2, 30))


def test_a_machine_gets_errors_as_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "show", "enterprise_risk", "--json"])
    shown = capsys.readouterr()
    problem = json.loads(shown.out)["error"]
    assert set(problem) == {"slug", "title", "message", "where", "remedy", "details"}
    assert problem["slug"] == "not-found"
    assert "enterprise_risk" in problem["message"]
    assert shown.err == ""


def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ROADRISK_PORT", "0")
    assert main(["models", "live"]) == 10
    assert "ROADRISK_PORT='0': Input should be greater than or equal to 1" in capsys.readouterr().err


def test_a_defect_shows_its_traceback_only_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a share of nothing")

    monkeypatch.setitem(roadrisk.commands, "fail", click.Command("fail", callback=fail))
    assert main(["fail"]) == 1
    shown = capsys.readouterr().err
    assert "error: ZeroDivisionError: a share of nothing" in shown
    assert "Traceback" not in shown
    monkeypatch.setenv("ROADRISK_DEBUG", "1")
    assert main(["fail"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_broken_module_takes_no_other_command_down(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(roadrisk, EntryPointGroup)
    broken = EntryPoint("broken", "registry.no_such_module:command", "roadrisk.commands")
    monkeypatch.setitem(roadrisk.entry_points, "broken", broken)
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "(unavailable: ModuleNotFoundError" in shown
    assert "List, inspect, promote and roll back model versions." in shown
    assert main(["broken", "--anything", "x"]) == 10
    assert "command broken cannot be loaded" in capsys.readouterr().err


def test_the_doctor_makes_keys_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--init-keys", "--json"])
    first = json.loads(capsys.readouterr().out)
    main(["doctor", "--init-keys", "--json"])
    second = json.loads(capsys.readouterr().out)
    assert sorted(first["keys_made"]) == sorted(path.name for path in (tmp_path / "keys").iterdir())
    assert second["keys_made"] == []
    status = {check["name"]: check["status"] for check in second["checks"]}
    assert status["keys"] == status["keys apart"] == status["home"] == "ok"


def test_the_doctor_finds_keys_that_others_may_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--init-keys", "--json"])
    (tmp_path / "keys" / LEDGER_KEY).chmod(0o644)
    capsys.readouterr()
    assert main(["doctor", "--json"]) == 10
    found = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert found["keys"]["status"] == "fail"
    assert "ledger.key" in found["keys"]["found"]
