"""The what-if page: levers inside their ranges, the score moved exactly, one look for many moves, nothing beyond the scenario."""

from __future__ import annotations

import re

import pytest

from registry.decisions import DecisionLedger
from serving.levers import levers_of
from serving.replay import recorded_inputs
from tests.lib.client import AppClient
from tests.lib.consoles import TOKEN, Installed, Visitor, tiny_console
from tests.lib.desks import USCC

PRODUCT = "enterprise_risk"


@pytest.fixture
def installed(tmp_path) -> Installed:
    return tiny_console(tmp_path)


@pytest.fixture
def score_id(installed: Installed) -> str:
    return str(AppClient(installed.app, key=installed.key).post(f"/v1/{PRODUCT}/scores", json={"entity": USCC}).json()["score_id"])


def moved(visitor: Visitor, score_id: str, *, fragment: bool = True, **to: float):
    path = f"/console/decisions/{score_id}/what-if"
    found = TOKEN.search(visitor.get(path).text)
    assert found
    headers = {"X-Fragment": "result"} if fragment else {}
    fields = {"form_token": found[1], **{f"to.{name}": repr(value) for name, value in to.items()}}
    return visitor.request("POST", path, data=fields, headers=headers)


def ledger(installed: Installed) -> DecisionLedger:
    return installed.desk.decisions


def test_every_lever_is_actionable_and_its_recorded_value_lies_inside_its_range(installed, score_id):
    page = installed.visitor(installed.key).get(f"/console/decisions/{score_id}/what-if").text
    names = re.findall(r'name="to\.([a-z0-9_]+)"', page)
    model = installed.desk.live.current.live[PRODUCT]
    assert set(names) == {one.name for one in model.manifest.features if one.actionable and one.dtype == "float"}
    values = recorded_inputs(ledger(installed).get(score_id)).values
    levers = levers_of(model, values, detail="exact", resources=None, evidence=None)
    assert all(one.low <= one.value <= one.high and one.low < one.high for one in levers)


def test_the_moved_score_is_the_score_of_the_moved_inputs(installed, score_id):
    decision = ledger(installed).get(score_id)
    model = installed.desk.live.current.live[PRODUCT]
    lever = next(
        one for one in levers_of(model, decision.inputs, detail="exact", resources=None, evidence=None)
        if one.feature.name == "penalties_365d"
    )
    to = lever.low if lever.value > lever.low else lever.high
    answer = moved(installed.visitor(installed.key), score_id, penalties_365d=to)
    inputs = {**decision.inputs, "penalties_365d": to}
    matrix, _ = model.scorer.encode([{name: inputs[name] for name in model.manifest.feature_names}])
    expected = float(model.scorer.points(matrix)[0])
    assert expected != decision.answer["points"]
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert f'<p class="big">{expected:,.1f}</p>' in answer.text


def test_without_a_script_the_button_gives_the_whole_page_with_the_levers_where_they_were_put(installed, score_id):
    answer = moved(installed.visitor(installed.key), score_id, fragment=False, penalties_365d=1.0)
    assert "<html" in answer.text
    assert re.search(r'name="to\.penalties_365d"[^>]* value="1\.0"', answer.text)


@pytest.mark.parametrize(("name", "value"), [
    ("penalties_365d", 1e9), ("penalties_365d", float("nan")), ("fleet_n", 3.0), ("no_such", 1.0), ("mileage_90d_km", 1.0),
])
def test_what_cannot_be_moved_there_is_refused(installed, score_id, name, value):
    answer = moved(installed.visitor(installed.key), score_id, **{name: value})
    assert answer.status_code == 422


def test_a_number_that_a_slider_lost_a_digit_of_has_not_moved(installed, score_id):
    value = ledger(installed).get(score_id).inputs["age_year"]
    answer = moved(installed.visitor(installed.key), score_id, age_year=value * (1 + 1e-15))
    assert 'class="evidence"' not in answer.text


def test_many_moves_are_one_look_until_ten_minutes_have_passed(installed, score_id):
    from datetime import timedelta

    visitor = installed.visitor(installed.key)
    for to in (0.5, 1.0, 1.5):
        assert moved(visitor, score_id, penalties_365d=to).status_code == 200
    assert [look.what for look in ledger(installed).looks(score_id)].count("what_if") == 1
    installed.clock.now += timedelta(minutes=11)
    moved(visitor, score_id, penalties_365d=1.0)
    assert [look.what for look in ledger(installed).looks(score_id)].count("what_if") == 2


def test_an_insurer_sees_groups_and_no_lever_that_tells_a_place(installed):
    key = installed.consumer("insurer-a", "insurer", (PRODUCT,))
    score_id = str(AppClient(installed.app, key=key).post(f"/v1/{PRODUCT}/scores", json={"entity": USCC}).json()["score_id"])
    visitor = installed.visitor(key)
    page = visitor.get(f"/console/decisions/{score_id}/what-if").text
    assert "to.penalties_365d" in page
    assert "to.night_share" not in page
    answer = moved(visitor, score_id, night_share=0.5)
    assert answer.status_code == 422


def test_somebody_elses_decision_does_not_exist(installed, score_id):
    key = installed.consumer("insurer-b", "insurer", (PRODUCT,))
    assert installed.visitor(key).get(f"/console/decisions/{score_id}/what-if").status_code == 404
