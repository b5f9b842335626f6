"""Rates, charges and further figures of access: plain data.

None of them is published: the plan refers charges to another text, and no source fixes a rate. Every one is an assumption [A],
and a file of `Settings.access_rules` replaces single ones. Prices are placeholders until the operating institution has set its own.
"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from registry.errors import ConfigurationError

if TYPE_CHECKING:
    from registry.settings import Settings

ANY_PRODUCT: Final = "*"
ASSUMED: Final = "[A]"


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rate(_Rule):
    """A token bucket: refill in calls per second and size in calls; without a refill there is no limit."""

    rate_per_s: float | None = Field(default=None, gt=0)
    burst: int = Field(default=1, ge=1)


class AccessRules(_Rule):
    """What replaces nothing in the ledger and is agreed for everybody.

    Parameters
    ----------
    rates
        Role -> token bucket per consumer and product. [A]
    prices
        Product, or ``*`` for every other -> kind of call -> yuan per call of a paid scenario; what is not named costs nothing. [A]
    price_source
        Where the prices come from: shown beside each of them. ``[A]`` for the placeholders of this program.
    publicly_free
        Whether scenarios of the charge class ``public`` cost nothing. Plan, section 4 (4) 7. [F1]
    min_cell
        Consumers below which a figure is not disclosed. [A]
    operation_start, operation_end
        Days of the authorised operation, from the agreement; a scenario must lie inside. None where they are not known.
    overlap_d
        Days that an old key stays valid after a rotation, where nothing else is said. [A]
    review_working_days
        Working days within which a person answers a request for human review or an objection. [A]
    handler_zh, handler_en, contact
        Who handles personal information, for notices; to be filled in by the operating institution.
    """

    rates: dict[str, Rate] = Field(default_factory=lambda: dict(RATES))
    prices: dict[str, dict[str, Decimal]] = Field(default_factory=lambda: dict(PRICES))
    price_source: str = ASSUMED
    publicly_free: bool = True
    min_cell: int = Field(default=10, ge=2)
    operation_start: date | None = None
    operation_end: date | None = None
    overlap_d: int = Field(default=7, ge=0)
    review_working_days: int = Field(default=10, ge=1)
    handler_zh: str = "（由运营机构填写）"
    handler_en: str = "(to be filled in by the operating institution)"
    contact: str = "（由运营机构填写）"

    def rate_of(self, role: str) -> Rate:
        """Return the token bucket of a role."""
        return self.rates.get(role, Rate())

    def price_of(self, product: str, kind: str) -> Decimal:
        """Return what one paid call costs, in yuan."""
        prices = self.prices.get(product, self.prices.get(ANY_PRODUCT, {}))
        return prices.get(kind, Decimal(0))


RATES: Final[dict[str, Rate]] = {
    "insurer": Rate(rate_per_s=50, burst=100),
    "operator": Rate(rate_per_s=5, burst=20),
    "engineer": Rate(rate_per_s=50, burst=100),
    "regulator": Rate(rate_per_s=50, burst=100),
    "local": Rate(),
}
"""[A]"""
PRICES: Final[dict[str, dict[str, Decimal]]] = {
    ANY_PRODUCT: {"score": Decimal("0.10"), "batch": Decimal("0.05"), "what_if": Decimal("0.02")},
}
"""Placeholders. [A]"""


def access_rules(settings: Settings) -> AccessRules:
    """Return the rules with what the file of `Settings.access_rules` replaces.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or names a rule that does not exist.
    """
    if settings.access_rules is None:
        return AccessRules()
    try:
        replaced = json.loads(settings.access_rules.read_bytes(), parse_float=Decimal)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the file of access rules cannot be read: {error}", where=str(settings.access_rules),
            remedy="Mend it or unset ROADRISK_ACCESS_RULES.",
        ) from error
    if not isinstance(replaced, dict):
        raise ConfigurationError("the file of access rules is no object", where=str(settings.access_rules))
    try:
        return AccessRules.model_validate(_merged(replaced))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(
            f"access rule {'.'.join(map(str, first['loc']))} cannot be used: {first['msg']}",
            where=str(settings.access_rules), remedy="See docs/access.md for the rules and their kinds.",
        ) from error


def _merged(replaced: dict[str, Any]) -> dict[str, Any]:
    merged = dict(replaced)
    for name, declared in (("rates", RATES), ("prices", PRICES)):
        if isinstance(replaced.get(name), dict):
            merged[name] = {**declared, **replaced[name]}
    return merged
