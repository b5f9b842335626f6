"""Who may watch what on the live page: one grant for alerts and positions, and the vehicles that it covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from registry.data_products import SUPERVISION
from registry.entities import VEHICLE
from registry.errors import AccessRefused, NotFound, UnknownEntity
from registry.supervision.sight import RESOURCES
from serving.console.pages import ROOT
from serving.console.visit import visit_of

if TYPE_CHECKING:
    from fastapi import Request

    from features.live.fleet import BoolArray
    from registry.access.grants import Grant
    from serving.console.parts import Console
    from serving.live_relay import FleetRoster

PAGE: Final = f"{ROOT}/live"
POSITIONS: Final = RESOURCES["duty"]


@dataclass(frozen=True)
class Watching:
    """One visitor of the live page.

    Parameters
    ----------
    console
        The console.
    grant
        What he was let do.
    """

    console: Console
    grant: Grant

    @property
    def everything(self) -> bool:
        """Whether he sees every vehicle, and the names of enterprises."""
        return self.grant.sight == "all"

    def wanted(self, roster: FleetRoster) -> BoolArray | None:
        """Return the slots that he may see; None for all."""
        return None if self.everything else roster.owned_by(self.grant.subject or "")

    def sees_vehicle(self, enterprise_id: str) -> bool:
        """Return whether he may see a vehicle of an enterprise."""
        return self.everything or (bool(enterprise_id) and enterprise_id == self.grant.subject)

    def names(self, enterprise_ids: list[str]) -> dict[str, str]:
        """Return names of enterprises, for who may see them."""
        return self.console.names.known(enterprise_ids, self.console.now()) if self.everything else {}

    def address(self, request: Request, vehicle_id: str) -> str:
        """Return the address of a vehicle's live page, for this session alone."""
        session = visit_of(request).session
        assert session is not None, "the guard lets nobody in without a session"
        return f"{PAGE}/vehicles/{self.console.sessions.seal_subject(session, VEHICLE.id, vehicle_id)}"

    def opened(self, request: Request, sign: str) -> str:
        """Return the pseudonym of the vehicle of an address.

        Raises
        ------
        NotFound
            If the address is none of this session.
        """
        session = visit_of(request).session
        found = self.console.sessions.open_subject(session, sign) if session else None
        if found is None or found[0] != VEHICLE.id:
            raise no_vehicle()
        return found[1]


def watching(console: Console, request: Request, *, positions: bool = True) -> Watching:
    """Return the visitor.

    Raises
    ------
    AccessRefused
        If his role or his scenarios do not cover it.
    """
    grant = console.door.grant(request, SUPERVISION, "alerts", request.query_params.get("scenario") or None)
    if positions and not grant.covers(POSITIONS):
        raise AccessRefused(
            "the scenario does not cover positions", where=f"scenario {grant.scenario}",
            remedy="Ask for a scenario that covers vehicle_location.", details={"lacking": "resource"},
        )
    return Watching(console, grant)


def no_vehicle() -> NotFound:
    """Return the one answer to an address that is none and to a vehicle that may not be known of."""
    return UnknownEntity("no vehicle has this address", where="console", remedy="Choose it on the map or in the table again.")


def roster_facts(roster: FleetRoster, slot: int) -> dict[str, Any]:
    """Return what the roster says of a slot."""
    return {"vehicle_id": roster.vehicle_id[slot], "enterprise_id": roster.enterprise_id[slot], "slot": slot}
