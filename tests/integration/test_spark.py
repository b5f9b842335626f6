"""The same expression of every family gives the same values on DuckDB and on Spark."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.engine import connect
from features.families import FAMILIES, Family
from features.formulas import FORMULA_FAMILIES
from features.known import Known, open_known
from features.spark import close_spark, connect_spark
from features.warehouse import Warehouse
from registry.settings import Settings

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(
        shutil.which("java") is None and "JAVA_HOME" not in os.environ,
        reason="Spark needs Java 17 (Debian: default-jre-headless)",
    ),
    # Spark's client leaves the sockets that it fetched results through to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

BEGIN = datetime(2024, 6, 30, 16, tzinfo=UTC)
CUTOFFS = [datetime(2026, 5, 31, 16, tzinfo=UTC), datetime(2026, 6, 28, 16, tzinfo=UTC)]
COMPUTED = {**FAMILIES, **FORMULA_FAMILIES}
RESOURCES = list(dict.fromkeys(resource for family in COMPUTED.values() for resource in family.resources))


class Compact(Warehouse):
    """A warehouse with one file by resource: Spark takes longer to list hundreds of small files than to read them."""

    def __init__(self, whole: Warehouse, folder: Path) -> None:
        super().__init__(whole.root)
        self.folder = folder

    def files(self, resource_id: str) -> list[Path]:
        path = self.folder / f"{resource_id}.parquet"
        if not path.exists():
            parts = [pq.ParquetFile(part).read() for part in super().files(resource_id)]
            pq.write_table(pa.concat_tables(parts), path)
        return [path]


@pytest.fixture(scope="module")
def engines(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Known, Known]]:
    """The tiny province, opened on both."""
    warehouse = Compact(Warehouse(tiny.warehouse_dir), tmp_path_factory.mktemp("compact"))
    embedded = connect(threads=1, memory_limit="1GB", spill_dir=tmp_path_factory.mktemp("spill"))
    spark: Any = connect_spark(tmp_path_factory.mktemp("spark"))
    try:
        distributed = open_known(spark, warehouse, RESOURCES, CUTOFFS, BEGIN)
        # What Spark reads again and again it finds made: over so little data its time goes into plans.
        made = {resource_id: table.cache() for resource_id, table in distributed.tables.items()}
        yield open_known(embedded, warehouse, RESOURCES, CUTOFFS, BEGIN), replace(distributed, tables=made)
    finally:
        gc.collect()
        close_spark(spark)


def rows_of(family: Family, known: Known) -> pd.DataFrame:
    table = family.expression(known)
    created = table.created if "created" in table.columns else table.cutoff
    names = [family.entity.id_column, "cutoff", *family.links, *family.names]
    frame = table.select(*names, created=created).to_pandas()
    for name in ("cutoff", "created"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame.sort_values([family.entity.id_column, "cutoff", "created"]).reset_index(drop=True)


@pytest.mark.parametrize("family_id", COMPUTED)
def test_a_family_is_the_same_on_both_engines(family_id: str, engines: tuple[Known, Known]) -> None:
    family = COMPUTED[family_id]
    embedded, spark = (rows_of(family, known) for known in engines)
    assert len(embedded)
    keys = [family.entity.id_column, "cutoff", "created", *family.links]
    pd.testing.assert_frame_equal(embedded[keys], spark[keys], check_dtype=False)
    for feature in family.features:
        one, other = embedded[feature.name], spark[feature.name]
        if feature.dtype == "category":
            assert one.where(one.notna(), None).tolist() == other.where(other.notna(), None).tolist(), feature.name
        else:
            np.testing.assert_array_equal(one.to_numpy("float64"), other.to_numpy("float64"), err_msg=feature.name)
