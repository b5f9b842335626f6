"""Limits on driving time (驾驶时间限制): a dated table of rules, each with its article and how well it is sourced.

A rule is law only as far as its evidence goes: F1 was read in the text of the regulation, F2 in a secondary source, G is
general knowledge and a parameter. The thresholds apply to a vehicle, because positions do not say who drives.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from registry.errors import NotFound
from registry.resources.schema import Evidence

DutyKind = Literal["run", "night_run", "rolling", "standstill"]
"""run: driving since the last rest. night_run: its part that lies in a daily window. rolling: driving in any span of time.
standstill: driving in a daily window in which the vehicle must stand."""
Operation = Literal["freight", "passenger", "long_distance_coach"]
"""Kind of operation (业务): freight 货运, passenger 客运, long-distance coach 长途客运, which is also passenger."""


@dataclass(frozen=True, kw_only=True)
class DutyRule:
    """One limit.

    Parameters
    ----------
    rule_id, zh, en
        Names.
    kind
        How driving is counted.
    article
        Where it stands.
    limit_s
        Seconds of driving allowed; a breach begins when driving goes on beyond them.
    rest_s
        Stop that ends a run.
    span_s
        Length of the rolling span.
    window_h
        Local hours of the daily window, from and to; wraps midnight.
    applies_to
        Operations bound by it.
    effective_from, effective_to
        Local days on which it binds, both inclusive; None where no limit is known.
    evidence
        How well limit and article are sourced.
    note
        What is not verified.
    """

    rule_id: str
    zh: str
    en: str
    kind: DutyKind
    article: str
    limit_s: int
    applies_to: tuple[Operation, ...]
    rest_s: int = 1_200
    span_s: int = 0
    window_h: tuple[int, int] = (0, 0)
    effective_from: date | None = None
    effective_to: date | None = None
    evidence: Evidence
    note: str = ""

    def binds(self, day: date, operation: Operation) -> bool:
        """Return whether the rule binds an operation on a local day."""
        after = self.effective_from is None or self.effective_from <= day
        before = self.effective_to is None or day <= self.effective_to
        return after and before and operation in self.applies_to


_EVERYBODY: Final[tuple[Operation, ...]] = ("freight", "passenger", "long_distance_coach")
_PASSENGER: Final[tuple[Operation, ...]] = ("passenger", "long_distance_coach")
_CODE: Final = "客运企业安全管理规范 Art. 38"
_UNDATED: Final = "read in a secondary source; the day from which it binds is not verified"

DUTY_RULES: Final = (
    DutyRule(
        rule_id="continuous_4h", zh="连续驾驶不超过4小时", en="at most 4 hours of driving without a rest of 20 minutes", kind="run",
        article="道路交通安全法实施条例 Art. 62(7); 道路运输条例 Art. 28", limit_s=14_400, applies_to=_EVERYBODY,
        effective_from=date(2017, 10, 7), evidence="F1",
        note="dated by the revision of 实施条例 that was read; the rule itself is older",
    ),
    DutyRule(
        rule_id="passenger_night_2h", zh="夜间连续驾驶不超过2小时", en="at most 2 hours of driving by night without a rest",
        kind="night_run", article=_CODE, limit_s=7_200, applies_to=_PASSENGER, window_h=(22, 6), evidence="F2",
        note=_UNDATED + "; the window of 22:00 to 06:00 is general knowledge [G]",
    ),
    DutyRule(
        rule_id="passenger_24h", zh="24小时内累计驾驶不超过8小时", en="at most 8 hours of driving in any 24 hours", kind="rolling",
        article=_CODE, limit_s=28_800, applies_to=_PASSENGER, span_s=86_400, evidence="F2", note=_UNDATED,
    ),
    DutyRule(
        rule_id="passenger_7d", zh="7日内累计驾驶不超过44小时", en="at most 44 hours of driving in any 7 days", kind="rolling",
        article=_CODE, limit_s=158_400, applies_to=_PASSENGER, span_s=604_800, evidence="F2", note=_UNDATED,
    ),
    DutyRule(
        rule_id="coach_2_to_5", zh="长途客运凌晨2时至5时停止运行", en="long-distance coaches stand from 2 to 5 o'clock",
        kind="standstill", article=_CODE, limit_s=0, applies_to=("long_distance_coach",), window_h=(2, 5), evidence="F2",
        note=_UNDATED + "; relay transport (接驳运输) is exempt and not known from positions",
    ),
)
"""Every rule; a changed limit is a further row with its own days, never an edit."""


def rule_named(rule_id: str) -> DutyRule:
    """Return the newest rule of this name.

    Raises
    ------
    NotFound
        If no rule has it.
    """
    found = [rule for rule in DUTY_RULES if rule.rule_id == rule_id]
    if not found:
        names = ", ".join(sorted({rule.rule_id for rule in DUTY_RULES}))
        raise NotFound(f"no duty rule {rule_id!r}", where="duty rules", remedy=f"Rules are: {names}.")
    return max(found, key=lambda rule: rule.effective_from or date.min)


def rules_in_force(day: date, operation: Operation) -> tuple[DutyRule, ...]:
    """Return the rules that bind an operation on a local day."""
    return tuple(rule for rule in DUTY_RULES if rule.binds(day, operation))
