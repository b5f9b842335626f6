"""What the sources tell of a subject, in words: events with their rows, upkeep that falls due, hours of driving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from registry.codes import CODE_LISTS
from registry.duty_rules import rule_named
from registry.local_time import SHANGHAI
from registry.resources import RESOURCES
from serving.console.portrait_charts import Map, service_map

Words = dict[str, str]

SHOWN_EVENTS: Final = 60
RESTS: Final = ("service_area", "highway_rest_stop", "parking_area")
OPEN: Final = "1"
"""Code of a facility that is open."""
NEAREST: Final = 6
_LISTS: Final = {
    "case": ("case_reason", "case_state"), "inspection": ("inspect_type", "inspect_result"),
    "review": (None, "annual_review_result"), "assistance": ("breakdown_component", None),
    "list": ("credit_reason", "credit_list_type"), "rating": (None, "quality_credit_grade"),
}
_DRIVER_RATING: Final = "road_practitioner_rating"
_OF_DRIVERS: Final = ("qualification_category", "integrity_grade")
_BAD: Final = {
    ("inspection", "2"), ("review", "2"), ("list", "2"), ("rating", "B"), ("case", "2"), ("case", "3"), ("case", "4"),
}
_GOOD: Final = {("list", "1")}
_DUE: Final = (
    ("next_second_maint_date", "二级维护", "second-level maintenance", "vehicle_transport_permit"),
    ("inspection_due", "检验检测", "inspection", "vehicle_inspection"),
    ("review_valid_to", "年度审验", "annual review", "vehicle_annual_review"),
    ("permit_valid_to", "道路运输证有效期", "transport permit", "vehicle_transport_permit"),
    ("tank_exam_date", "罐体检验", "examination of the tank", "vehicle_transport_permit"),
    ("carrier_liability_valid_to", "承运人责任险", "carrier's liability insurance", "vehicle_transport_permit"),
    ("scrap_date", "强制报废", "compulsory retirement", "vehicle_basic"),
)
_LIMITS: Final = (("cont_drive_h", "continuous_4h"), ("drive_h_24h", "passenger_24h"), ("drive_h_7d", "passenger_7d"))


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened, as a row of a source tells it.

    Parameters
    ----------
    row
        As the dossier has it.
    kind
        case, inspection, review, assistance, list or rating.
    what, result
        In words; empty where the row names none.
    tone
        bad, good or plain.
    source
        Number in Annex 1 and wording of the resource.
    """

    row: Mapping[str, Any]
    kind: str
    what: Words
    result: Words
    tone: str
    source: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Due:
    """Something that falls due.

    Parameters
    ----------
    what
        In words.
    on
        The day.
    days
        Days until then, below 0 where it is over.
    source
        Number in Annex 1 and wording of the resource.
    """

    what: Words
    on: date
    days: int
    source: Mapping[str, Any]


def coded(list_id: str, code: str | None) -> Words:
    """Return the wording of a code; the code itself where the list does not have it, nothing for none."""
    zh, en = CODE_LISTS[list_id].codes.get(code or "", (code or "", code or ""))
    return {"zh": zh, "en": en}


def source_of(resource_id: str) -> Mapping[str, Any]:
    """Return number in Annex 1 (None for what an insurer supplies) and wording of a resource."""
    found = RESOURCES[resource_id]
    return {"no": found.no, "zh": found.zh, "en": found.en}


def events_of(rows: Sequence[Mapping[str, Any]], *, most: int = SHOWN_EVENTS) -> list[Event]:
    """Return the newest events; one that two readings of a case give twice is told once."""
    seen, found = set(), []
    for row in rows:
        key = (row["row_id"], row["vehicle_id"])
        if row["row_id"] in seen and row["vehicle_id"] is None:
            continue
        if key in seen:
            continue
        seen |= {key, row["row_id"]}
        code_list, result_list = _OF_DRIVERS if row["resource"] == _DRIVER_RATING else _LISTS[row["kind"]]
        found.append(Event(
            row=row, kind=row["kind"], what=coded(code_list, row["code"]) if code_list else {"zh": "", "en": ""},
            result=coded(result_list, row["result"]) if result_list else {"zh": "", "en": ""},
            tone="bad" if (row["kind"], row["result"]) in _BAD else "good" if (row["kind"], row["result"]) in _GOOD else "plain",
            source=source_of(row["resource"]),
        ))
        if len(found) == most:
            break
    return found


def dues_of(vehicle: Mapping[str, Any], as_of: datetime) -> list[Due]:
    """Return what falls due for a vehicle, the next first; what does not concern it is left out."""
    today = as_of.astimezone(SHANGHAI).date()
    found = []
    for column, zh, en, resource in _DUE:
        value = vehicle[column]
        if value is not None:
            found.append(Due(what={"zh": zh, "en": en}, on=value, days=(value - today).days, source=source_of(resource)))
    return sorted(found, key=lambda one: (one.on, one.what["en"]))


def limits_of(hours: Sequence[Mapping[str, Any]]) -> list[tuple[Any, float, float]]:
    """Return (rule, hours used, share of its limit) of the statutory limits at the end of the last driving hour."""
    if not hours:
        return []
    last = hours[-1]
    found = []
    for column, rule_id in _LIMITS:
        rule = rule_named(rule_id)
        # The row tells the state when its hour began, and the whole hour was driven.
        used = (last[column] or 0.0) + (1.0 if column == "cont_drive_h" else 0.0)
        found.append((rule, used, used / (rule.limit_s / 3600)))
    return found


def map_of(vehicle: Mapping[str, Any], facilities: Sequence[Mapping[str, Any]]) -> Map | None:
    """Return the map of open places around the region of a vehicle's permit."""
    return service_map(facilities, str(vehicle["region_code"]), kinds=RESTS, n=NEAREST, open_code=OPEN)
