"""`roadrisk access` from an empty installation to a statement, as its users type it."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from registry.access.book import AccessBook
from registry.access.grants import Grant
from registry.access.usage import counts_of
from registry.cli import main
from registry.decisions import Beside, Decision, DecisionLedger
from registry.errors import QuotaExceeded, Unauthenticated
from registry.generation import switch
from registry.settings import Settings
from registry.signing import init_keys

PRODUCT = "insurance_pricing"
SCENARIO = "demo-insurer-insurance_pricing-1"
APPLY = [
    "scenarios", "apply", "demo-insurer", PRODUCT, "--purpose-zh", "车险定价", "--purpose-en", "motor pricing",
    "--detail", "groups", "--basis", "contract 17", "--attachment", "plan-3", "--by", "李工",
]
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("ROADRISK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(tmp_path / "keys"))
    made = Settings()
    init_keys(made.keys_dir)
    return made


@pytest.fixture
def call(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Call:
    def made(*arguments: str, code: int = 0) -> dict[str, Any]:
        assert settings.home
        capsys.readouterr()
        assert main(["access", *arguments, "--json"]) == code, capsys.readouterr()
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return made


@pytest.fixture
def token(call: Call) -> str:
    call("consumers", "add", "demo-insurer", "--role", "insurer", "--zh", "示范保险", "--en", "Demo Insurance", "--by", "周敏")
    call(*APPLY, "--start", "2026-07-04", "--end", "2029-07-03")
    for step, by in (("review", "王工"), ("approve", "张局"), ("activate", "张局")):
        call("scenarios", step, SCENARIO, "--by", by, "--reason", "评审通过")
    return str(call("keys", "issue", "demo-insurer", "--by", "周敏")["token"])


def grant_of(settings: Settings, token: str) -> Grant:
    now = datetime.now(UTC)
    with closing(AccessBook.open(settings)) as book:
        return book.authorise(book.authenticate(token, now), product=PRODUCT, action="score", now=now)


def decide(ledger: DecisionLedger, grant: Grant, score_id: str, at: datetime, product: str = PRODUCT) -> None:
    made = Decision(
        score_id=score_id, request_id="r", at=at, product=product, entity_id="e", as_of=at, model_version="1", digest="d" * 64,
        inputs={"x": 1.0}, encoded=(1.0,), exposure=None, answer={"score": 500}, base=500.0, clamp=0.0, contributions={"x": 0.0},
        latency_ms=1.0,
    )
    ledger.record(made, beside=Beside(counts=counts_of(grant, kind="score", now=at)))


def test_a_scenario_is_brought_to_life_by_three_persons(call: Call, settings: Settings, token: str) -> None:
    assert grant_of(settings, token).scenario == SCENARIO
    shown = call("scenarios", "show", SCENARIO)
    assert [(one["step"], one["by"]) for one in shown["decided"]] == [
        ("apply", "李工"), ("review", "王工"), ("approve", "张局"), ("activate", "张局"),
    ]
    assert (shown["approvers"], shown["attachments"], shown["resources"]) == (["张局"], ["plan-3"], None)
    active = call("scenarios", "list", "--consumer", "demo-insurer", "--status", "active")["scenarios"]
    assert [one["id"] for one in active] == [SCENARIO]
    assert call("scenarios", "list", "--product", "maintenance")["scenarios"] == []


def test_a_scenario_is_suspended_resumed_and_ended(call: Call, token: str) -> None:
    assert token
    for step, status in (("suspend", "suspended"), ("resume", "active"), ("expire", "expired")):
        assert call("scenarios", step, SCENARIO, "--by", "张局", "--reason", "complaint")["status"] == status
    refused = call("scenarios", "resume", SCENARIO, "--by", "张局", "--reason", "again", code=60)
    assert "is expired: resume is possible where it is suspended" in refused["error"]["message"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--start", "2026-07-04", "--end", "2029-07-04"], 20, "is longer than 3 years"),
        (["--start", "2026-07-04", "--end", "2026-07-03"], 20, "before it starts"),
        (["--end", "2027-01-01", "--resources", "policy,horoscope"], 30, "no resource horoscope"),
        (["--end", "2027-01-01", "--detail", "exact"], 20, "detail 'exact' is not for the role insurer"),
    ],
)
def test_what_cannot_be_applied_for_is_refused(call: Call, token: str, options: list[str], code: int, said: str) -> None:
    assert token
    assert said in call(*APPLY, *options, code=code)["error"]["message"]


def test_an_application_says_what_it_will_lack(call: Call, token: str) -> None:
    assert token
    made = call(*APPLY, "--end", "2027-01-01", "--resources", "policy, claim,vehicle_day,toll_station", "--dry-run")
    assert made["dry_run"] is True
    assert [note.partition(":")[0] for note in made["notes"]] == [
        "Every answer will be grey (灰)", "Not needed", "Tracks of movement are read",
    ]
    unknown = [*APPLY[:3], "horoscope", *APPLY[4:]]
    assert "no product or live portfolio 'horoscope'" in call(*unknown, "--end", "2027-01-01", code=30)["error"]["message"]


def test_an_operator_is_bound_to_its_enterprise(call: Call, settings: Settings) -> None:
    add = ["consumers", "add", "fleet", "--role", "operator", "--zh", "企业", "--en", "Fleet", "--by", "周敏"]
    assert "an operator is bound to its own enterprise" in call(*add, code=20)["error"]["message"]
    assert call(*add, "--subject", "a1b2c3")["subject"] == "a1b2c3"
    bind = ["consumers", "bind", "fleet", "--subject", "d4e5f6", "--by", "周敏", "--reason", "keys were rotated"]
    assert "is bound under the pseudonym keys of epoch 1 already" in call(*bind, code=60)["error"]["message"]
    switch(settings.home, 2)
    bound = call(*bind)
    assert (bound["subject"], bound["epoch"]) == ("d4e5f6", 2)


def test_a_consumer_is_closed(call: Call, settings: Settings, token: str) -> None:
    assert call("consumers", "close", "demo-insurer", "--by", "张局", "--reason", "contract ended")["closed_at"]
    with pytest.raises(Unauthenticated, match="no API key that is known and valid"):
        grant_of(settings, token)
    assert [one["keys"] for one in call("consumers", "list")["consumers"]] == [0]


def test_a_key_is_handed_over_in_a_file(call: Call, settings: Settings, token: str, tmp_path: Path) -> None:
    key_id, path = token.split("_")[1], tmp_path / "new.key"
    made = call("keys", "rotate", key_id, "--overlap-days", "0", "--to", str(path), "--by", "周敏")
    assert made["token"] is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert grant_of(settings, path.read_text()).key_id == made["key_id"]
    with pytest.raises(Unauthenticated, match="no API key that is known and valid"):
        grant_of(settings, token)
    refused = call("keys", "issue", "demo-insurer", "--to", str(path), "--by", "周敏", code=60)
    assert "cannot be a new file" in refused["error"]["message"]
    assert [(one["id"], one["status"]) for one in call("keys", "list")["keys"]] == [(key_id, "over"), (made["key_id"], "valid")]


def test_a_dry_run_shows_no_token_and_writes_nothing(call: Call, token: str) -> None:
    before = call("log")["lines"]
    key_id = token.split("_")[1]
    for arguments in (
        ["keys", "issue", "demo-insurer"], ["keys", "rotate", key_id], ["keys", "revoke", key_id, "--reason", "r"],
        ["consumers", "add", "other", "--role", "engineer", "--zh", "z", "--en", "e"],
        ["quota", "demo-insurer", PRODUCT, "--per-day", "3"],
        ["scenarios", "suspend", SCENARIO, "--reason", "r"],
    ):
        told = call(*arguments, "--by", "周敏", "--dry-run")
        assert told["dry_run"] is True
        assert "token" not in told
    assert "local-maintenance-1" not in str(call("init-local", "--dry-run"))
    assert call("log")["lines"] == before


def test_the_log_shows_no_hash_of_a_secret(call: Call, token: str) -> None:
    lines = call("log", "--consumer", "demo-insurer")["lines"]
    assert [one["what"] for one in lines] == ["consumer_added", "scenario_applied", "review", "approve", "activate", "key_issued"]
    assert "mac" not in lines[-1]["line"]
    assert token.split("_", 2)[2] not in json.dumps(lines)
    assert len(call("log", "--last", "2")["lines"]) == 2


def test_a_quota_is_exact_and_a_statement_counts_what_passed(call: Call, settings: Settings, token: str) -> None:
    call("quota", "demo-insurer", PRODUCT, "--per-day", "3", "--per-month", "100", "--by", "张局")
    grant, at = grant_of(settings, token), datetime(2026, 7, 10, 4, tzinfo=UTC)
    with closing(DecisionLedger.open(settings)) as ledger:
        for n in range(3):
            decide(ledger, grant, f"{n:032x}", at)
        with pytest.raises(QuotaExceeded, match="the quota of 3 for insurance_pricing in 2026-07-10"):
            decide(ledger, grant, "9" * 32, at)
        decide(ledger, grant, "a" * 32, datetime(2026, 7, 10, 16, tzinfo=UTC))
    found = call("statement", "demo-insurer", "--month", "2026-07")
    counted = [(one["scenario"], one["kind"], one["calls"], one["amount"]) for one in found["lines"]]
    assert counted == [(SCENARIO, "score", 4, "0.40")]
    assert found["total"] == "0.40"
    assert call("statement", "demo-insurer", "--month", "2026-08")["lines"] == []
    public = call("disclosure", "--month", "2026-07")
    assert [(one["product"], one["calls"]) for one in public["products"]] == [(PRODUCT, None)]


def test_an_objection_is_answered_by_a_person(call: Call, settings: Settings, token: str) -> None:
    first, second = "1" * 32, "2" * 32
    grant = grant_of(settings, token)
    with closing(DecisionLedger.open(settings)) as ledger:
        for score_id in (first, second):
            decide(ledger, grant, score_id, datetime(2026, 7, 10, 4, tzinfo=UTC))
    told = call("duties", "told", first, "--channel", "app", "--consent", "--by", "周敏")
    asked = call("duties", "ask", first, "--ground", "data_wrong", "--reference", "case 17", "--by", "周敏")
    assert (told["n"], told["consent"], asked["n"]) == (1, True, 2)
    assert [(one["score_id"], one["n"]) for one in call("duties", "list")["duties"]] == [(first, 2)]

    answer = ["duties", "answer", first, "2", "--outcome", "corrected", "--reason", "罚单已撤销", "--by", "王工"]
    assert "has a successor" in call(*answer, code=20)["error"]["message"]
    assert "is no other decision of the same product" in call(*answer, "--successor", first, code=30)["error"]["message"]
    assert call(*answer, "--successor", second, "--dry-run")["dry_run"] is True
    assert call(*answer, "--successor", second)["reviewer"] == "王工"
    assert "no open objection or request" in call(*answer, "--successor", second, code=60)["error"]["message"]
    assert call("duties", "list")["duties"] == []
    assert [one["duty"] for one in call("duties", "list", "--score-id", first)["duties"]] == [
        "notice_given", "objection", "review_result",
    ]
    named = call("duties", "ask", second, "--reference", "11010519491231002X", "--by", "周敏", code=20)
    assert "identifies a person" in named["error"]["message"]
    assert call("duties", "ask", "3" * 32, "--by", "周敏", code=30)["error"]["slug"] == "not-found"


def test_people_read_tables(settings: Settings, token: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert settings.home
    assert token
    wanted = {
        ("init-local",): "local-api.key", ("consumers", "list"): "示范保险", ("consumers", "show", "demo-insurer"): "2029-07-03",
        ("keys", "list"): "valid", ("scenarios", "list"): "active", ("scenarios", "show", SCENARIO): "评审通过",
        ("log",): "scenario_applied", ("statement", "demo-insurer", "--month", "2026-07"): "Total: 0.00 yuan",
        ("disclosure",): "35 resources of Annex 1", ("notice", "driver_fatigue"): "单独同意", ("duties", "list"): "Nothing waits",
    }
    for arguments, text in wanted.items():
        capsys.readouterr()
        assert main(["access", *arguments]) == 0
        shown = capsys.readouterr().out
        assert text in shown, shown
        assert token.split("_", 2)[2] not in shown
