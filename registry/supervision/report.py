"""Daily and monthly supervision report of an enterprise, a city or the province: counted from the book of alerts.

An alert belongs to the period in which it was raised. Violations are what persons confirmed and nobody dismissed; the share of
dismissed alerts among those that were decided is the false-alarm rate that persons saw, beside the one of the study.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import Any, Final

from registry.documents.document import Block, Document, Heading, Paragraph, bullets, table
from registry.documents.tongue import Language, Tongue
from registry.errors import InvalidRequest
from registry.local_time import SHANGHAI
from registry.supervision.events import DISMISS_REASONS, OUTCOMES, AlertStep
from registry.supervision.life_cycle import STATUS_WORDS, STATUSES, Alert
from registry.supervision.ranking import ranked
from registry.supervision.rule_table import ALERT_RULES
from registry.supervision.rules import SEVERITIES, SEVERITY_WORDS

FIRST_VEHICLES: Final = 20


@dataclass(frozen=True)
class Period:
    """Local days, both inclusive."""

    first: date
    last: date

    @classmethod
    def of(cls, text: str) -> Period:
        """Return a day (2026-06-03) or a month (2026-06).

        Raises
        ------
        InvalidRequest
            If it is neither.
        """
        try:
            if len(text) == len("2026-06"):
                first = date.fromisoformat(f"{text}-01")
                return cls(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))
            day = date.fromisoformat(text)
        except ValueError:
            raise InvalidRequest(
                f"{text!r} is no day or month", where="period", remedy="Give a day as 2026-06-03 or a month as 2026-06."
            ) from None
        return cls(day, day)

    def holds(self, at: datetime) -> bool:
        """Return whether an instant lies in it."""
        return self.first <= at.astimezone(SHANGHAI).date() <= self.last

    @property
    def end(self) -> datetime:
        """The instant at which it is over."""
        return datetime.combine(self.last + timedelta(days=1), time(), SHANGHAI)


def supervision_report(
    alerts: Iterable[Alert], period: Period, *, about: str, enterprises: frozenset[str] | None = None,
    city_of: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the figures of a period.

    Parameters
    ----------
    alerts
        All alerts.
    about
        Whom it is about, in words.
    enterprises
        Enterprises that count; None for all.
    city_of
        Enterprise -> city, for figures by city.
    """
    own = [one for one in alerts if (enterprises is None or one.enterprise_id in enterprises)]
    found = sorted((one for one in own if period.holds(one.raised_at)), key=lambda one: (one.raised_at, one.alert_id))
    cities: dict[str, list[Alert]] = {}
    for one in found:
        cities.setdefault((city_of or {}).get(one.enterprise_id, ""), []).append(one)
    firms: dict[str, list[Alert]] = {}
    for one in found:
        firms.setdefault(one.enterprise_id, []).append(one)
    return {
        "about": about, "first": period.first.isoformat(), "last": period.last.isoformat(), "total": _figures(found),
        "rules": [
            {"rule_id": rule.rule_id, "zh": rule.zh, "en": rule.en,
             **_figures([one for one in found if one.rule_id == rule.rule_id])}
            for rule in ALERT_RULES
        ],
        "cities": [{"city": city, **_figures(some)} for city, some in sorted(cities.items()) if city_of is not None],
        "enterprises": sorted(
            ({"enterprise": firm, **_figures(some)} for firm, some in firms.items()),
            key=lambda row: (-row["red"], -row["raised"], row["enterprise"]),
        )[:FIRST_VEHICLES],
        "vehicles": [
            {"vehicle": one.vehicle_id, "points": one.points, "tier": one.tier, "alerts": len(one.alerts)}
            for one in ranked(own)[:FIRST_VEHICLES]
        ],
        "outcomes": _codes(found, "handle"), "dismissals": _codes(found, "dismiss"),
    }


