"""The feature families: each one expression, one table, one Feast view."""

from __future__ import annotations

from typing import Final

from features.families import (
    area_context,
    duty,
    enforcement,
    enterprise_history,
    enterprise_licence,
    enterprise_profile,
    enterprise_standing,
    vehicle_activity,
    vehicle_condition,
    vehicle_people,
    vehicle_permit,
    vehicle_profile,
    vehicle_service,
    vehicle_use,
)
from features.families.base import Family
from registry.feature_spec import Feature

FAMILIES: Final[dict[str, Family]] = {
    family.id: family
    for family in (
        vehicle_profile.FAMILY,
        vehicle_activity.FAMILY,
        vehicle_use.FAMILY,
        vehicle_condition.FAMILY,
        vehicle_permit.FAMILY,
        vehicle_service.FAMILY,
        vehicle_people.FAMILY,
        area_context.VEHICLE_FAMILY,
        enforcement.VEHICLE_FAMILY,
        enterprise_profile.PROFILE_FAMILY,
        enterprise_profile.ACTIVITY_FAMILY,
        enforcement.ENTERPRISE_FAMILY,
        enterprise_standing.PEOPLE_FAMILY,
        enterprise_standing.CREDIT_FAMILY,
        enterprise_licence.FAMILY,
        enterprise_history.FAMILY,
        area_context.ENTERPRISE_FAMILY,
        duty.FAMILY,
    )
}
"""Family id -> family, in the order in which they are computed."""

FEATURES: Final[dict[str, Feature]] = {
    feature.name: feature for family in FAMILIES.values() for feature in family.features
}
"""Feature name -> declaration; names are unique over all families, because training sees them side by side."""

__all__ = ["FAMILIES", "FEATURES", "Family"]
