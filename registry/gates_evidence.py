"""Gates on what was found out after training: rivals, stability, fairness, and the version that is live now.

The document ``judgement`` is written by `training.judgement`. What it does not hold is named, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.evidence import JUDGEMENT
from registry.gate_rules import Floor
from registry.gates import Candidate, Finding, Judged, all_of, not_evaluated, passes, refuses, undecided
from registry.gates_card import EVALUATE, out_of_time

COMPARISON: Final = "comparison"
SEGMENTS: Final = "segments"
RATIO: Final = "actual_to_expected"
LABELS: Final = ("segment", "id", "name")
LEVELS: Final = ("dimensions", "segments")
FORMULA: Final = "formula"
SHOWN: Final = 4

Figures = Mapping[str, Any]


def evidence_is_of_this_version(candidate: Candidate) -> Finding:
    """Require that what was found out later can be read and is about this digest."""
    if candidate.judged.unreadable:
        return refuses(candidate.judged.unreadable)
    kinds = sorted(candidate.judged.evidence)
    return passes(", ".join(kinds)) if kinds else not_evaluated(f"nothing was found out after training; {EVALUATE}")


def beats_formulas(candidate: Candidate) -> Finding:
    """Require that the score beats the published formulas out of time, with an interval that excludes zero."""
    table = main_table(candidate.judged.evidence.get(JUDGEMENT) or {})
    if table is None:
        return not_evaluated(f"the judgement compares it with no formula; {EVALUATE}")
    wanted = candidate.rules.formulas
    rivals = [
        rival for rival in table["rivals"]
        if (rival.get("id") in wanted if wanted else rival.get("kind") == FORMULA)
    ]
    absent = sorted(set(wanted) - {str(rival.get("id")) for rival in rivals})
    if absent or not rivals:
        return not_evaluated(f"not compared with {', '.join(absent) or 'any formula'}; {EVALUATE}")
    return all_of([_rival(candidate, rival, table) for rival in rivals])


def not_worse_than_live(candidate: Candidate) -> Finding:
    """Require that no measure of the floors falls below the live version's by more than is allowed.

    A paired comparison on the same rows (evidence of kind ``comparison``) counts by the lower end of its interval. Without
    one the two cards are compared where they speak of the same snapshot and test period.
    """
    live = candidate.live
    if live is None or live.version == candidate.judged.version:
        return passes("no other version is live")
    if not candidate.rules.floors:
        return not_evaluated("no measure is asked for")
    paired = _paired(candidate, live)
    if paired is not None:
        return paired
    here, there = (_period(one) for one in (candidate.judged, live))
    if here is None or here != there:
        return not_evaluated(
            f"version {live.version} was judged on other rows; `roadrisk compare` puts both on the same"
        )
    return all_of([_unpaired(candidate, live, floor) for floor in candidate.rules.floors])


def stable(candidate: Candidate) -> Finding:
    """Require that the score's distribution, and that of most inputs, is in the test period what it was in training.

    An input counts as shifted when its index is above the limit and, where the judgement says by how many points that moves the
    mean score, when that is felt.
    """
    rules, found = candidate.rules, next(_holding(candidate.judged.evidence.get(JUDGEMENT), "score_psi"), None)
    if found is None:
        return not_evaluated(f"the judgement has no stability index of the score; {EVALUATE}")
    score, inputs = float(found[1]["score_psi"]), found[1].get("input_csi") or {}
    above, points = [name for name, value in inputs.items() if value > rules.max_psi], found[1].get("input_points")
    shifted = [name for name in above if points is None or abs(float(points[name])) >= rules.felt_points]
    share = len(shifted) / len(inputs) if inputs else 0.0
    told = f"stability index of the score {score:.3f}; {len(above)} of {len(inputs)} inputs above {rules.max_psi:g}"
    if points is not None:
        told += f", {len(shifted)} of them moving the mean score by {rules.felt_points:g} points or more"
    if score > rules.max_psi:
        return refuses(f"{told}, at most {rules.max_psi:g} is allowed")
    return refuses(f"{told}: {_few(shifted)}") if share > rules.max_unstable_share else passes(told)


def fair(candidate: Candidate) -> Finding:
    """Require that actual over expected of no segment lies, with its whole interval, outside the band."""
    rules = candidate.rules
    segments = list(_segments((candidate.judged.evidence.get(JUDGEMENT) or {}).get(SEGMENTS), rules.fairness))
    if not segments:
        return not_evaluated(f"the judgement has no segments; {EVALUATE}")
    low, high = rules.segment_band
    outside = [one for one in segments if one.interval[1] < low or one.interval[0] > high]
    held = [one for one in outside if one.n_events is None or one.n_events >= rules.few_events]
    told = f"actual over expected outside {low:g} to {high:g}: {_few([str(one) for one in held or outside])}"
    if held:
        return refuses(told)
    if outside:
        return not_evaluated(f"{told}; each has fewer than {rules.few_events} events")
    return passes(f"{len(segments)} segments within {low:g} to {high:g}, or not surely outside")


def main_table(judgement: Figures) -> Figures | None:
    """Return the table of rivals of the outcome that the score as a whole is judged by; None where there is none."""
    tables = judgement.get("comparison") or {}
    found = tables.get(judgement.get("main")) or {}
    return found if found.get("rivals") else None


def _rival(candidate: Candidate, rival: Figures, table: Figures) -> Finding:
    measure, n_events = table.get("measure", ""), table.get("n_events")
    scopes = {"overall": rival.get("overall") or {}}
    if candidate.rules.formulas_within_quintiles:
        scopes |= {f"within {axis}": found.get("pooled") or {} for axis, found in (rival.get("within") or {}).items()}
    findings = []
    for scope, found in scopes.items():
        told = f"{rival.get('id')} {scope}: {measure} {_signed(found.get('difference'))} {_interval(found.get('interval'))}"
        match found.get("verdict"):
            case "beats":
                findings.append(passes(told))
            case "loses" if n_events is not None and n_events < candidate.rules.few_events:
                findings.append(not_evaluated(f"{told}; {n_events} events are too few to hold it against the version"))
            case "loses":
                findings.append(refuses(told))
            case _:
                findings.append(undecided(candidate.rules, told))
    return all_of(findings)


def _paired(candidate: Candidate, live: Judged) -> Finding | None:
    comparison = candidate.judged.evidence.get(COMPARISON) or {}
    if comparison.get("against") != live.digest:
        return None
    least, findings = -candidate.rules.not_worse_by, []
    differences = comparison.get("differences") or {}
    for name in (f"{floor.part} {floor.measure}" for floor in candidate.rules.floors):
        found = differences.get(name) or {}
        ends = found.get("interval")
        told = f"{name} {_signed(found.get('difference'))} {_interval(ends)} against version {live.version}"
        if ends is None:
            findings.append(not_evaluated(told))
        else:
            findings.append(passes(told) if ends[0] >= least else refuses(f"{told}, at least {least:+g} is allowed"))
    return all_of(findings)


def _unpaired(candidate: Candidate, live: Judged, floor: Floor) -> Finding:
    ours, theirs = (out_of_time(card, floor.part) for card in (candidate.card, live.facts))
    name, least = f"{floor.part} {floor.measure}", -candidate.rules.not_worse_by
    if floor.measure not in ours or floor.measure not in theirs:
        return not_evaluated(f"one of the cards has no {name}")
    difference = float(ours[floor.measure]) - float(theirs[floor.measure])
    halves = [_half((figures.get("intervals") or {}).get(floor.measure)) for figures in (ours, theirs)]
    # The cards' intervals are taken as if independent: the same rows are behind both, so this one is too wide.
    reach = math.hypot(*halves)
    told = f"{name} {difference:+.3f} [{difference - reach:+.3f}, {difference + reach:+.3f}] against version {live.version}"
    return passes(told) if difference >= least else refuses(f"{told}, at least {least:+g} is allowed")


def _period(judged: Judged) -> tuple[Any, ...] | None:
    card = judged.facts or {}
    snapshot, window = (card.get("data") or {}).get("snapshot"), (card.get("windows") or {}).get("test")
    return (snapshot, tuple(window)) if snapshot and window else None


@dataclass(frozen=True)
class _Segment:
    """Actual over expected of a segment, with its interval; `n_events` is None where the evidence has no count."""

    name: str
    ratio: float
    interval: tuple[float, float]
    n_events: int | None

    def __str__(self) -> str:
        return f"{self.name} {self.ratio:.2f} [{self.interval[0]:.2f}, {self.interval[1]:.2f}]"


def _segments(found: object, kinds: tuple[str, ...]) -> Iterator[_Segment]:
    """Yield every segment that has both a ratio and an interval."""
    for path, one in _holding(found, RATIO):
        value, ends = one[RATIO], one.get("interval") or one.get(f"{RATIO}_interval")
        wanted = not kinds or any(kind in path for kind in kinds)
        if wanted and isinstance(value, int | float) and isinstance(ends, list) and len(ends) == 2:
            name = " ".join(part for part in path if part not in LEVELS)
            yield _Segment(name, float(value), (float(ends[0]), float(ends[1])), one.get("n_events"))


def _holding(found: object, key: str, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Figures]]:
    """Yield the objects of a document that have a key, outermost first, each with the names that lead to it."""
    if isinstance(found, Mapping):
        if key in found:
            yield path, found
            return
        for name, one in found.items():
            yield from _holding(one, key, (*path, str(name)))
    elif isinstance(found, list):
        for one in found:
            yield from _holding(one, key, (*path, *_label(one)))


def _label(one: object) -> tuple[str, ...]:
    named = (str(one[key]) for key in LABELS if key in one) if isinstance(one, Mapping) else ()
    return tuple(named)[:1]


def _half(ends: object) -> float:
    return (float(ends[1]) - float(ends[0])) / 2 if isinstance(ends, list | tuple) and len(ends) == 2 else 0.0


def _signed(value: object) -> str:
    return f"{value:+.3f}" if isinstance(value, int | float) else "unknown"


def _interval(ends: object) -> str:
    return f"[{ends[0]:+.3f}, {ends[1]:+.3f}]" if isinstance(ends, list | tuple) and len(ends) == 2 else "without an interval"


def _few(told: list[str]) -> str:
    return ", ".join(told[:SHOWN]) + (f" and {len(told) - SHOWN} more" if len(told) > SHOWN else "")
