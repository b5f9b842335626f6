"""Health declarations: the few codes that a driver may declare, what each changes in the care that he gets, and the consent for it.

They never reach a model (`registry.prohibited`): all that follows is an earlier advised rest beside the answer of fatigue. Annex 1
has no health data, so every code and effect is this project's assumption [A]. One study of heavy vehicles saw no significant effect
of sleep apnoea on crashes (Stevenson et al. 2014 [F2]): what is advised is caution, not a finding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from registry.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from registry.access.rules import AccessRules
    from registry.resources.schema import Evidence

Purpose = Literal["fatigue_care", "fatigue_care_employer"]
PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)
PURPOSE_WORDS: Final[dict[Purpose, tuple[str, str]]] = {
    "fatigue_care": (
        "依据本人申报的健康信息，向本人提示提前休息",
        "advice to yourself to rest earlier, from the health information that you declare",
    ),
    "fatigue_care_employer": (
        "在实时疲劳结果旁向所属运输企业显示提前休息的建议（不显示健康信息）",
        "the advice, never the health information, shown to your transport operator beside the live fatigue answer",
    ),
}
NEEDS: Final[dict[Purpose, Purpose]] = {"fatigue_care_employer": "fatigue_care"}
"""A purpose that means nothing without another one: withdrawing the other withdraws it."""
LEGAL_RUN_MIN: Final = 240
LONGEST_D: Final = 366
"""A declaration ends after so many days at the latest, then it is asked anew. [A]"""


@dataclass(frozen=True, kw_only=True)
class HealthCode:
    """Something that may be declared.

    Parameters
    ----------
    id, zh, en
        Name and wording.
    run_min
        Minutes of continuous driving after which a rest is advised; None where it changes nothing.
    needs_until
        Whether a last day must be given.
    evidence, note
        How well the effect is sourced.
    """

    id: str
    zh: str
    en: str
    run_min: int | None
    needs_until: bool
    evidence: Evidence
    note: str


HEALTH_CODES: Final = {one.id: one for one in (
    HealthCode(
        id="sleep_apnoea_untreated", zh="睡眠呼吸暂停（未治疗）", en="sleep apnoea, untreated", run_min=120, needs_until=False,
        evidence="A", note="half of the legal run, as a caution: Stevenson et al. 2014 found no significant effect [F2]",
    ),
    HealthCode(
        id="sleep_apnoea_treated", zh="睡眠呼吸暂停（治疗中）", en="sleep apnoea, treated", run_min=None, needs_until=False,
        evidence="A", note="nothing is advised beyond the law",
    ),
    HealthCode(
        id="sedating_medication", zh="正在服用可致困倦的药物", en="medicine that makes drowsy", run_min=120, needs_until=True,
        evidence="A", note="half of the legal run, until the last day of taking it",
    ),
    HealthCode(
        id="medical_certificate", zh="驾驶员体检合格证明", en="medical certificate", run_min=None, needs_until=True, evidence="A",
        note="only its last day is kept and told",
    ),
)}
"""By name. [A]"""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One declaration: a code, and the last day on which it holds."""

    code: str
    until: date

    def holds(self, on: date) -> bool:
        """Return whether it holds on a local day."""
        return on <= self.until


def checked_declaration(code: str, until: date | None, *, on: date) -> Declared:
    """Return a declaration of a local day.

    Raises
    ------
    InvalidRequest
        If the code is none, or its last day is missing, over or too far.
    """
    from datetime import timedelta

    if code not in HEALTH_CODES:
        raise InvalidRequest("there is no such health code", where="code", remedy=f"Codes are: {', '.join(HEALTH_CODES)}.")
    last = on + timedelta(days=LONGEST_D)
    if until is None and HEALTH_CODES[code].needs_until:
        raise InvalidRequest(f"{code} needs its last day", where="until", remedy="Give the day as 2026-12-31.")
    if until is not None and not on <= until <= last:
        raise InvalidRequest(
            "the last day is over, or more than a year away", where="until", remedy=f"Give a day from {on} to {last}.",
        )
    return Declared(code=code, until=last if until is None else until)


