"""The pages of enterprises, vehicles and drivers over a tiny province with a panel."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest

from registry.access.changes import Writer
from registry.access.scenarios import Request
from registry.access.terms import Term
from registry.settings import Settings
from serving.console.side_by_side import _split
from tests.lib.access import activate, token_of
from tests.lib.consoles import Visitor
from tests.lib.panels import enterprise_bundle, promote_at
from tests.lib.portraits import NAME, Portrayed, portrayed

SUBJECT = re.compile(r'href="(/console/subjects/[A-Za-z0-9_-]+)"')
PRODUCTS = ("enterprise_risk", "driver_fatigue")


@pytest.fixture(scope="module")
def made(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portrayed]:
    made = portrayed(tiny, tmp_path_factory.mktemp("portraits"))
    yield made
    made.installed.desk.decisions.close()


@pytest.fixture
def regulator(made: Portrayed) -> Visitor:
    return made.installed.visitor(made.installed.key)


def search(visitor: Visitor, number: str, kind: str, color: str = "2") -> httpx.Response:
    return visitor.send("/console/search", "/console/search", number=number, kind=kind, plate_color=color)


def address(visitor: Visitor, number: str, kind: str, color: str = "2") -> str:
    found = SUBJECT.findall(search(visitor, number, kind, color).text)
    assert found, f"no subject for a search by {kind}"
    return found[0]


def enterprise(made: Portrayed, visitor: Visitor) -> str:
    return address(visitor, made.uscc, "uscc")


def test_the_portrait_of_an_enterprise_holds_year_peers_fleet_and_events(made: Portrayed, regulator: Visitor) -> None:
    answer = regulator.get(enterprise(made, regulator))
    assert answer.status_code == 200
    page = answer.text
    assert page.count('class="trend-mark') >= 3
    for words in ("维度与同业比较", "同业", "最少几步可降低等级", "车辆排序", "事件时间线", "#19"):
        assert words in page, words
    vehicles = page.partition('id="vehicles"')[2].partition("</section>")[0]
    assert SUBJECT.search(vehicles)
    # Whoever sees every decision sees the rows too.
    assert re.search(r'class="id">[0-9a-f]{24}<', page.partition('id="events"')[2])


def test_a_hostile_name_is_text(made: Portrayed, regulator: Visitor) -> None:
    page = regulator.get(enterprise(made, regulator)).text
    assert NAME not in page
    assert "&lt;img src=x onerror=" in page


def test_no_address_holds_a_pseudonym_or_a_number(made: Portrayed, regulator: Visitor) -> None:
    found = enterprise(made, regulator)
    page = regulator.get(found).text
    for path in (found, *SUBJECT.findall(page)):
        assert made.enterprise_id not in path
        assert made.uscc not in path


def test_every_opening_is_a_look_at_the_subject(made: Portrayed, regulator: Visitor) -> None:
    ledger = made.installed.desk.decisions
    before = len(ledger.subject_looks(made.enterprise_id))
    path = enterprise(made, regulator)
    assert len(ledger.subject_looks(made.enterprise_id)) == before
    page = regulator.get(path).text
    looks = ledger.subject_looks(made.enterprise_id)
    assert len(looks) == before + 1
    assert (looks[-1].what, looks[-1].who) == ("portrait", "local")
    assert made.enterprise_id not in looks[-1].score_id
    assert "谁看过本页" in page
    assert ledger.verify().ok


def test_an_address_of_another_session_or_a_changed_one_leads_nowhere(made: Portrayed, regulator: Visitor) -> None:
    path = enterprise(made, regulator)
    other = made.installed.visitor(made.installed.key)
    assert other.get(path).status_code == 404
    assert regulator.get(path[:-2] + ("AA" if not path.endswith("AA") else "BB")).status_code == 404
    assert regulator.get(path).status_code == 200


def test_the_page_of_a_vehicle_tells_upkeep_places_and_operator(made: Portrayed, regulator: Visitor) -> None:
    path = address(regulator, made.vehicle_key["plate_no"], "plate", made.vehicle_key["plate_color"])
    answer = regulator.get(path)
    assert answer.status_code == 200
    page = answer.text
    for words in ("到期事项", "二级维护", "驾驶时间", "附近可停车与服务的地点"):
        assert words in page, words
    assert page.count('class="near"') >= 1
    operator = SUBJECT.findall(page.partition("经营者")[2])[0]
    assert "企业风险画像" in regulator.get(operator).text


def test_the_page_of_a_driver_says_what_is_known_and_that_there_is_no_score(made: Portrayed, regulator: Visitor) -> None:
    page = regulator.get(enterprise(made, regulator)).text
    drivers = SUBJECT.findall(page.partition('id="drivers"')[2].partition("</section>")[0])
    assert drivers
    known = regulator.get(drivers[0]).text
    assert "平台不对驾驶员评分" in known
    assert "最近一次考核" in known
    unknown = regulator.get(address(regulator, "369999999999", "driver")).text
    assert "考核数据中没有这个资格证号" in unknown


def test_an_operator_sees_itself_without_rows_and_nobody_else(made: Portrayed) -> None:
    settings, now = made.settings, made.installed.clock.now
    Writer(settings, "李工", now).add_consumer(
        "carrier-a", role="operator", zh="本企业", en="a carrier", subject=made.enterprise_id,
    )
    for product in PRODUCTS:
        activate(settings, Request(
            consumer="carrier-a", product=product, purpose_zh="自查", purpose_en="own check", resources=None, detail="groups",
            term=Term(date(2026, 7, 4), date(2029, 7, 3)), basis="规范第20条", charge="public",
        ), at=now)
    own = made.installed.visitor(token_of(settings, "carrier-a", at=now))
    page = own.get(enterprise(made, own)).text
    assert "维度与同业比较" in page
    # At its detail there are no rows and no single inputs, and the directory of names is not for it.
    assert not re.search(r'class="id">[0-9a-f]{24}<', page.partition('id="events"')[2])
    assert "运输有限公司" not in page
    stranger = made.installed.visitor(made.installed.consumer("carrier-b", "operator", PRODUCTS))
    assert SUBJECT.findall(search(stranger, made.uscc, "uscc").text) == []


def test_an_insurer_is_shown_no_portrait_and_no_name(made: Portrayed) -> None:
    visitor = made.installed.visitor(made.installed.consumer("insurer-b", "insurer", PRODUCTS))
    assert SUBJECT.findall(search(visitor, made.uscc, "uscc").text) == []
    assert search(visitor, "运输", "name").status_code == 403


def test_a_regulator_finds_an_enterprise_by_a_part_of_its_name(made: Portrayed, regulator: Visitor) -> None:
    answer = search(regulator, "运输有限公司", "name")
    assert answer.status_code == 200
    assert "&lt;img src=x" in answer.text
    assert SUBJECT.search(answer.text)
    assert "没有这个名称的企业" in search(regulator, "没有这样的公司", "name").text
    # What is no wildcard to the visitor is none to the database.
    assert "没有这个名称的企业" in search(regulator, "%%", "name").text
    # Without a kind, two Chinese signs are read as a name.
    assert SUBJECT.search(search(regulator, "运输有限", "auto").text)


def test_without_a_panel_the_page_says_how_to_make_it(tiny: Settings, tmp_path: Path) -> None:
    bare = portrayed(tiny, tmp_path, panel=False)
    visitor = bare.installed.visitor(bare.installed.key)
    page = visitor.get(enterprise(bare, visitor)).text
    # What the service knows now is shown all the same.
    assert "最少几步可降低等级" in page
    assert "数据来源中没有该主体的事件" in page
    bare.installed.desk.decisions.close()


def test_earlier_decisions_stand_beside_each_other_split_into_data_and_model(tiny: Settings, tmp_path: Path) -> None:
    made = portrayed(tiny, tmp_path, panel=False)
    desk, settings = made.installed.desk, made.settings
    def score(app) -> str:
        async def ask() -> str:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as one:
                answer = await one.post(
                    "/v1/enterprise_risk/scores", json={"entity": {"uscc": made.uscc}},
                    headers={"Authorization": f"Bearer {made.installed.key}"},
                )
                assert answer.status_code == 200, answer.text
                return answer.json()["score_id"]

        return asyncio.run(ask())

    first, second = score(made.installed.app), score(made.installed.app)
    visitor = made.installed.visitor(made.installed.key)
    page = visitor.get(f"/console/decisions/{first}").text
    assert f"/console/decisions/{second}" in page.partition('id="others"')[2].partition("</section>")[0]
    assert SUBJECT.search(page)
    other = enterprise_bundle(weights=(1.0, 2.0, 0.2, 0.6, -0.1))
    promote_at(settings, other, 2, made.installed.clock.now)
    one, two = desk.decisions.get(first), desk.decisions.get(second)
    scorer = desk.live.current.with_digest("enterprise_risk", other.digest)
    moved = {**two.inputs, "fleet_size": 30.0}
    points = float(scorer.points(scorer.encode([moved])[0])[0])
    later = replace(
        two, digest=other.digest, inputs=moved, answer={**two.answer, "points": points}, at=one.at + timedelta(days=1)
    )
    console = type("C", (), {"desk": desk})
    total, data, model = _split(console, one, later)
    assert total == pytest.approx(points - one.answer["points"])
    assert data + model == pytest.approx(total, abs=1e-9)
    old = desk.live.current.with_digest("enterprise_risk", one.digest)
    assert data == pytest.approx(float(old.points(old.encode([moved])[0])[0]) - one.answer["points"])
    # Seen from the later one, everything has the other sign.
    assert _split(console, later, one) == pytest.approx((-total, -data, -model))
    desk.decisions.close()
