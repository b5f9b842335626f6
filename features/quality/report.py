"""The judgement of a source at an instant: five figures, a verdict, and what is wrong in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import sqrt
from statistics import median
from typing import Final, Literal

from features.quality import thresholds
from features.quality.measure import DeliveryQuality
from features.quality.store import CheckResult
from features.quality.thresholds import Floor
from registry.local_time import SHANGHAI
from registry.resources.schema import FRESHNESS_LIMIT_D, Resource

Verdict = Literal["ok", "warn", "stale", "broken", "absent"]
GAP_DAYS: Final = 31
_PERIOD_LENGTH: Final = {"realtime": 10, "daily": 10, "monthly": 7, "yearly": 4}
"""Characters of an ISO date that name a day, month or year."""


@dataclass(frozen=True)
class Period:
    """The deliveries of a resource that are complete until the same day, month or year, by its cycle."""

    label: str
    rows: int
    accepted: int
    quarantined: int
    repeated: int
    key_clashes: int
    nulls: Mapping[str, int]
    broken: Mapping[str, int]

    def filled(self, column: str) -> float:
        """Return the share of accepted rows that have a value in a column."""
        return 1.0 - self.nulls.get(column, 0) / self.accepted if self.accepted else 1.0


@dataclass(frozen=True, kw_only=True)
class ResourceQuality:
    """How good a source is at an instant.

    Parameters
    ----------
    completeness, uniqueness, validity, consistency
        Shares from 0 to 1; None where there is nothing to judge by.
    complete_until, age_d, limit_d
        Instant until which the source is complete, its age in days, and the age from which it is stale.
    rows, usual_rows
        Rows of the newest period and the median of the earlier ones, None without enough of them.
    verdict, findings
        The worst of the five judgements, and every cause for one that is not ok.
    history
        Earlier and newest periods as (label, rows), oldest first.
    """

    resource: str
    cycle: str
    verdict: Verdict
    completeness: float | None
    complete_until: datetime | None
    age_d: float | None
    limit_d: int
    uniqueness: float | None
    validity: float | None
    consistency: float | None
    rows: int
    usual_rows: float | None
    findings: tuple[str, ...]
    history: tuple[tuple[str, int], ...]


def judge(
    resource: Resource, deliveries: Sequence[DeliveryQuality], checks: Iterable[CheckResult], at: datetime
) -> ResourceQuality:
    """Judge a source by its deliveries until an instant and the checks that speak about it."""
    found = periods(resource, deliveries)
    until = max((datetime.fromisoformat(one.complete_until) for one in deliveries), default=None)
    age_d = (at - until).total_seconds() / 86_400.0 if until else None
    newest, earlier = (found[-1], found[:-1][-thresholds.USUAL_PERIODS:]) if found else (None, [])
    completeness, missing = _completeness(newest, earlier, gaps(deliveries, at)) if newest else (None, [])
    consistency, disagreeing = _consistency(checks)
    figures = {
        "completeness": (completeness, thresholds.COMPLETENESS, missing),
        "uniqueness": (_share(newest, "repeated", "key_clashes"), thresholds.UNIQUENESS, _unique(newest)),
        "validity": (_share(newest, "quarantined"), thresholds.VALIDITY, _invalid(newest)),
        "consistency": (consistency, thresholds.CONSISTENCY, disagreeing),
    }
    verdicts = [_freshness(resource, age_d), *(_verdict(value, floor) for value, floor, _ in figures.values())]
    findings = [*_late(resource, age_d, until)]
    for value, floor, causes in figures.values():
        findings += causes if _verdict(value, floor) != "ok" else []
    return ResourceQuality(
        resource=resource.id, cycle=resource.cycle, verdict=max(verdicts, key=ORDER.index), completeness=completeness,
        complete_until=until, age_d=age_d, limit_d=FRESHNESS_LIMIT_D[resource.cycle],
        uniqueness=figures["uniqueness"][0], validity=figures["validity"][0], consistency=consistency,
        rows=newest.rows if newest else 0, usual_rows=_usual(earlier), findings=tuple(findings),
        history=tuple((period.label, period.rows) for period in found[-thresholds.USUAL_PERIODS - 1:]),
    )


ORDER: Final[tuple[Verdict, ...]] = ("ok", "warn", "stale", "broken", "absent")
"""Verdicts from best to worst."""


def periods(resource: Resource, deliveries: Sequence[DeliveryQuality]) -> list[Period]:
    """Return deliveries summed by the period of the resource's cycle, oldest first."""
    grouped: dict[str, list[DeliveryQuality]] = {}
    for one in deliveries:
        # The first instant of a day that is not covered any more belongs to the day before.
        last = datetime.fromisoformat(one.complete_until).astimezone(SHANGHAI) - timedelta(microseconds=1)
        grouped.setdefault(last.date().isoformat()[: _PERIOD_LENGTH[resource.cycle]], []).append(one)
    return [_summed(label, grouped[label]) for label in sorted(grouped)]


