"""The pages of monitoring and of fairness: what `roadrisk monitor` kept, drawn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request, Response

from registry.access.roles import ROLES
from registry.errors import AccessRefused
from registry.formats import CITY_NAMES
from registry.products import PRODUCTS
from serving.console.pages import page
from serving.console.series import series, stacked
from serving.monitoring.store import read_report

if TYPE_CHECKING:
    from registry.access.roles import Role
    from registry.settings import Settings
    from serving.console.parts import Console

TIER_ORDER: Final = ("blue", "yellow", "orange", "red", "grey")
SHOWN: Final = 15
"""So many inputs are shown at once; the others on request."""
_SAID: Final = {"unknown": "未知", "outside Jiangxi": "省外"}
_BAND: Final = re.compile(r"([\d.]+)( years)? (?:to under ([\d.]+)|and more)( years)?")


def monitoring_router(console: Console) -> APIRouter:
    """Return the routes of monitoring and fairness."""
    router = APIRouter()

    @router.get("/console/monitoring")
    def monitoring(request: Request) -> Response:
        product, found = _report(console, request)
        return page(
            request, "monitoring.html", products=PRODUCTS, product=product, report=found, shown=SHOWN, tier_order=TIER_ORDER,
            **({} if found is None else _pictures(found)),
        )

    @router.get("/console/fairness")
    def fairness(request: Request) -> Response:
        product, found = _report(console, request)
        return page(
            request, "fairness.html", products=PRODUCTS, product=product, report=found, words=segment_words, axis=_axis(found),
        )

    return router


def may_monitor(role: Role) -> bool:
    """Return whether a role sees how models do: whoever may have exact explanations."""
    return "exact" in ROLES[role].details


def alert_counts(settings: Settings) -> dict[str, int] | None:
    """Return over all products how many measures call for action and for a look; None where nothing has been monitored yet."""
    reports = [one for name in PRODUCTS if (one := read_report(settings, name)) is not None]
    states = [alert["state"] for one in reports for alert in one["alerts"]]
    return {state: states.count(state) for state in ("act", "watch")} if reports else None


def segment_words(name: str, language: str) -> str:
    """Return the name of a segment in one language; declared names hold both."""
    if name in _SAID:
        return _SAID[name] if language == "zh" else name
    code, _, plate = name.partition(" ")
    if code in CITY_NAMES:
        zh, en = CITY_NAMES[code]
        return f"{zh} {plate}" if language == "zh" else f"{en} {plate}"
    band = _BAND.fullmatch(name)
    if band:
        low, years, high, more_years = band.groups()
        unit = ("年" if language == "zh" else " years") if years or more_years else ""
        return f"{low}–<{high}{unit}" if high else f"≥{low}{unit}"
    zh, space, en = name.partition(" ")
    if re.match("[A-Z][0-9] ", name):
        code, _, rest = name.partition(" ")
        zh, _, en = rest.partition(" ")
        return f"{code} {zh} 等" if language == "zh" else f"{code} {en}"
    if not space or not re.search("[一-鿿]", zh):
        return name
    return zh if language == "zh" else en


def _report(console: Console, request: Request) -> tuple[str, Mapping[str, Any] | None]:
    console.door.may(request, "catalogue")
    caller = console.door.caller(request)
    if not may_monitor(caller.role):
        raise AccessRefused(
            f"the role {caller.role} does not see how models do", where=f"consumer {caller.consumer}",
            remedy="See docs/access.md for what each role may do.", details={"lacking": "role"},
        )
    asked = request.query_params.get("product", "")
    product = asked if asked in PRODUCTS else next(iter(PRODUCTS))
    return product, read_report(console.settings, product)


def _pictures(found: Mapping[str, Any]) -> dict[str, Any]:
    learnt = set(found["reference"])
    drift = [(one["month"], one["psi"], None, "learnt" if one["month"] in learnt else "seen") for one in found["months"]]
    calibration = found["calibration"]["months"] if found["calibration"] else []
    ahead = found["estimate"]["ahead"] if found["estimate"] else []
    balance = [(one["month"], one["ratio"], one["interval"], "learnt" if one["learnt"] else "seen") for one in calibration]
    balance += [(one["month"], one["balance"], one["balance_interval"], "ahead") for one in ahead]
    ginis = [(one["month"], one["gini"], one["gini_interval"], "learnt" if one["learnt"] else "seen") for one in calibration]
    ginis += [(one["month"], one["gini"], one["gini_interval"], "ahead") for one in ahead]
    tested = (found["test"] or {}).get("gini")
    return {
        "parts": {one["month"]: stacked([one["tiers"][code] for code in TIER_ORDER]) for one in found["months"]},
        "drift": series(drift, least=0.0, level=0.1), "balance": series(balance, level=1.0) if balance else None,
        "gini": series(ginis, level=tested) if ginis else None,
    }


def _axis(found: Mapping[str, Any] | None) -> tuple[float, float]:
    """Return the ends of the axis of points over all segments."""
    told = [
        end for dimension in (found or {}).get("fairness", ()) for one in dimension["segments"] if not one.get("withheld")
        for end in (one["interval"] or [one["mean_points"]])
    ]
    if not told:
        return 0.0, 1000.0
    room = max((max(told) - min(told)) * 0.06, 2.0)
    return min(told) - room, max(told) + room
