"""What an alert rule is: a signal, its levels with thresholds for on and off, and how long each must last.

A signal is a number that grows as things get worse, or is unknown. A level goes on once its signal has stood at `on` or above for
`on_for_s`, and off once it has stood at `off` or below for `off_for_s`; between both nothing changes. What is unknown changes
nothing either, until it has been unknown for `lapse_s`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from registry.resources.schema import Evidence

Trade = Literal["freight", "hazmat", "passenger", "long_distance_coach"]
"""Kind of vehicle (业务): 货运, 危货, 客运, 长途客运."""
Severity = Literal["yellow", "orange", "red"]
AlertClass = Literal["speeding", "duty", "fatigue", "night", "terminal", "papers", "route", "area"]

TRADES: Final[tuple[Trade, ...]] = get_args(Trade)
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
"""From the least to the most."""
SEVERITY_WORDS: Final[dict[Severity, tuple[str, str]]] = {
    "yellow": ("黄色", "yellow"), "orange": ("橙色", "orange"), "red": ("红色", "red"),
}
CLASS_WORDS: Final[dict[AlertClass, tuple[str, str]]] = {
    "speeding": ("超速", "speeding"), "duty": ("驾驶时限", "driving time"), "fatigue": ("疲劳", "fatigue"),
    "night": ("凌晨运行", "operation from 2 to 5 o'clock"), "terminal": ("终端", "terminal"), "papers": ("证照检测", "papers"),
    "route": ("线路", "route"), "area": ("路况管制", "road events"),
}
CLASS_WEIGHTS: Final[dict[AlertClass, int]] = {
    "fatigue": 240, "duty": 200, "speeding": 200, "night": 180, "route": 160, "terminal": 100, "area": 80, "papers": 60,
}
"""Points of a red alert of a class in the supervision score (`registry.supervision.ranking`). [A]"""
SEVERITY_SHARES: Final[dict[Severity, float]] = {"yellow": 0.25, "orange": 0.5, "red": 1.0}
"""Share of the class's points by severity. [A]"""
ACKNOWLEDGE_WITHIN_S: Final[dict[Severity, int]] = {"yellow": 3_600, "orange": 900, "red": 300}
"""An alert that nobody has acknowledged after so long is escalated. [A]"""


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of a rule.

    Parameters
    ----------
    severity
        Its colour.
    on, off
        Where it begins, and where it ends; `off` lies below `on`.
    on_for_s, off_for_s
        How long the signal must stay there.
    evidence
        How well the threshold is sourced.
    """

    severity: Severity
    on: float
    off: float
    on_for_s: int = 0
    off_for_s: int = 0
    evidence: Evidence = "A"


@dataclass(frozen=True, kw_only=True)
class AlertRule:
    """One rule.

    Parameters
    ----------
    rule_id, zh, en
        Names.
    alert_class
        What kind of danger it is about.
    signal, unit
        Name of the signal and its unit (`features.supervision.signals`).
    levels
        From the least severe; a vehicle has at most one alert of a rule, whose severity is that of the highest level that is on.
    trades
        Vehicles that it is about.
    article
        Where it stands; empty where it is this project's own.
    again_s
        An alert that comes back within so long after it was cleared is the same one. [A]
    lapse_s
        An alert whose signal is unknown for so long is cleared. [A]
    note
        What it does not see.
    """

    rule_id: str
    zh: str
    en: str
    alert_class: AlertClass
    signal: str
    unit: str
    levels: tuple[Level, ...]
    trades: tuple[Trade, ...] = TRADES
    article: str = ""
    again_s: int = 300
    lapse_s: int = 21_600
    note: str = ""

    def __post_init__(self) -> None:
        ranks = [SEVERITIES.index(level.severity) for level in self.levels]
        assert ranks == sorted(set(ranks)), self.rule_id
        assert all(level.off < level.on for level in self.levels), self.rule_id

    def points(self, severity: Severity) -> float:
        """Return what an alert of this rule adds to the supervision score."""
        return CLASS_WEIGHTS[self.alert_class] * SEVERITY_SHARES[severity]
