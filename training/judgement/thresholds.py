"""When a finding is worth a look and when it is too much. All of them are assumptions [A], gathered here to be changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Limits of the judgement [A].

    Parameters
    ----------
    min_groups
        Least number of enterprises for which figures are given; fewer could be recognised (domain rule of aggregates). [A]
    min_events
        Least number of observed events for which a rank measure is given. [A]
    psi_watch, psi_shift
        Population stability index from which a distribution is worth a look, and has shifted: the usual rule of thumb of
        credit scoring, without a source in statistics. [A]
    drift_share
        Fall of Gini or of AUC - 1/2 from the validation period to a test month that is worth a look, as a share. [A]
    proxy_watch, proxy_limit
        AUC at which the score alone tells a sensitive attribute well enough to be watched, and to be called a proxy. [A]
    carrier_auc
        AUC at which one input alone counts as a carrier of the attribute. [A]
    balance_band
        Distance of actual over expected from 1 that a segment may have without being named, beyond its interval. [A]
    move_points
        95th percentile of the points' movement above which the loss of one source is named. [A]
    """

    min_groups: int = 10
    min_events: int = 10
    psi_watch: float = 0.1
    psi_shift: float = 0.25
    drift_share: float = 0.2
    proxy_watch: float = 0.6
    proxy_limit: float = 0.75
    carrier_auc: float = 0.6
    balance_band: float = 0.1
    move_points: float = 50.0

    def stability(self, value: float) -> str:
        """Return the word for a stability index."""
        if value >= self.psi_shift:
            return "shifted"
        return "watch" if value >= self.psi_watch else "stable"

    def proxy(self, auc: float) -> str:
        """Return the word for how well an attribute is told."""
        if auc >= self.proxy_limit:
            return "proxy"
        return "watch" if auc >= self.proxy_watch else "none"


THRESHOLDS: Final = Thresholds()
