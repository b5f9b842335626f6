"""The advice beside a live fatigue answer that a driver lets his operator see: when to rest, never why.

Score, tier and alerts are what they are without it. Authorities, insurers and engineers get none: the consent is for the employer.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from registry.care.health import health_notice
from registry.local_time import SHANGHAI
from serving.care_desk import CareDesk

if TYPE_CHECKING:
    from features.live.service import LiveService
    from registry.access.grants import Grant
    from registry.settings import Settings

RUN: Final = "continuous_4h"


class CareNotices:
    """Reads consents and declarations of whoever drives.

    Parameters
    ----------
    service
        The live service, which knows whose card is in a vehicle.
    settings
        Where the ledger lies, and whether health data are on.
    """

    def __init__(self, service: LiveService, settings: Settings) -> None:
        self._service, self._settings = service, settings
        self._care = CareDesk(settings)

    def of_vehicle(self, grant: Grant, vehicle_id: str, at_s: int) -> dict[str, Any] | None:
        """Return the advice for the driver of a vehicle as its operator may see it; None for everybody else.

        Parameters
        ----------
        grant
            Of a caller who may read the vehicle.
        at_s
            Instant of the service, epoch seconds.
        """
        if not self._settings.health_data or grant.role != "operator" or grant.sight == "all":
            return None
        with self._service.engine.lock:
            driver = self._service.drivers.of_vehicle(vehicle_id, at_s)
        if driver is None:
            return None
        book = self._care.book()
        if "fatigue_care_employer" not in book.person(driver["driver_id"]).standing:
            return None
        run = next((one["used_s"] for one in driver["limits"] if one["rule"] == RUN), None)
        return health_notice(book.declared(driver["driver_id"]), on=_day(at_s), driven_s=None if run is None else float(run))

    def close(self) -> None:
        """Let go of the ledger."""
        self._care.close()


def _day(at_s: int) -> date:
    return datetime.fromtimestamp(at_s, UTC).astimezone(SHANGHAI).date()
