"""What moved between a score and the one that took its place after a correction or withdrawal."""

from __future__ import annotations

from typing import Any, Final

from registry.decisions import Decision
from serving.no_score import source_names

_ROW: Final = ("resource", "row_id", "kind", "fields", "old_arrived_at", "new_arrived_at")


def revision_of(old: Decision, new: Decision) -> dict[str, Any]:
    """Return both scores, the points that moved by feature group, and the rows behind it.

    The changes of base, groups and clamp add up to the change of points, to 1e-9, as both decompositions do. Inputs with a
    later cut-off moved by more than the corrected rows: time went on for the others too.
    """
    scored = old.base is not None and new.base is not None
    points = (old.answer["points"], new.answer["points"])
    return {
        "old": _version(old), "new": _version(new), "same_model": old.digest == new.digest,
        "points_change": points[1] - points[0] if scored else None,
        "groups": _groups(old, new) if scored else [],
        "base_change": _change(old.base, new.base), "clamp_change": _change(old.clamp, new.clamp),
        "rows": [_row(change) for change in new.changes], "n_rows": new.n_changes,
    }


def _version(decision: Decision) -> dict[str, Any]:
    answer = decision.answer
    return {
        "score_id": decision.score_id, "decided_at": decision.at.isoformat(), "as_of": decision.as_of.isoformat(),
        "score": answer["score"], "points": answer["points"], "tier": answer["tier"], "model_version": decision.model_version,
    }


def _groups(old: Decision, new: Decision) -> list[dict[str, Any]]:
    before, after = ({group["group"]: group for group in one.answer["groups"]} for one in (old, new))
    moved = []
    for name in dict.fromkeys([*after, *before]):
        named = after.get(name) or before[name]
        points = [side[name]["points"] if name in side else 0.0 for side in (before, after)]
        moved.append({
            "group": name, "zh": named["zh"], "en": named["en"], "old": points[0], "new": points[1],
            "change": points[1] - points[0],
        })
    return sorted(moved, key=lambda line: -abs(line["change"]))


def _change(old: float | None, new: float | None) -> float | None:
    return None if old is None or new is None else new - old


def _row(change: dict[str, Any]) -> dict[str, Any]:
    zh, en = source_names(change["resource"])
    return {**{name: change[name] for name in _ROW}, "zh": zh, "en": en}
