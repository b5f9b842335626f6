"""What an answer says of its sources and of how fresh its inputs are: worked out once for all entities that share it.

Rows of a publication speak about few instants, so thousands of answers say the same here, word for word. It is kept with what
it follows from (`features.online_inputs.Freshness.told`), also as text: as it is sent, and as a record sorts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from features.online import OnlineInputs, SourceAge
from features.online_inputs import Freshness
from registry.products import ScoreProduct
from registry.strict_json import strict_text
from serving.no_score import missing_sources, source_names

Lines = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Told:
    """What many answers say alike; nobody changes it.

    Parameters
    ----------
    sources, freshness
        The fields of an answer.
    warnings
        A warning for each source that is stale or was not read.
    missing
        What is said of mandatory sources of the product that are absent or stale.
    sent, kept
        The two fields as text: in the order in which they are sent, and sorted as a record has them.
    """

    sources: Lines
    freshness: Lines
    warnings: Lines
    missing: Lines
    sent: dict[str, Any]
    kept: dict[str, Any]


def told_of(inputs: OnlineInputs, names: tuple[str, ...], product: ScoreProduct | None) -> Told:
    """Return what an answer says of the sources of some inputs.

    Parameters
    ----------
    names
        The inputs that the model reads.
    product
        The declared product; None for a portfolio.
    """
    freshness = inputs.freshness
    if not freshness or freshness.sources is not inputs.sources:
        return _told(inputs.sources, freshness, names, product)
    key = names, product.id if product else None
    found: Told | None = freshness.told.get(key)
    if found is None:
        found = freshness.told[key] = _told(inputs.sources, freshness, names, product)
    return found


def _told(sources: Sequence[SourceAge], freshness: Freshness, names: tuple[str, ...], product: ScoreProduct | None) -> Told:
    fields = {"sources": tuple(map(_source, sources)), "freshness": tuple(_fresh(names, freshness))}
    return Told(
        **fields, warnings=tuple(_warnings(sources)), missing=tuple(missing_sources(product, sources)) if product else (),
        sent={name: orjson.Fragment(orjson.dumps(lines)) for name, lines in fields.items()},
        kept={name: orjson.Fragment(strict_text(lines)) for name, lines in fields.items()},
    )


def _source(age: SourceAge) -> dict[str, Any]:
    zh, en = source_names(age.resource)
    return {
        "resource": age.resource, "zh": zh, "en": en, "age_d": age.age_d, "limit_d": age.limit_d, "stale": age.stale,
        "authorised": age.authorised,
        "complete_until": age.complete_until.isoformat() if age.complete_until else None,
    }


def _fresh(names: tuple[str, ...], freshness: Freshness) -> list[dict[str, Any]]:
    if not freshness:
        return []
    return [
        {
            "features": features, "event_timestamp": age.event_timestamp.isoformat() if age.event_timestamp else None,
            "age_d": age.age_d, "source": age.source,
        }
        for age, features in freshness.alike(names).items()
    ]


def _warnings(sources: Sequence[SourceAge]) -> list[dict[str, str]]:
    warnings = []
    for age in sources:
        if age.stale:
            zh, en = source_names(age.resource)
            code, state_zh, state_en = _state(age)
            warnings.append({
                "code": code, "subject": age.resource, "zh": f"数据资源“{zh}”{state_zh}",
                "en": f"data resource {en!r} is {state_en}",
            })
    return warnings


def _state(age: SourceAge) -> tuple[str, str, str]:
    if not age.authorised:
        return "source-not-authorised", "不在授权场景范围内，未读取", "outside the scenario and was not read"
    return ("stale-source", "无数据", "absent") if age.age_d is None else ("stale-source", "过期", "stale")