def gaps(deliveries: Sequence[DeliveryQuality], at: datetime) -> list[date]:
    """Return the days of the last month on which far fewer rows happened than usual on such a weekday."""
    counts: Counter[date] = Counter()
    for one in deliveries:
        counts.update({date.fromisoformat(day): rows for day, rows in one.days.items()})
    if not counts:
        return []
    last = min(max(counts), at.astimezone(SHANGHAI).date())
    days = [last - timedelta(days=number) for number in range(GAP_DAYS)]
    watched = [day for day in days if day > min(counts)]
    if len(watched) < GAP_DAYS - 1:
        return []
    of_all = median(counts[day] for day in watched)
    # The newest day may still be arriving.
    return sorted(day for day in watched[1:] if _short(counts[day], min(of_all, _of_weekday(counts, day, watched))))


def _of_weekday(counts: Counter[date], day: date, watched: Sequence[date]) -> float:
    return median([counts[other] for other in watched if other.weekday() == day.weekday() and other != day])


def _short(met: float, usual: float) -> bool:
    return met < usual * thresholds.COMPLETENESS.broken and usual - met > thresholds.COUNT_NOISE * sqrt(usual)


def _summed(label: str, group: Sequence[DeliveryQuality]) -> Period:
    nulls: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    for one in group:
        nulls.update(one.nulls)
        broken.update(one.broken)
    names = ("rows", "accepted", "quarantined", "repeated", "key_clashes")
    rows, accepted, quarantined, repeated, clashes = (sum(getattr(one, name) for one in group) for name in names)
    return Period(label, rows, accepted, quarantined, repeated, clashes, nulls, broken)


def _usual(earlier: Sequence[Period]) -> float | None:
    return median(period.rows for period in earlier) if len(earlier) >= thresholds.MIN_PERIODS else None


def _completeness(newest: Period, earlier: Sequence[Period], missing: Sequence[date]) -> tuple[float | None, list[str]]:
    usual = _usual(earlier)
    if usual is None:
        return None, []
    shares: dict[str, float] = {}
    if _short_count(newest.rows, usual):
        shares[f"{newest.rows} rows in {newest.label}, {usual:.0f} are usual"] = newest.rows / usual
    for column in sorted(newest.nulls):
        before = median(period.filled(column) for period in earlier)
        if _emptier(newest, column, before):
            now = newest.filled(column)
            shares[f"{column} is filled in {now:.0%} of the rows, usually in {before:.0%}"] = now / before
    if missing:
        named = ", ".join(day.isoformat() for day in missing[:5])
        shares[f"{len(missing)} of the last {GAP_DAYS} days are missing or thin: {named}"] = 1.0 - len(missing) / GAP_DAYS
        # A missing day is worth a look however small its share of the month is.
        shares = {cause: min(share, thresholds.COMPLETENESS.warn - 0.01) for cause, share in shares.items()}
    return min(shares.values(), default=1.0), list(shares)


def _short_count(met: float, usual: float) -> bool:
    return met < usual * thresholds.COMPLETENESS.warn and usual - met > thresholds.COUNT_NOISE * sqrt(usual)


def _emptier(newest: Period, column: str, before: float) -> bool:
    lost = (before - newest.filled(column)) * newest.accepted
    noise = thresholds.COUNT_NOISE * sqrt(newest.accepted * before * (1.0 - before))
    return newest.filled(column) < before * thresholds.COMPLETENESS.warn and lost > noise + 1.0


def _consistency(checks: Iterable[CheckResult]) -> tuple[float | None, list[str]]:
    judged = [(one.share, one) for one in checks if one.share is not None]
    causes = [
        f"{one.check}: {one.held} of {one.compared} agree" for share, one in judged if share < thresholds.CONSISTENCY.warn
    ]
    return min((share for share, _ in judged), default=None), causes


def _share(newest: Period | None, *counted: str) -> float | None:
    if newest is None or not newest.rows:
        return None
    return 1.0 - float(sum(getattr(newest, name) for name in counted)) / newest.rows


def _unique(newest: Period | None) -> list[str]:
    if newest is None:
        return []
    return [f"{newest.repeated} of {newest.rows} rows are repeated, {newest.key_clashes} clash in their key"]


def _invalid(newest: Period | None) -> list[str]:
    if newest is None:
        return []
    worst = sorted(newest.broken.items(), key=lambda item: (-item[1], item[0]))[:3]
    return [f"{rows} of {newest.rows} rows break {rule!r}" for rule, rows in worst]


def _verdict(value: float | None, floor: Floor) -> Verdict:
    if value is None or value >= floor.warn:
        return "ok"
    return "warn" if value >= floor.broken else "broken"


def _freshness(resource: Resource, age_d: float | None) -> Verdict:
    if age_d is None:
        return "absent"
    if age_d > FRESHNESS_LIMIT_D[resource.cycle]:
        return "stale"
    return "warn" if age_d > thresholds.EXPECTED_WITHIN_D[resource.cycle] else "ok"


def _late(resource: Resource, age_d: float | None, until: datetime | None) -> list[str]:
    verdict = _freshness(resource, age_d)
    if age_d is None or until is None:
        return ["was never delivered"]
    if verdict == "ok":
        return []
    limit = FRESHNESS_LIMIT_D[resource.cycle]
    return [f"complete until {until.astimezone(SHANGHAI):%Y-%m-%d}, {age_d:.1f} days before; stale after {limit}"]