def health_notice(declared: Iterable[Declared], *, on: date, driven_s: float | None) -> dict[str, Any] | None:
    """Return the line beside the fatigue answer: an advised rest that comes earlier than the law's; None where nothing follows.

    Parameters
    ----------
    declared
        Declarations of the driver.
    on
        Local day.
    driven_s
        Seconds of his continuous driving; None where nobody knows, or he does not drive.

    Returns
    -------
    dict or None
        No code: only what is advised. Score, tier and alerts are what they are without it.
    """
    runs = [run for one in declared if one.holds(on) and (run := HEALTH_CODES[one.code].run_min) is not None]
    if not runs:
        return None
    run = min(runs)
    left = None if driven_s is None else max(run - int(driven_s // 60), 0)
    zh_left = "" if left is None else "，现在请休息" if left == 0 else f"，还有{left}分钟"
    en_left = "" if left is None else ": rest now" if left == 0 else f": {left} min from now"
    return {
        "advised_run_min": run, "advised_rest_in_min": left, "evidence": "A",
        "zh": f"建议连续驾驶{run}分钟即休息{zh_left}。评分、等级与报警不因此改变。",
        "en": f"A rest is advised after {run} min of driving{en_left}. Score, tier and alerts do not change.",
    }


@dataclass(frozen=True, kw_only=True)
class ConsentNotice:
    """What a driver is told before he consents; `version` changes with the text."""

    zh: str
    en: str
    version: str


def consent_notice(purpose: Purpose, rules: AccessRules) -> ConsentNotice:
    """Return the notice of a purpose (PIPL Arts. 14, 15, 17, 28, 29)."""
    zh_purpose, en_purpose = PURPOSE_WORDS[purpose]
    zh = "\n".join((
        "《健康信息处理单独同意书》",
        f"处理者：{rules.handler_zh}。联系方式：{rules.contact}。",
        f"目的：{zh_purpose}。",
        f"种类：仅限您自己选择申报的下列项目及其截止日期：{'、'.join(one.zh for one in HEALTH_CODES.values())}。",
        "健康信息属敏感个人信息（个人信息保护法第二十八条），处理须取得您的单独同意（第二十九条）。您可以不同意；不同意不影响评分、等级、报警和您的从业。",
        "健康信息不进入任何模型，不向保险机构、算法人员、监管机构提供。",
        "您可随时撤回同意（第十五条）；撤回后加密密钥立即销毁，已申报的内容无法再被读取。",
    ))
    en = "\n".join((
        "Separate consent to the processing of health information",
        f"Handler: {rules.handler_en}. Contact: {rules.contact}.",
        f"Purpose: {en_purpose}.",
        f"Kinds: only what you choose to declare, with its last day: {'; '.join(one.en for one in HEALTH_CODES.values())}.",
        "Health information is sensitive personal information (PIPL Art. 28) and needs your separate consent (Art. 29).",
        "You may refuse: score, tier, alerts and your work do not depend on it.",
        "It enters no model, and no insurer, engineer or authority receives it.",
        "You may withdraw at any time (Art. 15): the encryption key is destroyed at once, and nobody can read what you declared.",
    ))
    return ConsentNotice(zh=zh, en=en, version=hashlib.sha256(f"{zh}\n{en}".encode()).hexdigest()[:12])


def require_health_data(enabled: bool) -> None:
    """Refuse where health data are off.

    Raises
    ------
    ConfigurationError
        If they are: nothing is stored or read.
    """
    if not enabled:
        raise ConfigurationError(
            "health data are off: nothing is asked, stored or read (健康数据未启用)", where="ROADRISK_HEALTH_DATA",
            remedy="Set ROADRISK_HEALTH_DATA=true after the impact assessment of PIPL Art. 55; it is off by default.",
        )
