"""What the pages of the console are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING

from registry.access.roles import ROLES
from registry.errors import AccessRefused
from registry.local_time import SHANGHAI
from registry.promotion import history
from registry.signing import API_PEPPER, pseudonym_keys, read_secret
from serving.care_desk import CareDesk
from serving.console.choice import ConsoleDoor
from serving.console.driver_session import DriverSessions
from serving.console.login_limit import LoginLimit
from serving.console.names import Names
from serving.console.session import Sessions

if TYPE_CHECKING:
    from fastapi import Request

    from registry.access.parties import Caller
    from registry.access.roles import Action
    from registry.promotion import Promotion
    from registry.settings import Settings
    from serving.authorised import Door
    from serving.desk import ScoringDesk
    from serving.live_relay import LiveRelay
    from serving.past import PastScores
    from serving.report import Reports
    from serving.supervision.desk import AlertDesk


@dataclass(frozen=True, kw_only=True)
class Console:
    """The service behind the console.

    Parameters
    ----------
    desk, past
        Those of the HTTP interface: a page asks what a call asks, and is refused what a call is refused.
    door
        That of the HTTP interface, with the scenarios that visitors chose.
    sessions, limit
        Who is logged in, and how often somebody may try.
    settings
        Where ledgers and warehouse lie.
    names
        Names of enterprises.
    reports
        Signs reports of decisions.
    relay
        What the live service says.
    care, driver_sessions
        Links and consents of drivers, and which of them have opened their own page.
    alerts
        Alerts of supervision; None where there is no ledger of them.
    driver_id
        Returns the pseudonym of a driver's qualification number.
    """

    desk: ScoringDesk
    door: ConsoleDoor
    past: PastScores
    sessions: Sessions
    settings: Settings
    names: Names
    reports: Reports
    driver_id: Callable[[str], str]
    relay: LiveRelay
    care: CareDesk
    driver_sessions: DriverSessions
    alerts: AlertDesk | None = None
    limit: LoginLimit = field(default_factory=LoginLimit)

    def now(self) -> datetime:
        """Return the current instant."""
        return self.door.gate.clock()

    def today(self) -> date:
        """Return the local day."""
        return self.now().astimezone(SHANGHAI).date()

    def sees_all(self, caller: Caller) -> bool:
        """Return whether a caller may see every decision, and so the names behind them and who looked."""
        return ROLES[caller.role].sight == "all"

    def must_see_all(self, request: Request) -> None:
        """Refuse a visitor who does not see every decision; raises `AccessRefused`."""
        caller = self.door.caller(request)
        if not self.sees_all(caller):
            raise AccessRefused(
                f"the role {caller.role} sees what is its own only", where=f"consumer {caller.consumer}",
                remedy="See docs/access.md for what each role may do.", details={"lacking": "role"},
            )

    def promotion_of(self, product: str) -> Promotion | None:
        """Return the line of the ledger that made the live version of a product live; None where none is."""
        return next(iter(history(self.settings, product)[::-1]), None)

    def may(self, request: Request, product: str, action: Action) -> bool:
        """Return whether the visitor may do something with a product under the scenarios that hold now."""
        try:
            self.door.grant(request, product, action)
        except AccessRefused:
            return False
        return True


def open_console(
    settings: Settings, desk: ScoringDesk, door: Door, past: PastScores, reports: Reports, alerts: AlertDesk | None = None
) -> Console:
    """Return the console of a worker.

    Raises
    ------
    ConfigurationError
        If a key does not exist.
    """
    from features.pseudonyms import pseudonym
    from serving.live_relay import open_relay

    pepper = read_secret(settings.keys_dir, API_PEPPER)
    ends = {"idle_s": 60 * settings.console_idle_min, "longest_s": 3600 * settings.console_longest_h}
    sessions = Sessions(pepper, **ends)
    keys = pseudonym_keys(settings.keys_dir)
    return Console(
        desk=desk, door=ConsoleDoor(door.gate), past=past, sessions=sessions, settings=settings,
        names=Names(settings.directory_dir), reports=reports,
        driver_id=partial(pseudonym, keys, "person"), relay=open_relay(settings),
        care=CareDesk(settings), driver_sessions=DriverSessions(pepper, **ends), alerts=alerts,
    )
