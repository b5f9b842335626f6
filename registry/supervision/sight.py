"""Which alerts a grant lets somebody see: those about its own enterprise, and of rules whose resources its scenario covers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from registry.supervision.life_cycle import Alert
from registry.supervision.rule_table import RULES_BY_ID
from registry.supervision.rules import AlertClass

if TYPE_CHECKING:
    from registry.access.grants import Grant

_POSITIONS: Final = ("vehicle_location",)
RESOURCES: Final[dict[AlertClass, tuple[str, ...]]] = {
    "speeding": _POSITIONS, "duty": _POSITIONS, "fatigue": (*_POSITIONS, "driving_hour"), "night": _POSITIONS,
    "terminal": _POSITIONS, "route": _POSITIONS,
    "papers": ("vehicle_inspection", "vehicle_annual_review", "vehicle_transport_permit"),
    "area": (*_POSITIONS, "roadworks_event", "toll_control", "traffic_emergency"),
}
"""Class of a rule -> resources that its alerts rest on."""


def sees(grant: Grant) -> Callable[[Alert], bool]:
    """Return whether an alert may be seen under a grant."""
    covered = {rule.rule_id for rule in RULES_BY_ID.values() if grant.covers(RESOURCES[rule.alert_class])}

    def may(alert: Alert) -> bool:
        # Nobody but its enterprise and the authority sees an alert: it is no finding.
        about = grant.sight == "all" or (grant.subject is not None and grant.subject == alert.enterprise_id)
        return about and alert.rule_id in covered

    return may
