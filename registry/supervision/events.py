"""What happens to an alert: events of the machine, and steps of persons."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Literal, get_args

from registry.access.duties import identifies
from registry.errors import InvalidRequest
from registry.supervision.rules import Severity

EventKind = Literal["raised", "worsened", "eased", "cleared", "reopened"]
StepKind = Literal["acknowledge", "handle", "dismiss", "escalate"]
Outcome = Literal["violation_confirmed", "driver_warned", "vehicle_stopped", "data_passed_on", "no_action"]
DismissReason = Literal["drift", "terminal_fault", "wrong_road", "exempt", "emergency", "duplicate", "objection_upheld", "other"]

STEPS: Final[tuple[StepKind, ...]] = get_args(StepKind)
OUTCOMES: Final[dict[Outcome, tuple[str, str]]] = {
    "violation_confirmed": ("经审核确认违法", "violation confirmed after review"),
    "driver_warned": ("已提醒驾驶员", "driver warned"),
    "vehicle_stopped": ("已要求停车休息", "vehicle asked to stop"),
    "data_passed_on": ("已移交主管部门", "passed on to the authority in charge"),
    "no_action": ("情况消除，无需处理", "over, nothing to do"),
}
"""Only the first is a finding (行政处罚法 Art. 41). [A]"""
DISMISS_REASONS: Final[dict[DismissReason, tuple[str, str]]] = {
    "drift": ("定位漂移", "drift of positions"),
    "terminal_fault": ("终端故障", "fault of the terminal"),
    "wrong_road": ("道路匹配错误", "matched to a wrong road"),
    "exempt": ("依法豁免（如接驳运输）", "exempt, as relay transport is"),
    "emergency": ("紧急避险或执行任务", "emergency"),
    "duplicate": ("重复报警", "the same as another alert"),
    "objection_upheld": ("异议成立", "an objection was upheld"),
    "other": ("其他", "something else"),
}
"""[A]"""
MACHINE: Final = "machine"
"""Who escalates when nobody acknowledged in time."""
MAX_NOTE: Final = 500


@dataclass(frozen=True, kw_only=True)
class AlertEvent:
    """What the engine says of an alert.

    Parameters
    ----------
    alert_id, rule_id, vehicle_id, enterprise_id
        Alert, rule and pseudonyms. There is no position: a ledger cannot forget, and tracks are sensitive.
    kind
        What happened.
    at_s
        Instant that it is about, epoch seconds.
    severity
        Of the alert now; of a cleared one the last.
    value
        Signal at the instant; None where unknown.
    lapsed
        Whether it was cleared because its signal had been unknown for long.
    score_id
        Decision whose score it rests on: its inputs, bundle and explanation; empty where it rests on none.
    """

    form: ClassVar[str] = "event"
    alert_id: str
    kind: EventKind
    rule_id: str
    vehicle_id: str
    enterprise_id: str
    at_s: int
    severity: Severity
    value: float | None
    lapsed: bool = False
    score_id: str = ""


@dataclass(frozen=True, kw_only=True)
class AlertStep:
    """What a person did with an alert, or the machine by `escalate`.

    Parameters
    ----------
    kind
        Which step.
    by
        Who: an official, or consumer and official.
    code
        Outcome of `handle`, reason of `dismiss`; empty otherwise.
    note
        In words, without anything that identifies a person, vehicle or enterprise.
    """

    form: ClassVar[str] = "step"
    alert_id: str
    kind: StepKind
    by: str
    code: str = ""
    note: str = ""

    def check(self) -> None:
        """Refuse a code that does not exist and a note that identifies somebody.

        Raises
        ------
        InvalidRequest
            If so.
        """
        allowed: tuple[str, ...] = ("",)
        if self.kind in {"handle", "dismiss"}:
            allowed = tuple(OUTCOMES) if self.kind == "handle" else tuple(DISMISS_REASONS)
        if self.code not in allowed:
            raise InvalidRequest(
                f"{self.kind} has no code {self.code!r}", where="code", remedy=f"Give one of: {', '.join(allowed) or 'none'}.",
            )
        if self.kind == "dismiss" and self.code == "other" and not self.note.strip():
            raise InvalidRequest("a dismissal for another reason says which", where="note", remedy="Say it in the note.")
        if not self.by.strip():
            raise InvalidRequest("nobody is named", where="by", remedy="Name who decides.")
        if len(self.note) > MAX_NOTE:
            raise InvalidRequest(f"the note has {len(self.note)} signs, at most {MAX_NOTE} are kept", where="note")
        if identifies(self.note):
            raise InvalidRequest(
                "the note identifies a person, vehicle or enterprise", where="note",
                remedy="Leave identifiers in the case file and name its reference.",
            )


Happening = AlertEvent | AlertStep


def payload_of(one: Happening) -> dict[str, Any]:
    """Return an event or step as the ledger keeps it."""
    kept = {"form": one.form, **asdict(one)}
    if kept.get("score_id") == "":
        del kept["score_id"]
    return kept


def read_happening(payload: dict[str, Any]) -> Happening:
    """Return the event or step of a payload of the ledger."""
    fields = {name: value for name, value in payload.items() if name != "form"}
    return AlertEvent(**fields) if payload["form"] == "event" else AlertStep(**fields)
