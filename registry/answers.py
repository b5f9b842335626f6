"""From calibrated margins to the quantities that a product answers with. Pure arithmetic, shared by every reader."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from registry.bundle import Component, Line, Manifest, Service
from registry.credibility import at_least_one, interval

Margins = Sequence[tuple[Component, float]]
SERVICE_LIMIT_D: Final = 365
"""A service date further away is not foreseen: the hazard beyond its last interval is taken to go on unchanged."""


def expit(margin: float) -> float:
    """Return the probability of a log-odds without overflow."""
    if margin >= 0:
        return 1.0 / (1.0 + math.exp(-margin))
    odds = math.exp(margin)
    return odds / (1.0 + odds)


def answer_of(
    manifest: Manifest, component_margins: Sequence[float], *, exposure: float | None = None,
    inputs: Mapping[str, object] | None = None,
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
    inputs
        Values by feature name; only the distance to the next service uses them.

    Returns
    -------
    dict
        rate: `expected_rate`, its interval, and with exposure `expected_events` and `probability` of at least one.
        probability: `probability`. hazard: `probability_<d>d` per horizon, days and distance to the next service with an
        interval, `cause_<name>` per cause. pure_premium: `frequency`, `severity`, `pure_premium` and `relativity` to the
        reference population's mean, its interval, the amount that large losses add, the coefficient within its band, and
        the same of every further line with the line's name behind it.
    """
    if manifest.answer == "pure_premium":
        return _pure_premium(manifest, dict(zip(manifest.component_places, component_margins, strict=True)))
    margins = list(zip(manifest.components, component_margins, strict=True))
    own = [(component, margin) for component, margin in margins if component.weight]
    match manifest.answer:
        case "rate":
            return _rate(own, exposure)
        case "probability":
            return {"probability": expit(sum(margin for _, margin in own))}
        case "hazard":
            return _hazard(manifest, own, inputs or {}) | _causes(margins)


def _rate(own: Margins, exposure: float | None) -> dict[str, float]:
    rate = math.exp(sum(margin for _, margin in own))
    dispersion = own[0][0].dispersion
    answer = {"expected_rate": rate}
    if dispersion is not None:
        answer["expected_rate_low"], answer["expected_rate_high"] = interval(rate, dispersion)
    if exposure is not None:
        events = rate * exposure
        answer |= {"expected_events": events, "probability": at_least_one(events, dispersion or 0.0)}
    return answer


def _hazard(manifest: Manifest, own: Margins, inputs: Mapping[str, object]) -> dict[str, float]:
    surviving, answer = 1.0, {}
    for component, margin in own:
        surviving *= 1.0 - expit(margin)
        answer[f"probability_{component.horizon_d}d"] = 1.0 - surviving
    if manifest.service is None:
        return answer
    # The last interval is the longest and has seen the most failures.
    low, high = interval(1.0, own[-1][0].dispersion or 0.0)
    pieces = pieces_of(own)
    days = {
        name: due_in_d(pieces, manifest.service.threshold, frailty)
        for name, frailty in (("service_due_d", 1.0), ("service_due_low_d", high), ("service_due_high_d", low))
    }
    return answer | days | _distance(manifest.service, days, inputs)


def pieces_of(own: Margins) -> list[tuple[int | None, float]]:
    """Return last day and cumulative hazard of each interval."""
    return [(component.horizon_d, math.log1p(math.exp(min(margin, 700.0)))) for component, margin in own]


def due_in_d(pieces: Sequence[tuple[int | None, float]], threshold: float, frailty: float = 1.0) -> float:
    """Return the day on which the probability of failure reaches a threshold, `SERVICE_LIMIT_D` at most.

    Parameters
    ----------
    pieces
        What `pieces_of` gives for intervals that ascend by their last day.
    threshold
        Probability between 0 and 1.
    frailty
        Factor on the cumulative hazard.

    Within an interval the hazard is constant, so that ``H(t) = -ln(1 - P(t))`` is a broken line; the last piece goes on.
    """
    needed, start, reached, slope = -math.log1p(-threshold), 0.0, 0.0, 0.0
    for horizon_d, of_piece in pieces:
        assert horizon_d is not None, "a hazard's component has a horizon"
        piece = frailty * of_piece
        slope = piece / (horizon_d - start)
        if reached + piece >= needed:
            return start + (needed - reached) / slope
        start, reached = float(horizon_d), reached + piece
    further = (needed - reached) / slope if slope > 0 else math.inf
    return min(start + further, float(SERVICE_LIMIT_D))


def _distance(service: Service, days: Mapping[str, float], inputs: Mapping[str, object]) -> dict[str, float]:
    driven = inputs.get(service.usage_feature) if service.usage_feature else None
    if not isinstance(driven, int | float) or math.isnan(driven):
        return {}
    return {name.removesuffix("_d") + "_km": value * driven / service.usage_d for name, value in days.items()}


def _causes(margins: Margins) -> dict[str, float]:
    """Return each cause's share of the failures that the vehicle is likely to have; they add up to 1."""
    found = {component.cause: expit(margin) for component, margin in margins if component.cause}
    total = sum(found.values())
    return {f"cause_{cause}": value / total for cause, value in found.items()}


def _pure_premium(manifest: Manifest, named: Mapping[str, float]) -> dict[str, float]:
    answer = _premium(math.exp(named["frequency"]), math.exp(named["severity"]), manifest.reference.mean_answer)
    dispersion = manifest.components[manifest.component_places["frequency"]].dispersion
    if dispersion is not None:
        answer["relativity_low"], answer["relativity_high"] = interval(answer["relativity"], dispersion)
    if manifest.band is not None:
        answer["coefficient"] = min(max(answer["relativity"], manifest.band.low), manifest.band.high)
        # The clamp is a factor of its own: relativity * clamp = coefficient.
        answer["coefficient_clamp"] = answer["coefficient"] / answer["relativity"]
    for line in manifest.lines:
        answer |= _line(line, named, answer)
    return answer


def _premium(frequency: float, severity: float, mean: float) -> dict[str, float]:
    premium = frequency * severity
    return {"frequency": frequency, "severity": severity, "pure_premium": premium, "relativity": premium / mean}


def _line(line: Line, named: Mapping[str, float], own: Mapping[str, float]) -> dict[str, float]:
    if line.frequency == "frequency":
        return {"large_losses": own["pure_premium"] * (line.large_loss_factor - 1.0)}
    found = _premium(math.exp(named[line.frequency]), math.exp(named[line.severity]), line.mean_answer)
    found["large_losses"] = found["pure_premium"] * (line.large_loss_factor - 1.0)
    return {f"{name}_{line.id}": value for name, value in found.items()}
