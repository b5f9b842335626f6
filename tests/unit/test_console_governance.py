"""The governance pages without a browser: who sees what, life-cycle steps, exports, corrections, disclosure, verification."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from registry.access.changes import Writer
from registry.access.state import AccessState
from registry.corrections import CorrectionRequest, corrections, decide, open_request
from registry.documents.fonts import find_cjk_font
from registry.governance.exports import exports
from serving.console.governance_view import correction_lines, next_steps, product_lines, resource_lines
from tests.lib.access import REQUEST, active
from tests.lib.consoles import Installed, tiny_console
from tests.lib.desks import NOW

needs_font = pytest.mark.skipif(find_cjk_font() is None, reason="no font with Chinese characters on this machine")
WRONG = CorrectionRequest(
    subject="", resource="enforcement_case", row_id="r", field="fine_cny", old="1", claimed="2", evidence="17",
)
PAGES = ("catalogue", "scenarios", "corrections", "usage", "ledgers")


@pytest.fixture
def installed(tmp_path) -> Installed:
    return tiny_console(tmp_path)


@pytest.fixture
def regulator(installed) -> str:
    return installed.consumer("regulator-a", "regulator", ("enterprise_risk",))


@pytest.fixture
def insurer(installed) -> str:
    return installed.consumer("insurer-a", "insurer", ("insurance_pricing",))


def applied(installed: Installed, product: str = "enterprise_risk") -> str:
    writer = Writer(installed.settings, "李工", installed.clock.now)
    return writer.apply_for(replace(REQUEST, product=product)).id


def test_the_regulator_has_every_section_and_others_what_is_theirs(installed, regulator, insurer):
    visitor = installed.visitor(regulator)
    assert [visitor.get(f"/console/governance/{one}").status_code for one in PAGES] == [200] * 5
    visitor = installed.visitor(insurer)
    assert [visitor.get(f"/console/governance/{one}").status_code for one in PAGES] == [200, 200, 403, 200, 403]
    text = visitor.get("/console/governance/catalogue").text
    assert "/governance/ledgers" not in text
    assert "/governance/corrections" not in text


def test_a_scenario_of_somebody_else_looks_like_none(installed, regulator, insurer):
    visitor = installed.visitor(insurer)
    assert visitor.get("/console/governance/scenarios/regulator-a-enterprise_risk-1").status_code == 404
    assert "regulator-a" not in visitor.get("/console/governance/scenarios").text
    assert visitor.get("/console/governance/scenarios/insurer-a-insurance_pricing-1").status_code == 200
    assert visitor.get("/console/governance/scenarios/nowhere").status_code == 404


def test_a_regulator_takes_the_next_step_and_the_ledger_names_person_and_key(installed, regulator, insurer):
    from registry.model_ledgers import ACCESS, lines

    scenario, visitor = applied(installed), installed.visitor(regulator)
    address = f"/console/governance/scenarios/{scenario}"
    answer = visitor.send(address, f"{address}/step", step="review", by="王工", reason="评审通过")
    assert answer.status_code == 303
    last = lines(installed.settings, ACCESS)[-1].payload
    assert (last["step"], last["by"]) == ("review", "王工")
    assert last["via"].startswith("console regulator-a ")
    assert "已评审" in visitor.get(address).text


@pytest.mark.parametrize(
    ("step", "by", "reason"),
    [("review", "李工", "x"), ("activate", "王工", "x"), ("review", " ", "x"), ("review", "王工", " "), ("nonsense", "王工", "x")],
)
def test_a_step_that_may_not_be_taken_says_why_and_changes_nothing(installed, regulator, insurer, step, by, reason):
    scenario, visitor = applied(installed), installed.visitor(regulator)
    address = f"/console/governance/scenarios/{scenario}"
    answer = visitor.send(address, f"{address}/step", step=step, by=by, reason=reason)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert Writer(installed.settings, "x", NOW).state().scenario(scenario).standing == "applied"


def test_nobody_decides_about_its_own_scenario_nor_without_the_role(installed, regulator, insurer):
    visitor = installed.visitor(regulator)
    own = "/console/governance/scenarios/regulator-a-enterprise_risk-1"
    assert 'name="step"' not in visitor.get(own).text
    assert visitor.send(own, f"{own}/step", step="suspend", by="王工", reason="x").status_code == 403
    visitor = installed.visitor(insurer)
    own = "/console/governance/scenarios/insurer-a-insurance_pricing-1"
    assert visitor.send("/console/search", f"{own}/step", step="suspend", by="王工", reason="x").status_code == 403
    assert visitor.send("/console/search", f"{own}/documents", document="handover.pdf", by="王工").status_code == 403


@needs_font
def test_a_document_is_handed_out_after_it_was_recorded(installed, regulator, insurer):
    visitor = installed.visitor(regulator)
    address = "/console/governance/scenarios/insurer-a-insurance_pricing-1"
    answer = visitor.send(address, f"{address}/documents", document="handover.docx", by="周敏")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].endswith('-06-handover.docx"')
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert "word/fonts/font1.odttf" in archive.namelist()
    (line,) = exports(installed.settings)
    assert (line.what, line.by, line.about) == ("06-handover.docx", "周敏", "insurer-a-insurance_pricing-1")
    assert visitor.send(address, f"{address}/documents", document="handover.exe", by="周敏").status_code == 404
    assert visitor.send(address, f"{address}/documents", document="handover.pdf", by=" ").status_code == 422
    assert "周敏" in visitor.get("/console/governance/ledgers").text


def test_a_correction_is_decided_in_two_steps_and_the_ledger_names_person_and_key(installed, regulator):
    made = open_request(installed.settings, WRONG, received_at=installed.clock.now, at=installed.clock.now)
    visitor, address = installed.visitor(regulator), f"/console/governance/corrections/{made.id}"
    assert address in visitor.get("/console/governance/corrections").text
    said = {"verdict": "accept", "by": "王工", "result": "案卷所载与申请一致"}
    checked = visitor.send(address, f"{address}/decision", **said)
    assert checked.status_code == 200
    assert "确认并写入台账" in checked.text
    assert corrections(installed.settings)[0].status == "open", "nothing is written before it was confirmed"
    assert visitor.send(address, f"{address}/decision", **said, confirmed="yes").status_code == 303
    (found,) = corrections(installed.settings)
    assert (found.status, found.decided_by, found.result) == ("accepted", "王工", "案卷所载与申请一致")
    assert (found.via or "").startswith("console regulator-a ")
    assert f"roadrisk corrections deliver {made.id}" in visitor.get(address).text
    again = visitor.send(address, f"{address}/decision", **said, confirmed="yes")
    assert again.status_code == 422, "a request is decided once"


@pytest.mark.parametrize(
    ("verdict", "by", "result"),
    [
        ("accept", " ", "x"), ("accept", "王工", " "), ("maybe", "王工", "x"), ("refuse", "王工", "见赣A12345案卷"),
        ("refuse", "王工", "长" * 201),
    ],
)
def test_a_decision_that_may_not_be_made_says_why_and_changes_nothing(installed, regulator, verdict, by, result):
    made = open_request(installed.settings, WRONG, received_at=installed.clock.now, at=installed.clock.now)
    visitor, address = installed.visitor(regulator), f"/console/governance/corrections/{made.id}"
    answer = visitor.send(address, f"{address}/decision", verdict=verdict, by=by, result=result, confirmed="yes")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert corrections(installed.settings)[0].status == "open"


def test_a_correction_is_decided_by_who_governs_alone_and_with_the_token_of_the_form(installed, regulator, insurer):
    made = open_request(installed.settings, WRONG, received_at=installed.clock.now, at=installed.clock.now)
    address = f"/console/governance/corrections/{made.id}"
    said = {"verdict": "accept", "by": "王工", "result": "x", "confirmed": "yes"}
    visitor = installed.visitor(insurer)
    assert visitor.get(address).status_code == 403
    assert visitor.send("/console/search", f"{address}/decision", **said).status_code == 403
    visitor = installed.visitor(regulator)
    assert visitor.request("POST", f"{address}/decision", data=said).status_code == 403
    assert visitor.get("/console/governance/corrections/0123456789abcdef").status_code == 404
    assert corrections(installed.settings)[0].status == "open"


def test_ledgers_are_verified_by_a_button_and_a_changed_one_is_found(installed, regulator, insurer):
    import sqlite3
    from contextlib import closing

    visitor = installed.visitor(regulator)
    assert "台账完整" in visitor.send("/console/governance/ledgers", "/console/governance/ledgers").text
    open_request(installed.settings, WRONG, received_at=NOW, at=NOW)
    with closing(sqlite3.connect(installed.settings.ledger_dir / "corrections.db")) as db, db:
        db.execute("DROP TRIGGER corrections_no_update")
        db.execute("UPDATE corrections SET payload = replace(payload, 'fine_cny', 'fine_xxx')")
    text = visitor.send("/console/governance/ledgers", "/console/governance/ledgers").text
    assert "1 本台账核验不通过" in text


def test_disclosure_is_open_to_everybody_and_hides_small_figures(installed, insurer):
    from tests.lib.client import AppClient
    from tests.lib.desks import PLATE

    AppClient(installed.app, key=insurer).post("/v1/insurance_pricing/scores", json={"entity": PLATE})
    answer = installed.visitor().get("/console/disclosure?month=2026-07")
    assert answer.status_code == 200
    assert "&lt; 10" in answer.text
    assert "insurer-a" not in answer.text
    assert answer.text.count("<li>") == 48, "13 products and 35 resources"
    assert installed.visitor().get("/console/disclosure?month=<script>").status_code == 200
    assert installed.visitor().get("/console/governance/usage").status_code == 303


def test_use_is_shown_to_whom_it_belongs(installed, regulator, insurer):
    from tests.lib.client import AppClient
    from tests.lib.desks import PLATE

    AppClient(installed.app, key=insurer).post("/v1/insurance_pricing/scores", json={"entity": PLATE})
    month = f"{installed.clock.now:%Y-%m}"
    assert "insurer-a机构" in installed.visitor(regulator).get(f"/console/governance/usage?month={month}").text
    other = installed.consumer("insurer-b", "insurer", ("insurance_pricing",))
    assert "insurer-a" not in installed.visitor(other).get(f"/console/governance/usage?month={month}").text


def test_the_catalogue_is_that_of_the_annexes():
    lines = resource_lines()
    assert [one.resource.no for one in lines] == list(range(1, 36))
    assert lines[0].built == (1, 2, 9, 13)
    products = product_lines(AccessState(), {"maintenance": 1}, NOW)
    assert [one.product.no for one in products] == list(range(1, 14))
    assert {one.state for one in products if one.product.id == "maintenance"} == {"live"}
    assert [one.state for one in products].count("built") == 3


def test_clocks_run_in_the_days_of_shanghai(tmp_path):
    from tests.lib.access import installation

    settings = installation(tmp_path)
    received, later = datetime(2026, 7, 6, 1, tzinfo=UTC), datetime(2026, 7, 15, 1, tzinfo=UTC)
    made = [
        open_request(settings, replace(WRONG, row_id=f"r{k}"), received_at=received + timedelta(days=k), at=later) for k in (0, 7)
    ]
    decide(settings, made[1].id, accept=False, decided_by="王工", result="x", at=later)
    # Ten working days after Monday the 6th end with Monday the 20th.
    at_noon = datetime(2026, 7, 20, 4, tzinfo=UTC)
    first, second = correction_lines(corrections(settings), at_noon)
    assert (first.clock, first.left_d) == ("soon", 0)
    assert second.clock == "done"
    late = correction_lines(corrections(settings), datetime(2026, 7, 20, 16, tzinfo=UTC))[0]
    assert (late.clock, late.left_d) == ("late", -1)


def test_steps_that_lead_on_stand_first_and_a_term_that_is_over_only_ends():
    found = replace(active("s"), standing="reviewed")
    assert next_steps(found, NOW) == ["approve", "refuse"]
    assert next_steps(found, datetime(2031, 1, 1, tzinfo=UTC)) == ["refuse"]
    assert next_steps(replace(found, standing="expired"), NOW) == []
