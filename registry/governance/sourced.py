"""Sentences with their source: what a document states as a fact names where it stands, everything else says that it is none.

The plan is the founding plan of the authorised operation (授权运营实施方案); its sections are cited as it numbers them.
"""

from __future__ import annotations

from typing import Final

PLAN: Final = "授权运营实施方案"
ASSUMED: Final = "平台假设，无公开来源"
UNVERIFIED: Final = "一般知识，未经核实"
LEGEND: Final = (
    f"文中句末括注来源。“{PLAN}”指江西省交通运输领域省级公共数据资源授权运营实施方案；标注“{ASSUMED}”或“{UNVERIFIED}”的内容"
    "不作为事实，使用前须由运营机构核定。数值由平台台账、模型包和声明自动取得。"
)
TO_FILL: Final = "（由运营机构填写）"
_UNSOURCED: Final = {"A": ASSUMED, "G": UNVERIFIED}


def plan(text: str, section: str) -> str:
    """Return a sentence that the plan says."""
    return f"{text}〔{PLAN}{section}〕"


def law(text: str, article: str) -> str:
    """Return a sentence that a law says."""
    return f"{text}〔{article}〕"


def assumed(text: str) -> str:
    """Return a sentence that nobody but this platform says."""
    return f"{text}〔{ASSUMED}〕"


def unverified(text: str) -> str:
    """Return a sentence that is generally said and was not looked up."""
    return f"{text}〔{UNVERIFIED}〕"


def evidence(tag: str) -> str:
    """Return how well a declared line is sourced, in words of a document."""
    return _UNSOURCED.get(tag, {"F1": "已核", "F2": "二手来源", "D": "推算"}.get(tag, tag))
