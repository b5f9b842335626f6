"""The duty of vehicles and drivers as people and machines read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from features.duty_ledger import DutyEntry
    from features.live.duty_now import DutyNow, LimitNow


def iso(at_s: int) -> str:
    """Return an instant as text."""
    return datetime.fromtimestamp(at_s, UTC).isoformat()


def limit_document(limit: LimitNow | DutyEntry) -> dict[str, Any]:
    """Return how one legal limit stands."""
    return {
        "rule": limit.rule.rule_id, "zh": limit.rule.zh, "en": limit.rule.en, "used_s": limit.used_s,
        "remaining_s": limit.remaining_s, "reached_at": iso(limit.reached_s), "unobserved_s": limit.unobserved_s,
        "complete": limit.complete,
    }


def duty_document(duty: DutyNow) -> dict[str, Any]:
    """Return the duty of a vehicle now."""
    zh, en = duty.words()
    rest = duty.rest
    return {
        "vehicle_id": duty.vehicle_id, "at": iso(duty.at_s), "age_s": duty.age_s, "abstains": duty.abstains,
        "driving": duty.driving, "resting": duty.resting, "zh": zh, "en": en, "limits": list(map(limit_document, duty.limits)),
        "rest": None if rest is None else {
            "code": rest.place.code, "name": rest.place.name, "distance_km": round(rest.distance_km, 1),
            "along_road": rest.along_road, "road": rest.place.road_code, "stake_km": rest.place.stake_km,
            "lon_deg": rest.place.lon_deg, "lat_deg": rest.place.lat_deg,
        },
        "kss": duty.kss, "safte_effectiveness": duty.safte_effectiveness,
    }
