"""Grey (灰): when there is no score, and what is missing for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from features.online import SourceAge
from registry.bundle import Manifest
from registry.products import ScoreProduct
from registry.resources import RESOURCES


def no_score_of(
    manifest: Manifest, values: Mapping[str, float | str | None], unknown: Sequence[str], sources: Sequence[dict[str, Any]],
    product: ScoreProduct | None,
) -> dict[str, Any] | None:
    """Return why there is no score, or None where there is one.

    There is none where an input that the model requires is not known, where a mandatory source of the product is absent
    or stale, or where fewer inputs are known than the product's least coverage.

    Parameters
    ----------
    unknown
        The inputs that are not known (`unknown_inputs`).
    sources
        What is said of mandatory sources that are absent or stale (`missing_sources`).
    """
    missing = _inputs(manifest, values)
    if product is not None:
        missing += [*sources, *_coverage(product, unknown, len(values))]
    if not missing:
        return None
    return {
        "missing": missing,
        "zh": "不评分：" + "；".join(entry["zh"] for entry in missing),
        "en": "no score: " + "; ".join(entry["en"] for entry in missing),
    }


def unknown_inputs(manifest: Manifest, values: Mapping[str, float | str | None]) -> list[str]:
    """Return the inputs that are not known; where nothing on record means that none happened, that is known."""
    return [name for name in manifest.may_be_unknown if values[name] is None]


def source_names(resource_id: str) -> tuple[str, str]:
    """Return the Chinese and English name of a resource; its id where it is not declared."""
    declared = RESOURCES.get(resource_id)
    return (declared.zh, declared.en) if declared else (resource_id, resource_id)


def _inputs(manifest: Manifest, values: Mapping[str, float | str | None]) -> list[dict[str, Any]]:
    return [
        {"kind": "input", "id": feature.name, "zh": f"缺少{feature.zh}", "en": f"{feature.en} is not known"}
        for feature in manifest.required
        if values[feature.name] is None
    ]


def missing_sources(product: ScoreProduct, sources: Sequence[SourceAge]) -> list[dict[str, Any]]:
    """Return what is said of each mandatory source of a product that is absent or stale."""
    ages = {age.resource: age for age in sources}
    missing: list[dict[str, Any]] = []
    for resource_id in product.mandatory:
        age, (zh, en) = ages.get(resource_id), source_names(resource_id)
        if age is None or age.age_d is None:
            missing.append({"kind": "source", "id": resource_id, "zh": f"缺少数据资源“{zh}”",
                            "en": f"mandatory resource {en!r} is absent"})
        elif age.stale:
            missing.append({"kind": "source", "id": resource_id, "age_d": age.age_d, "limit_d": age.limit_d,
                            "zh": f"数据资源“{zh}”已过期（{age.age_d:.0f}天，限{age.limit_d}天）",
                            "en": f"mandatory resource {en!r} is {age.age_d:.0f} days old, the limit is {age.limit_d}"})
    return missing


def _coverage(product: ScoreProduct, absent: Sequence[str], n_inputs: int) -> list[dict[str, Any]]:
    share = 1.0 - len(absent) / n_inputs
    if share >= product.min_coverage:
        return []
    return [{
        "kind": "coverage", "id": "inputs", "share": share, "minimum": product.min_coverage, "inputs": list(absent),
        "zh": f"已知输入占{share:.0%}，低于{product.min_coverage:.0%}",
        "en": f"{share:.0%} of the inputs are known, at least {product.min_coverage:.0%} are needed",
    }]
