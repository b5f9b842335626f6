"""In which city an enterprise is registered, for reports by city."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from features.warehouse import Warehouse


def enterprise_cities(warehouse_dir: Path) -> dict[str, str]:
    """Return the division code of each enterprise's city, as its newest row says; nothing where there is no warehouse."""
    import pyarrow.parquet as pq

    newest: dict[str, tuple[Any, str]] = {}
    if not warehouse_dir.exists():
        return {}
    for path in Warehouse(warehouse_dir).files("operator_basic"):
        rows = pq.read_table(path, columns=["enterprise_id", "arrived_at", "region_code"])
        for enterprise, arrived, region in zip(*(column.to_pylist() for column in rows.columns), strict=True):
            if enterprise is not None and region and (enterprise not in newest or newest[enterprise][0] < arrived):
                newest[enterprise] = arrived, f"{region[:4]}00"
    return {enterprise: region for enterprise, (_, region) in newest.items()}
