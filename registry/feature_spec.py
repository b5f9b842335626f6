"""How a model input is declared: once, for the feature store, training, serving and the explanation alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

FeatureDType = Literal["float", "category"]
"""Counts and flags are floats: LightGBM, Feast and JSON agree about floats with nulls and about nothing else."""
NullRule = Literal["missing", "zero", "required"]
"""missing: null stays null and the model learns its meaning. zero: nothing on record means none happened. required:
without it there is no score."""
Monotone = Literal[-1, 0, 1]
Disclosure = Literal["public", "business", "location", "personal"]

GROUPS: Final[dict[str, tuple[str, str]]] = {
    "exposure": ("暴露量", "exposure"),
    "dynamics": ("车辆动态", "vehicle dynamics"),
    "condition": ("车辆技术状况", "vehicle condition"),
    "compliance": ("合规", "compliance"),
    "enforcement": ("执法处罚", "enforcement"),
    "people": ("从业人员", "people"),
    "credit": ("信用", "credit"),
    "enterprise": ("企业背景", "enterprise context"),
    "area": ("区域环境", "area context"),
    "duty": ("驾驶时间", "driving time"),
    "policy": ("保单", "policy"),
}
"""Group id -> (Chinese, English). Every feature belongs to one; explanations add up by group."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One model input.

    Parameters
    ----------
    name
        Column name everywhere; ends in its unit where it has one.
    entity
        Id of the entity it describes (`registry.entities`), or "request" for an input that the caller sends.
    zh, en
        Wording for people.
    group
        Key of `GROUPS`.
    unit
        Key of `registry.units.UNITS`.
    dtype
        Float or category.
    resources
        Ids of the resources it is computed from.
    window_d
        Days before the cut-off that it looks at; None for a state.
    null_rule
        What null means.
    monotone
        Direction in which the score may move with the value; 0 for no promise.
    monotone_reason
        Why the direction is right; required where there is one.
    actionable
        Whether the subject can change it.
    sensitivity
        How its value may be disclosed.
    reason_code
        Key of the reason dictionary (`registry.reasons`).
    vocabulary
        Categories in code order, without the explicit "other"; empty for a float.
    """

    name: str
    entity: str
    zh: str
    en: str
    group: str
    unit: str = "1"
    dtype: FeatureDType = "float"
    resources: tuple[str, ...] = ()
    window_d: int | None = None
    null_rule: NullRule = "missing"
    monotone: Monotone = 0
    monotone_reason: str = ""
    actionable: bool = False
    sensitivity: Disclosure = "business"
    reason_code: str = "R00"
    vocabulary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"feature {self.name} has group {self.group!r}, which is none of {sorted(GROUPS)}")
        if self.dtype == "category" and self.monotone:
            # LightGBM aborts the whole process on a monotone categorical; no `except` can catch that.
            raise ValueError(f"feature {self.name} is a category and cannot be monotone (met {self.monotone})")
        if (self.dtype == "category") != bool(self.vocabulary):
            raise ValueError(f"feature {self.name}: a category has a vocabulary and a float has none")
        if self.dtype == "category" and self.null_rule == "zero":
            raise ValueError(f"feature {self.name} is a category, its null cannot mean zero")
        if self.monotone and not self.monotone_reason:
            raise ValueError(f"feature {self.name} is monotone ({self.monotone:+d}) without a reason")
