"""Point-in-time retrieval and loading for Feast: a direct join, and a load by columns.

Feast imports the classes by these names; nothing else needs to.
"""

from __future__ import annotations

from typing import Final

STORE_TYPE: Final = "features.pit.store.PointInTimeOfflineStore"
ENGINE_TYPE: Final = "features.pit.loading.ColumnEngine"
