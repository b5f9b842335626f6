"""Verdicts: the few sentences of a judgement that a gate or a reader looks at first, each with its reason."""

from __future__ import annotations

from typing import Any


def verdicts(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return name, whether it holds and a reason for each question that the judgement answers.

    ``passed`` is None where the judgement did not look.
    """
    return [
        _beats(document, "beats_formulas", ("formula", "single_input", "constant")),
        _beats(document, "beats_glass_boxes", ("glass_box",)), _not_worse(document), _calibrated(document), _stable(document),
        _balanced(document), _no_proxy(document), _robust(document),
    ]


def _verdict(name: str, passed: bool | None, reason: str) -> dict[str, Any]:
    return {"name": name, "passed": passed, "reason": reason}


def _beats(document: dict[str, Any], name: str, kinds: tuple[str, ...]) -> dict[str, Any]:
    table = document["comparison"][document["main"]]
    rivals = [one["id"] for one in table["rivals"] if one["kind"] in kinds]
    if not rivals:
        return _verdict(name, None, "nothing to compare with")
    left = [rival for rival in rivals if rival in table["not_beaten"]]
    how = f"{table['measure']}, overall and within every exposure axis, interval above zero"
    return _verdict(name, not left, f"not beaten: {', '.join(left)} ({how})" if left else f"beats {len(rivals)} ({how})")


def _not_worse(document: dict[str, Any]) -> dict[str, Any]:
    table = document["comparison"][document["main"]]
    worse = [one["id"] for one in table["rivals"] if one["overall"]["verdict"] == "loses"]
    return _verdict("loses_to_none", not worse, f"worse than: {', '.join(worse)}" if worse else "no interval speaks for a rival")


def _calibrated(document: dict[str, Any]) -> dict[str, Any]:
    found = document["calibration"].get(document["main"])
    if found is None:
        return _verdict("calibrated", None, "too few events")
    low, high = found["interval"] or (float("-inf"), float("inf"))
    ratio = f"actual over expected {found['actual_to_expected']:.3f}, {found['bands_inside']} of {found['n_bands']} bands inside"
    return _verdict("calibrated", low <= 1.0 <= high, ratio)


def _stable(document: dict[str, Any]) -> dict[str, Any]:
    stability = document["stability"]
    passed = stability["verdict"] != "shifted" and stability["over_time"]["verdict"] != "watch"
    fall = stability["over_time"]["fall"]
    text = "" if fall is None else f", {document['measure']} falls by {fall:.0%} to the worst month"
    return _verdict("stable", passed, f"PSI {stability['score_psi']:.3f}{text}, inputs shifted: {len(stability['shifted'])}")


def _balanced(document: dict[str, Any]) -> dict[str, Any]:
    off = document["segments"]["off_balance"]
    return _verdict("balanced_segments", not off, f"off balance: {'; '.join(off)}" if off else "no segment is off balance")


def _no_proxy(document: dict[str, Any]) -> dict[str, Any]:
    if document["proxies"] is None:
        return _verdict("no_proxy", None, "not audited")
    told = {name: one for name, one in document["proxies"]["attributes"].items() if one["verdict"] != "none"}
    words = ", ".join(f"{name} {one['verdict']} (AUC {one['auc_score']:.2f})" for name, one in told.items())
    return _verdict("no_proxy", not any(one["verdict"] == "proxy" for one in told.values()), words or "it tells no attribute")


def _robust(document: dict[str, Any]) -> dict[str, Any]:
    fragile = document["robustness"]["fragile"]
    return _verdict("robust", not fragile, f"moves far without: {', '.join(fragile)}" if fragile else "no source moves it far")
