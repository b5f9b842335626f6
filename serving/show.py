"""Answers and explanations on a terminal: score, tier, reasons, factors, and the exact decomposition with its check."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from registry.local_time import SHANGHAI
from registry.output import record, table
from serving.reasons import number_text

if TYPE_CHECKING:
    from rich.console import RenderableType



def answer_view(answer: Mapping[str, Any], *, most: int | None = None) -> RenderableType:
    """Return what a terminal shows of an answer or an explanation.

    Parameters
    ----------
    most
        Inputs to show one by one, strongest first, the others as one line; None for all.
    """
    from rich.console import Group

    return Group(_head(answer), *_no_score(answer), *_reasons(answer), *_factors(answer), *_decomposition(answer, most))


def _head(answer: Mapping[str, Any]) -> RenderableType:
    tier, model = answer["tier"], answer["model"]
    name = answer.get("product_name") or {"zh": "", "en": ""}
    fields: dict[str, object] = {
        "product": " ".join(filter(None, (answer["product"], name["zh"]))), "score id": answer["score_id"],
        "score": "-" if answer["score"] is None else f"{answer['score']:.1f} of 1000",
        "tier": f"{tier['zh']} {tier['code']}: {tier['en']}",
    }
    if answer.get("percentile") is not None:
        fields["percentile"] = f"{answer['percentile']:.1f} of the reference population"
    fields |= {name: number_text(value) for name, value in (answer.get("answer") or {}).items()}
    fields["as of"] = f"{datetime.fromisoformat(answer['as_of']).astimezone(SHANGHAI):%Y-%m-%d %H:%M} Asia/Shanghai"
    fields["model"] = f"{model['name']} version {model['version']}, digest {model['digest'][:16]}"
    for warning in answer.get("warnings", ()):
        fields[f"warning {warning['code']}"] = f"{warning['zh']}: {warning['en']}"
    if verification := answer.get("verification"):
        fields["recomputed"] = f"from the record, largest difference {verification['max_difference_points']:.1e} points"
    return record(fields)


def _no_score(answer: Mapping[str, Any]) -> list[RenderableType]:
    if answer["no_score"] is None:
        return []
    rows = [(entry["kind"], entry["id"], entry["zh"], entry["en"]) for entry in answer["no_score"]["missing"]]
    return [table(("missing", "id", "中文", "English"), rows, title="不评分 no score")]


def _reasons(answer: Mapping[str, Any]) -> list[RenderableType]:
    if not answer["reasons"]:
        return []
    rows = [
        (reason["code"], f"{reason['contribution']:+.1f}", f"{reason['zh']}\n{reason['en']}", _remedy(reason["remedy"]))
        for reason in answer["reasons"]
    ]
    return [table(("code", "points", "reason", "remedy"), rows, title="理由 reasons")]


def _remedy(remedy: Mapping[str, str] | None) -> str | None:
    return f"{remedy['zh']}\n{remedy['en']}" if remedy else None


def _factors(answer: Mapping[str, Any]) -> list[RenderableType]:
    if not answer["factors"]:
        return []
    rows = [(f"{line['zh']} {line['en']}", f"{line['factor']:.4f}", f"{line['amount']:+,.2f}") for line in answer["factors"]]
    product = math.prod(line["factor"] for line in answer["factors"])
    rows.append(("相对系数 relativity = product", f"{product:.4f}", f"{sum(x['amount'] for x in answer['factors']):+,.2f}"))
    return [table(("factor", "times", answer["currency"] or "amount"), rows, title="费率因子 factors")]


def _decomposition(answer: Mapping[str, Any], most: int | None) -> list[RenderableType]:
    parts = answer["decomposition"]
    if parts is None:
        return []
    rows: list[Sequence[object]] = [("base", "", "", _points(parts["base"]))]
    ordered = sorted(parts["contributions"], key=lambda line: -abs(line["points"]))
    shown = ordered if most is None else ordered[:most]
    rows += [
        (f"{line['zh']} {line['en']}", line["feature"], _value(line), f"{line['points']:+.6f}") for line in shown
    ]
    if rest := ordered[len(shown):]:
        rows.append((f"其余{len(rest)}项 {len(rest)} further", "", "", f"{math.fsum(x['points'] for x in rest):+.6f}"))
    rows.append(("clamp", "", "", f"{parts['clamp']:+.6f}"))
    rows.append(("total", "", "", _points(parts["total"])))
    added = math.fsum([parts["base"], parts["clamp"], *(line["points"] for line in parts["contributions"])])
    error = abs(added - parts["total"])
    verdict = "holds" if error <= 1e-9 else "DOES NOT HOLD"
    title = f"精确分解 exact decomposition: base + contributions + clamp = total {verdict} (difference {error:.1e})"
    return [table(("feature", "name", "value", "points"), rows, title=title)]


def _points(points: float) -> str:
    return f"{points:.6f}"


def _value(line: Mapping[str, Any]) -> str | None:
    value = line["value"]
    if value is None or isinstance(value, str):
        return value
    unit = "" if line["unit"] == "1" else f" {line['unit']}"
    return number_text(value) + unit
