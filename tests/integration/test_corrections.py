"""A score, a withdrawal and a correction of what it used, and the score that takes its place: both stay visible."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from features.affected import affected_decisions
from features.build import build_features
from features.correction_cli import corrections
from features.correction_report import withdrawals
from features.landing import ingest_inbox
from features.online import OnlineStore
from features.retrieval import apply_store, materialise
from features.views import published
from features.warehouse import Warehouse
from registry.decisions import Decision, DecisionLedger
from registry.entities import ENTERPRISE
from registry.errors import InvalidRequest
from registry.scorer import Scorer
from registry.settings import Settings
from registry.signing import PSEUDONYM_KEY, read_secret
from serving.asked import Asked
from serving.desk import ScoringDesk
from serving.live import LiveModels, LiveScorer
from serving.past_schema import PastAnswer
from serving.rescore import Rescored, rescore
from serving.rescore_cli import rescore as rescore_command
from tests.lib.corrections import CASES, operator_with_cases
from tests.lib.desks import tiny_client
from tests.lib.homes import make_live
from tests.lib.real_bundles import rate_bundle

PRODUCT = "enterprise_risk"
NAMES = ("case_per_vehicle_year", "fine_cny_per_vehicle_year", "n_black_list")
ASKED = Asked("r1", 0.0)


@dataclass
class Home:
    """A province in which one operator was scored, and what happened since."""

    settings: Settings
    uscc: str
    before: dict[str, Any]
    waiting: list[Rescored]
    found: list[Rescored]
    again: list[Rescored]
    desk: ScoringDesk
    arrived: datetime
    raw_ids: tuple[str, str]


@pytest.fixture(scope="module")
def home(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("corrections") / "home"
    shutil.copytree(tiny.home, folder)
    settings = tiny.model_copy(update={"home": folder})
    as_of = published(settings).snapshot.as_of_time
    uscc, rows = operator_with_cases(settings, as_of)
    scorer = _scorer(settings, uscc)
    make_live(settings, [scorer.bundle])
    desk = open_desk(settings, scorer, as_of)
    before = desk.score_entity(PRODUCT, {"uscc": uscc}, ASKED).answer
    _others(settings, desk, uscc)
    arrived = as_of + timedelta(days=2, seconds=3)
    _deliver(settings, rows, arrived)
    waiting = list(rescore(settings, desk))
    desk.decisions.close()
    _build(settings)
    desk = open_desk(settings, scorer, arrived + timedelta(hours=5))
    found = list(rescore(settings, desk))
    yield Home(settings, uscc, before, waiting, found, list(rescore(settings, desk)), desk, arrived,
               (rows[0]["case_id"], rows[1]["case_id"]))
    desk.decisions.close()


def open_desk(settings: Settings, scorer: Scorer, now: datetime) -> ScoringDesk:
    models = LiveModels({PRODUCT: LiveScorer("1", scorer)}, settings.bundle_dir, settings.keys_dir)
    return ScoringDesk(models, OnlineStore(settings), DecisionLedger.open(settings), lambda: now)


def _build(settings: Settings) -> None:
    """Compute the newest features and as few of the past as may be, and load them."""
    build_features(settings, simulated=True, step_d=168)
    apply_store(settings)
    materialise(settings)


def _scorer(settings: Settings, uscc: str) -> Scorer:
    """Return a scorer whose trees split around what the operator has, so that its score moves when that moves."""
    store = OnlineStore(settings)
    values = store.read(PRODUCT, store.resolve(ENTERPRISE, {"uscc": uscc})).values
    upper = [2.0 * float(values[name] or 1.0) for name in NAMES]
    return Scorer(rate_bundle(PRODUCT, NAMES, upper=upper, weights=(2.0, 1.0, 1.0)))


def _others(settings: Settings, desk: ScoringDesk, uscc: str) -> None:
    """Score some other operators, of whom nothing will change."""
    examples = json.loads((settings.home / "examples.json").read_text(encoding="utf-8"))
    codes = [key["uscc"] for key in examples["enterprise"] if key["uscc"] != uscc]
    for code in codes[:3]:
        desk.score_entity(PRODUCT, {"uscc": code}, ASKED)


def _deliver(settings: Settings, rows: list[dict[str, Any]], arrived: datetime) -> None:
    """Deliver a withdrawal of the first case and a correction of the second, as the supplier does."""
    changed = [rows[0] | {"withdrawn": True}, rows[1] | {"fine_cny": rows[1]["fine_cny"] + 20_000.0}]
    schema = pq.read_schema(next((settings.outbox_dir / CASES).glob("*.parquet"))).remove_metadata()
    inbox = settings.home / "corrections-inbox"
    (inbox / CASES).mkdir(parents=True)
    table = pa.Table.from_pylist([row | {"arrived_at": arrived} for row in changed], schema=schema)
    pq.write_table(table, inbox / CASES / "corrections.parquet", coerce_timestamps="us")
    key = read_secret(settings.keys_dir, PSEUDONYM_KEY)
    assert len(list(ingest_inbox(inbox, Warehouse(settings.warehouse_dir), key))) == 1


def of_the_operator(home: Home, found: list[Rescored]) -> Rescored:
    return next(one for one in found if one.affected.score_id == home.before["score_id"])


def test_only_what_used_the_rows_is_scored_again(home: Home) -> None:
    assert [one.affected.score_id for one in home.found] == [home.before["score_id"]]
    one = home.found[0]
    assert one.outcome == "rescored"
    assert {(change.resource, change.kind) for change in one.affected.changes} == {(CASES, "withdrawn"), (CASES, "corrected")}
    corrected = next(change for change in one.affected.changes if change.kind == "corrected")
    assert corrected.fields == ("fine_cny",)
    assert {change.new_arrived_at for change in one.affected.changes} == {home.arrived}


def test_a_second_run_finds_nothing(home: Home) -> None:
    assert home.again == []
    shown = json.loads(run(home, rescore_command, "--json").stdout)
    assert (shown["rescored"], shown["decisions"]) == (0, [])


def test_a_decision_waits_until_the_store_holds_the_rows(home: Home) -> None:
    one = of_the_operator(home, home.waiting)
    assert (one.outcome, one.new_score_id) == ("waiting", None)
    assert "the online store is as of" in one.note


def test_old_and_new_are_both_visible_and_say_what_moved(home: Home, tmp_path: Path) -> None:
    client, one = tiny_client(tmp_path, home.desk), home.found[0]
    old, new = (client.get(f"/v1/scores/{name}").json() for name in (home.before["score_id"], one.new_score_id))
    for answer in (old, new):
        PastAnswer.model_validate(answer, strict=True)
    assert (old["supersedes"], old["superseded_by"]) == (None, one.new_score_id)
    assert (new["supersedes"], new["superseded_by"]) == (home.before["score_id"], None)
    assert old["points"] == home.before["points"]
    assert old["revisions"] == new["revisions"]
    (moved,) = new["revisions"]
    assert moved["same_model"]
    added = sum(group["change"] for group in moved["groups"]) + moved["base_change"] + moved["clamp_change"]
    assert added == pytest.approx(moved["points_change"], abs=1e-9)
    assert moved["points_change"] == new["points"] - old["points"]
    assert abs(moved["points_change"]) > 1.0
    assert {row["kind"] for row in moved["rows"]} == {"withdrawn", "corrected"}
    for name in (home.before["score_id"], one.new_score_id):
        assert client.get(f"/v1/scores/{name}/explanation").json()["verification"]["max_difference_points"] <= 1e-9


def test_the_inputs_moved_as_the_rows_did(home: Home) -> None:
    old, new = (home.desk.decisions.get(str(name)) for name in (home.before["score_id"], home.found[0].new_score_id))
    fleet_cases = "case_per_vehicle_year"
    assert new.inputs[fleet_cases] < old.inputs[fleet_cases]  # type: ignore[operator]
    assert new.inputs["fine_cny_per_vehicle_year"] > old.inputs["fine_cny_per_vehicle_year"]  # type: ignore[operator]
    assert new.as_of >= home.arrived > old.as_of


def test_the_ledger_holds_no_natural_key(home: Home) -> None:
    decision = home.desk.decisions.get(str(home.found[0].new_score_id))
    text = json.dumps([list(decision.changes), decision.related, decision.entity_id])
    assert home.uscc not in text
    assert not any(name in text for name in home.raw_ids)


@pytest.mark.parametrize(("days", "in_time"), [(2, True), (4, False)])
def test_a_withdrawal_is_reported_against_three_days(home: Home, days: int, in_time: bool) -> None:
    def ledger() -> Iterator[Decision]:
        for one in home.desk.decisions.decisions():
            yield replace(one, at=home.arrived + timedelta(days=days)) if one.supersedes else one

    (one,) = withdrawals(home.settings, ledger, since=home.arrived - timedelta(hours=1))
    assert (one.resource, one.known_at, one.rescored, one.waiting) == (CASES, home.arrived, 1, 0)
    assert one.in_time(home.arrived + timedelta(days=9)) is in_time


def test_a_withdrawal_that_no_score_followed_is_late_after_three_days(home: Home) -> None:
    def ledger() -> list[Decision]:
        return [one for one in home.desk.decisions.decisions() if not one.supersedes]

    (one,) = withdrawals(home.settings, ledger, since=home.arrived - timedelta(hours=1))
    assert (one.rescored, one.waiting) == (0, 1)
    assert one.in_time(home.arrived) is None
    assert one.in_time(home.arrived + timedelta(days=9)) is False


def test_what_was_known_before_the_instant_counts_no_more(home: Home) -> None:
    decisions = [one for one in home.desk.decisions.decisions() if not one.supersedes]
    assert [one.score_id for one in affected_decisions(home.settings, decisions)] == [home.before["score_id"]]
    assert list(affected_decisions(home.settings, decisions, since=home.arrived)) == []


def run(home: Home, command: Any, *arguments: str) -> Result:
    environment = {"ROADRISK_HOME": str(home.settings.home), "ROADRISK_KEYS_DIR": str(home.settings.keys_dir)}
    return CliRunner().invoke(command, list(arguments), env=environment, catch_exceptions=False)


def test_the_command_lists_without_writing(home: Home) -> None:
    shown = json.loads(run(home, rescore_command, "--dry-run", "--json").stdout)
    assert (shown["planned"], shown["decisions"]) == (0, [])
    assert "No decision used a row" in run(home, rescore_command, "--dry-run").stdout


def test_a_value_that_the_contract_refuses_is_refused_at_once(home: Home) -> None:
    claimed = ("--field", "case_reason", "--claimed", "X", "--evidence", "1")
    with pytest.raises(InvalidRequest, match="breaks the contract of its field"):
        run(home, corrections, "open", CASES, "--row", home.raw_ids[1], *claimed)


def test_commands_follow_a_request_to_its_delivery(home: Home) -> None:
    case, arrival = home.raw_ids[1], (home.arrived + timedelta(days=1)).isoformat()
    claimed = ("--field", "fine_cny", "--claimed", "500.0", "--evidence", "赣交更〔2026〕12号")
    planned = json.loads(run(home, corrections, "open", CASES, "--row", case, *claimed, "--dry-run", "--json").stdout)
    assert planned["written"] is False
    made = json.loads(run(home, corrections, "open", CASES, "--row", case, *claimed, "--json").stdout)
    assert (made["status"], made["claimed"], made["row_id"] != case) == ("open", "500.0", True)
    signed = ("--accept", "--by", "李工", "--result", "案卷核对一致", "--deliver", "--arrived-at", arrival, "--json")
    done = json.loads(run(home, corrections, "decide", made["id"], *signed).stdout)
    assert done["status"] == "accepted"
    assert json.loads(run(home, corrections, "deliver", made["id"], "--json").stdout)["delivery_id"] == done["delivery_id"]
    report = json.loads(run(home, corrections, "report", "--json").stdout)
    assert (report["requests"]["share_in_time"], report["accepted_not_delivered"]) == (1.0, [])
    assert made["id"] in run(home, corrections, "list").stdout
    assert "accepted" in run(home, corrections, "show", made["id"]).stdout
    decisions = list(home.desk.decisions.decisions())
    (again,) = affected_decisions(home.settings, decisions)
    assert (again.score_id, again.changes[0].fields) == (home.found[0].new_score_id, ("fine_cny",))
    text = "".join(path.read_bytes().decode("utf-8", "ignore") for path in home.settings.ledger_dir.iterdir())
    assert home.uscc not in text
    assert case not in text
