"""Chinese words of the documents for what is declared as codes, and how instants are written in them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from registry.local_time import SHANGHAI

CHARGES: Final = {"commercial": "有偿（产业发展、行业发展）", "public": "免费（公共治理、公益事业）"}
DETAILS: Final = {"reasons": "主要原因", "groups": "分组", "exact": "逐项精确"}
CYCLES: Final = {"realtime": "实时", "daily": "每天", "monthly": "每月", "yearly": "每年"}
SUPPLIERS: Final = {"annex_1": "省交通运输厅", "insurer": "保险机构（非附件1）", "reduction": "平台归约（源自附件1）"}
STEPS: Final = {
    "apply": "申请", "local": "本机开通", "review": "评审", "refuse": "不予通过", "approve": "批准", "activate": "启用",
    "suspend": "暂停", "resume": "恢复", "expire": "提前终止",
}
STATUSES: Final = {
    "applied": "已申请", "reviewed": "已评审", "approved": "已批准", "active": "启用中", "suspended": "已暂停",
    "refused": "未通过", "expired": "已到期",
}
KINDS: Final = {
    "score": "评分", "batch": "批量评分", "what_if": "情景测算", "explain": "解释", "read_score": "查询", "invoke": "调用",
    "replay": "重放",
}
SENSITIVITIES: Final = {
    "public": "公开", "business": "经营", "identifier": "标识（仅以假名入库）", "personal": "个人信息（不入库）",
    "legal_name": "企业名称（仅入名录）", "location": "位置（限场景使用）",
}


def when(instant: datetime | str) -> str:
    """Return an instant as it is read in Shanghai."""
    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def day(instant: datetime | str) -> str:
    """Return the day of an instant in Shanghai."""
    return when(instant)[:10]
