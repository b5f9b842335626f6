"""The supervisor: looks at the live state of a fleet, and says what happened to alerts.

One call a minute is enough for most rules. Whoever holds the fold's lock calls `look` and writes what it returns into the book of
alerts (`registry.supervision.book`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from features.live.fold import LiveFold
from features.live.roster import Roster
from features.supervision.control import ControlZones
from features.supervision.corridors import Corridors
from features.supervision.engine import AlertBoard
from features.supervision.papers import Papers
from features.supervision.signals import FRESH_S, read_signals
from registry.supervision.events import AlertEvent

FloatArray = npt.NDArray[np.float64]


class Supervisor:
    """Alerts of a roster.

    Parameters
    ----------
    fold, roster
        The live state, and whose it is.
    papers
        When papers run out; None where no features say.
    zones
        Road works, controls and emergencies; None where none are known.
    routes
        Returns the corridors that hazmat vehicles were declared; None where nobody declares any.
    """

    def __init__(
        self, fold: LiveFold, roster: Roster, papers: Papers | None = None, zones: ControlZones | None = None,
        routes: Callable[[], Corridors] | None = None,
    ) -> None:
        self._fold, self._roster, self._papers, self._zones, self._routes = fold, roster, papers, zones, routes
        self.board = AlertBoard(roster.vehicle_id, roster.enterprise_id, roster.trade)

    def signals(self, at_s: int, further: Mapping[str, FloatArray] | None = None) -> dict[str, FloatArray]:
        """Return all signals at an instant; `further` holds tiers of the fatigue score as `fatigue_tier`, where there are any."""
        more: dict[str, FloatArray] = dict(further or {})
        if self._papers is not None:
            more |= self._papers.signals(at_s)
        corridors = None if self._routes is None else self._routes()
        if self._zones is not None or corridors:
            now = self._fold.now(at_s)
            heard = (now["known"] == 1) & (at_s - now["last_s"] <= FRESH_S)
            lon, lat = (np.where(heard, now[name], np.nan) for name in ("lon_deg", "lat_deg"))
            if self._zones is not None:
                more["control_grade"] = self._zones.grades(at_s, lon, lat, self._roster.trade)
            if corridors:
                more["off_route_km"] = corridors.beyond_km(at_s, lon, lat)
        return read_signals(self._fold, at_s, further=more)

    def look(self, at_s: int, further: Mapping[str, FloatArray] | None = None) -> list[AlertEvent]:
        """Return what happened to alerts up to an instant."""
        return self.board.look(at_s, self.signals(at_s, further))
