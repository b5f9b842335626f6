"""Gates on what training wrote down: discrimination, calibration, completeness, determinism; and on the time of an explanation."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from registry.gate_rules import Floor
from registry.gates import Candidate, Finding, all_of, golden_matrix, not_evaluated, passes, refuses, undecided
from registry.products import PRODUCTS
from registry.reasons import REASONS, SUPPRESS, dictionary_version

if TYPE_CHECKING:
    from registry.bundle import ManifestFeature

NEEDED: Final = (
    "purpose", "outcome", "data.snapshot", "windows.train", "windows.test", "features", "metrics", "evaluation", "calibration",
    "limits", "seed", "libraries",
)
"""What a reader of a card must find; `data.simulated` must be there too, and may be false."""
TIMING_REPEATS: Final = 20
EVALUATE: Final = "run `roadrisk evaluate` on it"

Figures = Mapping[str, Any]


def card_has_metrics(candidate: Candidate) -> Finding:
    """Require a model card that says how well the model does."""
    if candidate.card is None:
        return refuses("the version was registered without a model card")
    return passes() if candidate.card.get("metrics") else refuses("the model card has no metrics")


def card_is_complete(candidate: Candidate) -> Finding:
    """Require every part of the card that its reader needs, and that it speaks of this bundle and its inputs."""
    card = candidate.card
    if card is None:
        return not_evaluated("there is no model card")
    missing = [name for name in NEEDED if _at(card, name) in (None, "", [], {}, ())]
    if not isinstance(_at(card, "data.simulated"), bool):
        missing.append("data.simulated")
    if missing:
        return refuses(f"the model card lacks {', '.join(missing)}")
    if card.get("digest") != candidate.judged.digest:
        return refuses(f"the model card is about bundle {str(card.get('digest'))[:16]}")
    if candidate.scorer is None:
        return not_evaluated("the inputs of the bundle cannot be compared with the card's")
    told = {feature["name"] for feature in card["features"]}
    untold = sorted(set(candidate.scorer.manifest.feature_names) ^ told)
    return refuses(f"card and bundle differ in inputs: {', '.join(untold[:8])}") if untold else passes()


def reasons_are_complete(candidate: Candidate) -> Finding:
    """Require for every input a reason code with words in Chinese and English for both directions, and advice where it can help.

    The general code says nothing, so an input of a declared product must have one of its own. What the subject can change and whose
    direction is promised needs advice.
    """
    if candidate.scorer is None:
        return not_evaluated("the bundle cannot be loaded")
    features, declared = candidate.scorer.manifest.features, candidate.product in PRODUCTS
    lacking = [f"{feature.name} ({why})" for feature in features if (why := _lacking(feature, declared=declared))]
    version = dictionary_version()
    if lacking:
        return refuses(f"{len(lacking)} inputs are not covered by reason dictionary {version[:12]}: {', '.join(lacking[:8])}")
    codes = len({feature.reason_code for feature in features})
    return passes(f"{len(features)} inputs, {codes} codes, both directions and languages; dictionary {version[:12]}")


def determined(candidate: Candidate) -> Finding:
    """Require seed, snapshot and libraries, and that a recorded rebuild gave the same bytes.

    A rebuild is recorded in the card or as evidence of kind ``rebuild``: `rebuilt_digest` of a second training.
    """
    if candidate.scorer is None:
        return not_evaluated("the bundle cannot be loaded")
    provenance, card = candidate.scorer.manifest.provenance, candidate.card or {}
    if not provenance.snapshot or not provenance.libraries:
        return refuses("the bundle does not name its snapshot and libraries")
    if "seed" in card and card["seed"] != provenance.seed:
        return refuses(f"the card names seed {card['seed']}, the bundle {provenance.seed}")
    rebuild = candidate.judged.evidence.get("rebuild") or card.get("rebuild") or {}
    rebuilt = rebuild.get("rebuilt_digest")
    if not rebuild:
        return passes(f"seed {provenance.seed}, snapshot {provenance.snapshot[:16]}; no rebuild is recorded")
    if rebuilt != candidate.judged.digest:
        return refuses(f"a rebuild from the same snapshot and seed gave {str(rebuilt)[:16]}")
    return passes(f"seed {provenance.seed}; a rebuild gave the same digest")


def discriminates(candidate: Candidate) -> Finding:
    """Require that the interval of each named measure out of time reaches its floor."""
    floors = candidate.rules.floors
    if not floors:
        return not_evaluated("no measure is asked for")
    return all_of([_floor(candidate, floor) for floor in floors])


def calibrated(candidate: Candidate) -> Finding:
    """Require that predicted over observed out of time may lie in its band, and that the calibration error is small.

    What stands beside the score, such as a further insurance line, may have too few events to be judged: that is said, and does
    not hold the score back.
    """
    parts, beside = _components(candidate.card), _beside(candidate)
    found = []
    for name, folds in parts.items():
        finding = _calibrated(candidate, name, folds.get("test") or {})
        found.append(passes(finding.reason) if finding.said == "not evaluated" and name in beside else finding)
    return all_of(found) if found else not_evaluated(f"the card has no evaluation; {EVALUATE}")


def _beside(candidate: Candidate) -> frozenset[str]:
    components = candidate.scorer.manifest.components if candidate.scorer else ()
    return frozenset(component.name for component in components if component.weight == 0.0)


def explains_fast_enough(candidate: Candidate) -> Finding:
    """Require that the exact explanation of one row takes at most so many milliseconds, measured on the golden rows."""
    scorer = candidate.scorer
    if scorer is None:
        return not_evaluated("the bundle cannot be loaded")
    rows = golden_matrix(scorer)
    took = []
    for repeat in range(TIMING_REPEATS):
        began = time.perf_counter()
        scorer.explain(rows[repeat % len(rows)].reshape(1, -1))
        took.append((time.perf_counter() - began) * 1000.0)
    # The middle one: the first calls and those that another process disturbed say nothing about the model.
    middle, limit = sorted(took)[len(took) // 2], candidate.rules.max_explanation_ms
    told = f"{middle:.1f} ms per row, at most {limit:g} are allowed"
    return passes(told) if middle <= limit else refuses(told)


def _floor(candidate: Candidate, floor: Floor) -> Finding:
    figures = out_of_time(candidate.card, floor.part)
    name = f"{floor.part} {floor.measure}"
    interval = (figures.get("intervals") or {}).get(floor.measure)
    if floor.measure not in figures or interval is None:
        return not_evaluated(f"the card has no {name} with an interval in the test period")
    if few := _too_few(candidate, figures):
        return not_evaluated(f"{name}: {few}")
    told = f"{name} {figures[floor.measure]:.3f} [{interval[0]:.3f}, {interval[1]:.3f}], floor {floor.at_least:g}"
    if interval[0] >= floor.at_least:
        return passes(told)
    return refuses(told) if interval[1] < floor.at_least else undecided(candidate.rules, told)


def _calibrated(candidate: Candidate, name: str, figures: Figures) -> Finding:
    if "balance" not in figures:
        return not_evaluated(f"{name} was not judged in the test period")
    if few := _too_few(candidate, figures):
        return not_evaluated(f"{name}: {few}")
    rules, balance = candidate.rules, float(figures["balance"])
    low, high = (figures.get("intervals") or {}).get("balance") or (balance, balance)
    band_low, band_high = rules.balance_band
    told = f"{name}: predicted over observed {balance:.3f} [{low:.3f}, {high:.3f}]"
    if high < band_low or low > band_high:
        return refuses(f"{told} lies outside {band_low:g} to {band_high:g}")
    mean = float(figures["observed"]) / float(figures["weight"]) if figures.get("weight") else 0.0
    if mean > 0 and "ece" in figures:
        relative, chance = float(figures["ece"]) / mean, float(figures.get("ece_by_chance", 0.0)) / mean
        told += f", calibration error {relative:.1%} of the mean"
        if chance:
            told += f", of which {min(chance, relative):.1%} by chance"
        if relative - chance > rules.max_relative_ece:
            return refuses(f"{told}, at most {rules.max_relative_ece:.0%} is allowed")
    return passes(told)


def _too_few(candidate: Candidate, figures: Figures) -> str:
    # A severity's outcome is an amount: its rows are its events.
    # The measures of the whole come without counts: its first component has them.
    counted = figures if "observed" in figures else next(
        (folds.get("test") or {} for folds in _components(candidate.card).values()), {}
    )
    events = min(float(counted.get("observed", 0.0)), float(counted.get("n_rows", 0.0)))
    least = candidate.rules.min_events
    return f"{events:.0f} events, at least {least} are needed to judge" if events < least else ""


def out_of_time(card: Figures | None, part: str) -> Figures:
    """Return the figures of a component, or of the whole ``score``, in the test period; empty where there are none."""
    evaluation = (card or {}).get("evaluation") or {}
    folds = evaluation.get("score") if part == "score" else (evaluation.get("components") or {}).get(part)
    found: Figures = (folds or {}).get("test") or {}
    return found


def _components(card: Figures | None) -> Mapping[str, Figures]:
    return ((card or {}).get("evaluation") or {}).get("components") or {}


def _lacking(feature: ManifestFeature, *, declared: bool) -> str:
    """Return what the dictionary lacks for an input; empty where it covers it."""
    reason = REASONS.get(feature.reason_code)
    if reason is None or not reason.worded:
        return feature.reason_code or "none"
    if declared and reason.code == SUPPRESS.general:
        return f"{reason.code} says nothing"
    helps = feature.actionable and feature.monotone > 0
    return f"{reason.code} has no advice" if helps and not (reason.remedy_zh and reason.remedy_en) else ""


def _at(card: Figures, path: str) -> Any:
    value: Any = card
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value
