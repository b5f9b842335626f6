"""From calibrated margins to the quantities that a product answers with. Pure arithmetic, shared by every reader."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from registry.bundle import Manifest


def expit(margin: float) -> float:
    """Return the probability of a log-odds without overflow."""
    if margin >= 0:
        return 1.0 / (1.0 + math.exp(-margin))
    odds = math.exp(margin)
    return odds / (1.0 + odds)


def answer_of(
    manifest: Manifest, component_margins: Sequence[float], *, exposure: float | None = None
) -> dict[str, float]:
    """Return the quantities of one score by name.

    Parameters
    ----------
    manifest
        The bundle's manifest.
    component_margins
        (n_components,) calibrated margins in the manifest's order.
    exposure
        Exposure over the product's horizon, in `manifest.exposure_unit`; only a rate uses it.

    Returns
    -------
    dict
        rate: `expected_rate`, and with exposure `expected_events` and `probability` of at least one (Poisson).
        probability: `probability`. hazard: `probability_<d>d` per horizon. pure_premium: `frequency`, `severity`,
        `pure_premium` and `relativity` to the reference population's mean.
    """
    named = {c.name: m for c, m in zip(manifest.components, component_margins, strict=True)}
    match manifest.answer:
        case "rate":
            return _rate(math.exp(sum(named.values())), exposure)
        case "probability":
            return {"probability": expit(sum(named.values()))}
        case "hazard":
            return _survival(manifest, component_margins)
        case "pure_premium":
            return _pure_premium(named, manifest.reference.mean_answer)


def _rate(rate: float, exposure: float | None) -> dict[str, float]:
    if exposure is None:
        return {"expected_rate": rate}
    events = rate * exposure
    return {"expected_rate": rate, "expected_events": events, "probability": -math.expm1(-events)}


def _survival(manifest: Manifest, margins: Sequence[float]) -> dict[str, float]:
    surviving, answer = 1.0, {}
    for component, margin in zip(manifest.components, margins, strict=True):
        surviving *= 1.0 - expit(margin)
        answer[f"probability_{component.horizon_d}d"] = 1.0 - surviving
    return answer


def _pure_premium(named: Mapping[str, float], mean: float) -> dict[str, float]:
    frequency, severity = math.exp(named["frequency"]), math.exp(named["severity"])
    premium = frequency * severity
    return {
        "frequency": frequency, "severity": severity, "pure_premium": premium, "relativity": premium / mean,
    }
