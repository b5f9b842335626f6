"""One request of the console: in which language, in which session, by whom, with which form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastapi import Request

    from registry.access.parties import Caller
    from serving.console.driver_session import DriverSession
    from serving.console.session import Session

VISIT: Final = "visit"


@dataclass(kw_only=True)
class Visit:
    """What the guard found out about a request.

    Parameters
    ----------
    language
        ``zh`` or ``en``.
    session, caller
        Who is logged in; None for nobody.
    form_token
        What the forms of the answer must carry.
    form
        Fields of the form that came, by name.
    renewed
        The session that the answer's cookie will hold; a handler replaces it at login and logout.
    driver, driver_id, driver_renewed
        The same of a driver on his own page (`serving.console.driver_guard`), and his pseudonym.
    """

    language: str
    session: Session | None
    caller: Caller | None
    form_token: str
    form: Mapping[str, str] = field(default_factory=dict)
    renewed: Session | None = None
    driver: DriverSession | None = None
    driver_id: str | None = None
    driver_renewed: DriverSession | None = None


def visit_of(request: Request) -> Visit:
    """Return the visit of a request that came through the guard."""
    found: Visit = request.scope["state"][VISIT]
    return found
