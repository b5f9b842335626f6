from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from registry.access.rules import PRICES, AccessRules, access_rules
from registry.access.state import AccessState
from registry.access.statements import as_json, disclosure, last_month, statement
from registry.access.usage import QUOTA
from registry.errors import ConfigurationError, InvalidRequest, NotFound
from registry.ledger_beside import Count
from registry.settings import Settings
from tests.lib.access import active, state_of

RULES = AccessRules(prices={"*": {"score": Decimal("0.10")}, "maintenance": {"score": Decimal("0.005")}}, min_cell=3)


def used(n: int, *, consumer: str = "c", product: str = "insurance_pricing", scenario: str = "s1", kind: str = "score",
         period: str = "2026-07") -> Count:
    return Count(consumer=consumer, product=product, scenario=scenario, period=period, kind=kind, n=n)


def consumers(*names: str) -> AccessState:
    state = state_of("insurer", active("s1"), active("m1", product="maintenance"), active("free", charge="public"))
    for name in names:
        state.consumers[name] = replace(state.consumers["c"], id=name)
        state.put(active(f"s-{name}", consumer=name))
    return state


def test_a_statement_shows_each_line_with_its_rule() -> None:
    usage = [
        used(1234), used(300, kind="batch"), used(3, product="maintenance", scenario="m1"), used(50, scenario="free"),
        used(9999, kind=QUOTA, scenario=""), used(7, period="2026-06"), used(7, period="2026-07-04"), used(5, consumer="d"),
    ]
    found = statement(consumers("d"), RULES, usage, "c", "2026-07")
    assert [(one.scenario, one.kind, one.calls, one.amount, one.rule) for one in found.lines] == [
        ("free", "score", 50, Decimal("0.00"), "public: free of charge"),
        ("s1", "batch", 300, Decimal("0.00"), "0 yuan per batch [A]"),
        ("s1", "score", 1234, Decimal("123.40"), "0.10 yuan per score [A]"),
        # 0.015 yuan is rounded to the cent, upwards from the half.
        ("m1", "score", 3, Decimal("0.02"), "0.005 yuan per score [A]"),
    ]
    assert found.total == Decimal("123.42")
    assert json.loads(json.dumps(as_json(found)))["total"] == "123.42"


def test_a_month_without_calls_costs_nothing() -> None:
    found = statement(consumers(), RULES, [], "c", "2026-07")
    assert (found.lines, found.total) == ((), Decimal("0.00"))


def test_public_use_costs_where_the_rules_say_so() -> None:
    rules = RULES.model_copy(update={"publicly_free": False})
    assert statement(consumers(), rules, [used(10, scenario="free")], "c", "2026-07").total == Decimal("1.00")


def test_a_price_names_its_source() -> None:
    rules = RULES.model_copy(update={"price_source": "price list 3"})
    assert statement(consumers(), rules, [used(10)], "c", "2026-07").lines[0].rule == "0.10 yuan per score price list 3"


def test_what_is_no_month_or_consumer_is_refused() -> None:
    for month in ("2026-13", "2026-7", "2026-07-04", ""):
        with pytest.raises(InvalidRequest, match="is no month"):
            statement(consumers(), RULES, [], "c", month)
    with pytest.raises(NotFound, match="there is no consumer 'nobody'"):
        statement(consumers(), RULES, [], "nobody", "2026-07")


def test_few_consumers_are_not_disclosed() -> None:
    usage = [
        used(10), used(20, consumer="d", scenario="s-d"), used(30, consumer="e", scenario="s-e"),
        used(5, product="maintenance", scenario="m1"), used(6, product="maintenance", consumer="d", scenario="s-d"),
    ]
    found = disclosure(consumers("d", "e"), RULES, usage, "2026-07")
    assert [(one.product, one.consumers, one.calls, one.fees) for one in found.products] == [
        ("insurance_pricing", 3, 60, Decimal("6.00")), ("maintenance", None, None, None),
    ]
    assert len(found.resources) == 35
    assert len(found.data_products) == 13
    # No sum is disclosed from which a withheld figure would follow.
    assert set(as_json(found)) == {"month", "min_consumers", "products", "charges", "price_source", "data_products", "resources"}


def test_the_calls_of_the_machine_itself_are_nobody_s_use() -> None:
    state = consumers("d", "e")
    state.consumers["e"] = replace(state.consumers["e"], role="local")
    usage = [used(10), used(20, consumer="d", scenario="s-d"), used(30, consumer="e", scenario="s-e")]
    assert disclosure(state, RULES, usage, "2026-07").products[0].consumers is None


def test_the_last_month_is_over() -> None:
    assert [last_month(day) for day in (date(2026, 7, 1), date(2026, 7, 31), date(2027, 1, 15))] == [
        "2026-06", "2026-06", "2026-12",
    ]


def test_a_file_replaces_single_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text('{"min_cell": 20, "prices": {"maintenance": {"score": 0.03}}, "rates": {"insurer": {"rate_per_s": 5}}}')
    found = access_rules(Settings(access_rules=path))
    assert found.min_cell == 20
    assert found.price_of("maintenance", "score") == Decimal("0.03")
    assert found.price_of("insurance_pricing", "score") == PRICES["*"]["score"]
    assert (found.rate_of("insurer").rate_per_s, found.rate_of("operator").rate_per_s) == (5, 5)
    assert access_rules(Settings()).rate_of("nobody").rate_per_s is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"), ("[]", "is no object"), ('{"min_cells": 3}', "access rule min_cells cannot be used"),
        ('{"rates": {"insurer": {"rate_per_s": -1}}}', "access rule rates.insurer.rate_per_s cannot be used"),
        ('{"min_cell": 1}', "access rule min_cell cannot be used"),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rules.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        access_rules(Settings(access_rules=path))
