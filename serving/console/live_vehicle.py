"""One vehicle live: its last 24 hours and what lies ahead as a strip, every limit with what is left, and where it may rest next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from features.segments import DAY_S, LOCAL_OFFSET_S
from registry.decisions import Look
from registry.duty_rules import rule_named
from registry.entities import VEHICLE
from registry.local_time import SHANGHAI
from registry.supervision.rule_table import YELLOW_BEFORE_S
from serving.authorised import request_id
from serving.console.live_access import POSITIONS, Watching, no_vehicle
from serving.console.live_alerts import alerts_of_vehicle
from serving.console.portrait_routes import portrait_address
from serving.console.visit import visit_of

if TYPE_CHECKING:
    from fastapi import Request

    from serving.console.what_if_routes import Looking

BACK_S: Final = DAY_S
AHEAD_S: Final = 4 * 3600
_SPAN_S: Final = BACK_S + AHEAD_S
_TICK_S: Final = 4 * 3600
_NIGHT: Final = (22, 6)


@dataclass(frozen=True, kw_only=True)
class Strip:
    """The strip, in per cent of its width from 24 hours ago to 4 hours ahead.

    Parameters
    ----------
    parts
        (x, width, state, from, to) of what it did.
    nights
        (x, width) of the hours from 22 to 6.
    ticks
        (x, hour) of local full hours.
    now
        Where now is.
    ahead
        (x, width) of driving on until the first limit; None for who does not drive.
    marks
        (x, rule, instant) of limits that would be reached within it.
    """

    parts: tuple[tuple[float, float, str, datetime, datetime], ...]
    nights: tuple[tuple[float, float], ...]
    ticks: tuple[tuple[float, int], ...]
    now: float
    ahead: tuple[float, float] | None
    marks: tuple[tuple[float, Any, datetime], ...]


def strip(found: Mapping[str, Any]) -> Strip:
    """Return the strip of a vehicle as the live service told it."""
    now_s = int(found["now_s"])
    begin_s = now_s - BACK_S

    def x(at_s: float) -> float:
        return round(100 * min(max((at_s - begin_s) / _SPAN_S, 0.0), 1.0), 3)

    limits = [(datetime.fromisoformat(one["reached_at"]), one) for one in found["limits"]] if found["driving"] else []
    inside = [(at, one) for at, one in limits if now_s < at.timestamp() <= now_s + AHEAD_S]
    first_s = min((at.timestamp() for at, _ in limits), default=0.0)
    ends = min(first_s, now_s + AHEAD_S)
    return Strip(
        parts=tuple(
            (x(start), round(max(x(end) - x(start), 0.05), 3), state, _at(start), _at(end))
            for start, end, state in found["did"] if end > begin_s
        ),
        nights=tuple(_nights(begin_s, now_s + AHEAD_S, x)),
        ticks=tuple((x(at), _at(at).hour) for at in range(_full_hour(begin_s), now_s + AHEAD_S, _TICK_S)),
        now=x(now_s), ahead=(x(now_s), round(x(ends) - x(now_s), 3)) if limits and ends > now_s else None,
        marks=tuple((x(at.timestamp()), rule_named(one["rule"]), at.astimezone(SHANGHAI)) for at, one in inside),
    )


def limits(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every limit that binds the vehicle, the first to be reached leading."""
    drawn = []
    for one in found["limits"]:
        rule = rule_named(one["rule"])
        reached = datetime.fromisoformat(one["reached_at"]).astimezone(SHANGHAI)
        left_s = max(int(reached.timestamp()) - int(found["now_s"]), 0) if found["driving"] else int(one["remaining_s"])
        tone = "over" if left_s == 0 else "near" if left_s <= YELLOW_BEFORE_S else "plain"
        drawn.append({
            "rule": rule, "used_s": one["used_s"], "limit_s": rule.limit_s, "left_s": left_s, "tone": tone, "reached": reached,
            "share": min(100 * one["used_s"] / rule.limit_s, 100.0) if rule.limit_s else 0.0,
            "unobserved_s": one["unobserved_s"], "complete": one["complete"],
        })
    return drawn


def vehicle_view(watch: Watching, request: Request, looking: Looking, vehicle_id: str) -> dict[str, Any]:
    """Return what the panel of a vehicle is drawn from; a new look is recorded.

    Raises
    ------
    NotFound
        If it is none that the visitor may know of, or was never heard of.
    ServiceUnavailable
        If the live service does not answer.
    """
    console, seen = watch.console, watch.console.relay.seen
    slot = seen[0].slot(vehicle_id) if seen else None
    if seen is not None and (slot is None or not watch.sees_vehicle(seen[0].enterprise_id[slot])):
        raise no_vehicle()
    found = console.relay.vehicle(vehicle_id)
    if not watch.sees_vehicle(str(found["enterprise_id"])) or not watch.grant.covers(POSITIONS):
        raise no_vehicle()
    record_look(watch, request, looking, vehicle_id)
    now_s = int(found["now_s"])
    ahead = [
        (hours, kss, found["safte_effectiveness"].get(hours)) for hours, kss in found["kss"].items()
    ]
    return {
        "vehicle": found, "vehicle_id": vehicle_id, "strip": strip(found), "limits": limits(found), "sleepiness": ahead,
        "now": _at(now_s), "since": _at(int(found["since_s"])), "for_s": max(now_s - int(found["since_s"]), 0),
        "name": watch.names([str(found["enterprise_id"])]).get(str(found["enterprise_id"]), ""),
        "alerts": alerts_of_vehicle(watch, vehicle_id), "address": watch.address(request, vehicle_id),
        "portrait": portrait_address(console, request, VEHICLE.id, vehicle_id),
    }


def record_look(watch: Watching, request: Request, looking: Looking, vehicle_id: str) -> None:
    """Record that somebody looks at a vehicle; ten minutes of looking are one look."""
    session, console, grant = visit_of(request).session, watch.console, watch.grant
    if looking.begins(session.id if session else "", vehicle_id, console.now()):
        console.desk.decisions.record_subject_look(vehicle_id, Look(
            score_id="", at=console.now(), who=grant.consumer, what="live", role=grant.role, key_id=grant.key_id,
            scenario=grant.scenario, purpose=grant.purpose_en, request_id=request_id(request),
        ))


def _nights(begin_s: int, end_s: int, x: Any) -> list[tuple[float, float]]:
    first = (begin_s + LOCAL_OFFSET_S) // DAY_S - 1
    found = []
    for day in range(first, first + 4):
        start = day * DAY_S - LOCAL_OFFSET_S + _NIGHT[0] * 3600
        end = start + ((_NIGHT[1] - _NIGHT[0]) % 24) * 3600
        if end > begin_s and start < end_s:
            found.append((x(start), round(x(end) - x(start), 3)))
    return found


def _full_hour(at_s: int) -> int:
    """Return the first local full hour that is a multiple of the ticks, not before an instant."""
    return -(-(at_s + LOCAL_OFFSET_S) // _TICK_S) * _TICK_S - LOCAL_OFFSET_S


def _at(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, SHANGHAI)
