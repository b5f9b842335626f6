"""What a consumer owes for a month, and what is disclosed to the public: both computed from counted usage and the rules."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from registry.access.rules import AccessRules
from registry.access.scenarios import ChargeClass
from registry.access.state import AccessState
from registry.access.usage import QUOTA
from registry.data_products import DATA_PRODUCTS
from registry.errors import InvalidRequest
from registry.ledger_beside import Count
from registry.resources import ANNEX_RESOURCES

CENT: Final = Decimal("0.01")
_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, kw_only=True)
class Charged:
    """One line: calls of one kind under one scenario, what one costs, the amount in yuan, and the rule in words."""

    product: str
    scenario: str
    kind: str
    charge: ChargeClass
    calls: int
    price: Decimal
    amount: Decimal
    rule: str


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Everything that a consumer used in a month of Shanghai, and what it costs; each line is rounded to a cent."""

    consumer: str
    zh: str
    en: str
    month: str
    lines: tuple[Charged, ...]
    total: Decimal


@dataclass(frozen=True, kw_only=True)
class Disclosed:
    """Usage of a product by everybody; None where too few consumers stand behind a figure."""

    product: str
    zh: str
    consumers: int | None
    calls: int | None
    fees: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Disclosure:
    """What the operating institution discloses of a month (plan, section 7 (1) 3): resources, products, charges, usage.

    Parameters
    ----------
    min_consumers
        Consumers below which a product's figures are withheld, and their sum with them.
    products
        By product that was used.
    charges
        Product or ``*`` -> kind of call -> yuan.
    price_source
        Where they come from.
    data_products, resources
        Names of the products of Annex 2 and of the authorised resources of Annex 1.
    """

    month: str
    min_consumers: int
    products: tuple[Disclosed, ...]
    charges: dict[str, dict[str, Decimal]]
    price_source: str
    data_products: tuple[str, ...]
    resources: tuple[str, ...]


def statement(state: AccessState, rules: AccessRules, usage: Iterable[Count], consumer: str, month: str) -> Statement:
    """Return the statement of a consumer.

    Raises
    ------
    NotFound
        If there is no such consumer.
    InvalidRequest
        If the month is none.
    """
    known = state.consumer(consumer)
    used = _of_month(usage, month, consumer=consumer)
    lines = tuple(_charged(state, rules, one) for one in used)
    total = sum((line.amount for line in lines), Decimal(0)).quantize(CENT)
    return Statement(consumer=consumer, zh=known.zh, en=known.en, month=month, lines=lines, total=total)


def disclosure(state: AccessState, rules: AccessRules, usage: Iterable[Count], month: str) -> Disclosure:
    """Return what is disclosed of a month. The machine's own calls are nobody's use and are left out.

    Raises
    ------
    InvalidRequest
        If the month is none.
    """
    lines: dict[str, list[tuple[str, Charged]]] = defaultdict(list)
    for one in _of_month(usage, month):
        holder = state.consumers.get(one.consumer)
        if holder is not None and holder.role != "local":
            lines[one.product].append((one.consumer, _charged(state, rules, one)))
    return Disclosure(
        month=month, min_consumers=rules.min_cell,
        products=tuple(_disclosed(product, lines[product], rules.min_cell) for product in sorted(lines)),
        charges=rules.prices, price_source=rules.price_source,
        data_products=tuple(product.zh for product in DATA_PRODUCTS.values()),
        resources=tuple(resource.zh for resource in ANNEX_RESOURCES),
    )


def last_month(today: date) -> str:
    """Return the last month that is over: the one that a statement is usually asked for."""
    return f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"


def as_json(found: Statement | Disclosure) -> dict[str, Any]:
    """Return it for a machine; amounts are text, because JSON has no decimal numbers."""
    from dataclasses import asdict

    return _plain(asdict(found))  # type: ignore[no-any-return]


def _of_month(usage: Iterable[Count], month: str, *, consumer: str | None = None) -> list[Count]:
    if not _MONTH.fullmatch(month):
        raise InvalidRequest(f"{month!r} is no month", where="month", remedy="Write it as 2026-07.")
    found = [one for one in usage if one.period == month and one.kind != QUOTA and consumer in (None, one.consumer)]
    return sorted(found, key=lambda one: (one.product, one.scenario, one.kind, one.consumer))


def _charged(state: AccessState, rules: AccessRules, one: Count) -> Charged:
    scenario = state.scenarios.get(one.scenario)
    charge: ChargeClass = scenario.request.charge if scenario else "public"
    free = charge == "public" and rules.publicly_free
    price = Decimal(0) if free else rules.price_of(one.product, one.kind)
    rule = "public: free of charge" if free else f"{price} yuan per {one.kind} {rules.price_source}"
    return Charged(
        product=one.product, scenario=one.scenario, kind=one.kind, charge=charge, calls=one.n, price=price,
        amount=(price * one.n).quantize(CENT, ROUND_HALF_UP), rule=rule,
    )


def _disclosed(product: str, lines: list[tuple[str, Charged]], min_cell: int) -> Disclosed:
    consumers = len({consumer for consumer, _ in lines})
    zh = DATA_PRODUCTS[product].zh if product in DATA_PRODUCTS else product
    if consumers < min_cell:
        return Disclosed(product=product, zh=zh, consumers=None, calls=None, fees=None)
    calls, fees = sum(line.calls for _, line in lines), sum((line.amount for _, line in lines), Decimal(0))
    return Disclosed(product=product, zh=zh, consumers=consumers, calls=calls, fees=fees)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Decimal) else value
