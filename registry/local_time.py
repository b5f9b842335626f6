"""The zone of the people: storage is in UTC, days and shown times are those of Shanghai."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
