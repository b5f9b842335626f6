"""The signed report of a decision: what a third party finds true with the public key alone, and what gives a change away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from registry.cli import main
from registry.decision_report import check_report, report_bytes, sign_report
from registry.errors import DataError
from registry.signing import ANCHOR_VERIFY_KEY, init_keys
from tests.lib.client import AppClient
from tests.lib.consoles import TOKEN, Installed, tiny_console
from tests.lib.desks import PLATE, USCC

PRODUCT = "enterprise_risk"


@pytest.fixture
def installed(tmp_path) -> Installed:
    return tiny_console(tmp_path)


def scored(installed: Installed, product: str = PRODUCT, key: str | None = None) -> str:
    entity = USCC if product == PRODUCT else PLATE
    client = AppClient(installed.app, key=key or installed.key)
    return str(client.post(f"/v1/{product}/scores", json={"entity": entity}).json()["score_id"])


def report_of(installed: Installed, score_id: str, ending: str = "", key: str | None = None) -> bytes:
    answer = AppClient(installed.app, key=key or installed.key).get(f"/v1/scores/{score_id}/report{ending}")
    assert answer.status_code == 200, answer.text
    return bytes(answer.content)


def public(installed: Installed) -> bytes:
    return (installed.settings.keys_dir / ANCHOR_VERIFY_KEY).read_bytes()


@pytest.mark.parametrize("product", [PRODUCT, "insurance_pricing"])
@pytest.mark.parametrize("ending", ["", ".pdf"])
def test_a_report_holds_for_whoever_has_the_public_key(installed, product, ending):
    score_id = scored(installed, product)
    found = check_report(report_of(installed, score_id, ending), key=public(installed), where="file")
    assert found.problems == ()
    assert (found.score_id, found.kind, len(found.holds)) == (score_id, "pdf" if ending else "json", 4 + bool(ending))


def test_it_says_what_was_decided_and_is_recorded_as_a_look(installed):
    score_id = scored(installed)
    found = json.loads(report_of(installed, score_id))
    decision = installed.desk.decisions.get(score_id)
    assert found["content"]["points"] == decision.answer["points"]
    assert {one["feature"]: one["points"] for one in found["content"]["decomposition"]["contributions"]} == decision.contributions
    assert json.loads(found["row"]["payload"])["score_id"] == score_id
    assert "export" in [look.what for look in installed.desk.decisions.looks(score_id)]


@pytest.mark.parametrize("change", [
    lambda one: one["content"].update(points=1.0), lambda one: one["content"]["reasons"].clear(),
    lambda one: one["row"].update(payload=one["row"]["payload"].replace("enterprise_risk", "maintenance")),
    lambda one: one.update(made_at="2026-07-05T00:00:00+00:00"), lambda one: one["row"]["anchor"].update(seq=99),
])
def test_a_changed_report_does_not_hold(installed, change):
    found = json.loads(report_of(installed, scored(installed)))
    change(found)
    assert not check_report(report_bytes(found), key=public(installed), where="file").ok


def test_a_report_that_was_signed_anew_over_another_content_differs_from_its_row(installed):
    found = json.loads(report_of(installed, scored(installed)))
    found["content"]["product"] = "maintenance"
    found.pop("signature")
    again = sign_report(found, installed.settings.keys_dir)
    checked = check_report(report_bytes(again), key=public(installed), where="file")
    assert [one for one in checked.problems if "product" in one]


def test_one_byte_of_the_pdf_gives_a_change_away(installed):
    content = bytearray(report_of(installed, scored(installed), ".pdf"))
    place = content.index(b"/Producer") if b"/Producer" in content else 40
    content[place + 1] ^= 1
    checked = check_report(bytes(content), key=public(installed), where="file")
    assert any("PDF" in one for one in checked.problems)


def test_another_installations_key_does_not_verify_it(installed, tmp_path):
    init_keys(tmp_path / "other")
    checked = check_report(
        report_of(installed, scored(installed)), key=(tmp_path / "other" / ANCHOR_VERIFY_KEY).read_bytes(), where="file"
    )
    assert not checked.ok
    assert checked.holds == (f"row {checked.row} of the ledger has the digest that its text gives",
                             "decision, model, consumer and scenario of the content are those of the row")


def test_the_same_report_gives_the_same_pdf(installed):
    from serving.past import PastScores
    from serving.report import Reports

    report = json.loads(report_of(installed, scored(installed)))
    reports = Reports(PastScores(installed.desk.live, installed.desk.decisions, installed.clock), installed.settings)
    assert reports.pdf(report, "zh") == reports.pdf(report, "zh")
    assert reports.pdf(report, "zh").startswith(b"%PDF-")


def test_an_insurers_report_has_groups_and_no_single_contribution(installed):
    key = installed.consumer("insurer-a", "insurer", (PRODUCT,))
    found = json.loads(report_of(installed, scored(installed, key=key), key=key))["content"]
    assert found["groups"]
    assert (found["decomposition"], found["inputs"], found["detail"]) == (None, [], "groups")


def test_the_command_checks_a_file_with_nothing_but_a_key(installed, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setenv("ROADRISK_HOME", str(tmp_path / "nowhere"))
    file, key = tmp_path / "report.pdf", tmp_path / "public.pem"
    file.write_bytes(report_of(installed, scored(installed), ".pdf"))
    shutil.copy(installed.settings.keys_dir / ANCHOR_VERIFY_KEY, key)
    assert main(["decision", "verify-report", str(file), "--public-key", str(key), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"]
    file.write_bytes(file.read_bytes()[:-9] + b"00000000\n")
    assert main(["decision", "verify-report", str(file), "--public-key", str(key)]) == 40


@pytest.mark.parametrize("content", [b"", b"{}", b"%PDF-1.7\nnothing\n%%EOF\n", b'{"format": "roadrisk-decision-report/1"}'])
def test_what_is_no_report_is_told_so(installed, content):
    with pytest.raises(DataError):
        check_report(content, key=public(installed), where="file")


def test_the_page_hands_it_out(installed):
    score_id = scored(installed)
    visitor = installed.visitor(installed.key)
    found = TOKEN.search(visitor.get(f"/console/decisions/{score_id}").text)
    assert found
    for form, kind in (("pdf", "application/pdf"), ("json", "application/json")):
        answer = visitor.request(
            "POST", f"/console/decisions/{score_id}/report", data={"form_token": found[1], "form": form}
        )
        assert answer.headers["content-type"] == kind
        assert "attachment" in answer.headers["content-disposition"]
        assert check_report(answer.content, key=public(installed), where="file").ok