def report_document(report: Mapping[str, Any], lang: Language) -> Document:
    """Return a report as a document."""
    say = Tongue(lang)
    total = report["total"]
    days = report["first"] if report["first"] == report["last"] else f"{report['first']} – {report['last']}"
    share = "-" if total["dismissed_share"] is None else f"{100 * total['dismissed_share']:.1f}%"
    columns = [say("报警", "raised"), *(say.of(SEVERITY_WORDS[one]) for one in SEVERITIES), say("已处置", "handled"),
               say("已排除", "dismissed"), say("确认违法", "violations"), say("已升级", "escalated")]
    keys = ("raised", *SEVERITIES, "handled", "dismissed", "violations", "escalated")

    def rows(part: str, name: str) -> list[list[object]]:
        return [[row[name], *(row[key] for key in keys)] for row in report[part] if row["raised"]]

    blocks: list[Block] = [
        Paragraph(say(
            "报警是系统的提示，不是执法结论；只有人工审核确认且未被排除的报警才计为违法（行政处罚法第41条）。",
            "Alerts are what a machine noticed. Only what a person confirmed and nobody dismissed counts as a violation.",
        ), note=True),
        *bullets((
            say(f"期间：{days}", f"Period: {days}"), say(f"对象：{report['about']}", f"About: {report['about']}"),
            say(f"报警{total['raised']}次，涉及车辆{total['vehicles']}辆",
                f"{total['raised']} alerts of {total['vehicles']} vehicles"),
            say(f"确认违法{total['violations']}次；已判定报警中排除占{share}",
                f"{total['violations']} violations confirmed; {share} of the decided alerts were dismissed"),
            *((say(f"确认用时中位数{total['acknowledge_median_s'] / 60:.0f}分钟",
                   f"median time to acknowledge {total['acknowledge_median_s'] / 60:.0f} min"),)
              if total["acknowledge_median_s"] is not None else ()),
        )),
        Heading(say("按规则", "By rule")), *table([say("规则", "rule"), *columns], rows("rules", lang)),
    ]
    for part, name, title in (
        ("cities", "city", say("按城市", "By city")), ("enterprises", "enterprise", say("按企业", "By enterprise")),
    ):
        drawn = table([say("名称", "name"), *columns], rows(part, name))
        blocks += [Heading(title), *drawn] if drawn else []
    first = table(
        [say("车辆", "vehicle"), say("监管分", "points"), say("等级", "tier"), say("报警", "alerts")],
        [[row["vehicle"], row["points"], row["tier"], row["alerts"]] for row in report["vehicles"]],
    )
    blocks += [Heading(say("当前优先关注车辆", "Vehicles to look at now")), *first] if first else []
    for part, words, title in (
        ("outcomes", OUTCOMES, say("处置结果", "Outcomes")), ("dismissals", DISMISS_REASONS, say("排除原因", "Why dismissed")),
    ):
        drawn = table([title, say("次数", "count")], [[say.of(words[code]), n] for code, n in report[part].items()])
        blocks += [Heading(title), *drawn] if drawn else []
    return Document(title=say("重点营运车辆安全监管报告", "Supervision report"), lang=lang, blocks=tuple(blocks))


def _figures(alerts: list[Alert]) -> dict[str, Any]:
    by_status = Counter(one.status for one in alerts)
    by_severity = Counter(one.worst for one in alerts)
    waits = [wait for one in alerts if (wait := _acknowledged_after_s(one)) is not None]
    decided = by_status["handled"] + by_status["dismissed"]
    return {
        "raised": len(alerts), "vehicles": len({one.vehicle_id for one in alerts}),
        **{severity: by_severity[severity] for severity in SEVERITIES},
        **{STATUS_KEYS[status]: by_status[status] for status in STATUSES},
        "open": sum(one.is_open for one in alerts), "violations": sum(one.is_violation for one in alerts),
        "dismissed_share": by_status["dismissed"] / decided if decided else None,
        "acknowledge_median_s": median(waits) if waits else None,
    }


STATUS_KEYS: Final = {status: "waiting" if status == "raised" else status for status in STATUS_WORDS}
"""`raised` is the count of all alerts of a period, so those that nobody has looked at are `waiting`."""


def _acknowledged_after_s(alert: Alert) -> float | None:
    at = next((one.at for one in alert.lived if isinstance(one.what, AlertStep) and one.what.kind == "acknowledge"), None)
    return None if at is None else (at - alert.raised_at).total_seconds()


def _codes(alerts: list[Alert], kind: str) -> dict[str, int]:
    found = Counter(
        one.what.code for alert in alerts for one in alert.lived if isinstance(one.what, AlertStep) and one.what.kind == kind
    )
    return dict(sorted(found.items()))
