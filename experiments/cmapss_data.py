"""NASA C-MAPSS turbofan records (Saxena, Goebel, Simon and Eklund 2008), read as their published protocol reads them.

The engines are simulated by NASA's C-MAPSS; nobody in this project wrote the rows. Training units run until they fail, test units
are cut off some time before. FD001 has one kind of damage, FD003 two.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import pandas as pd

from registry.errors import ConfigurationError, DataError

FILES: Final = {
    "train": "maintenance/cmapss_fd001_fd003_train.parquet", "test": "maintenance/cmapss_fd001_fd003_test.parquet",
}
OBTAIN: Final = (
    "Get the C-MAPSS records FD001 and FD003 (NASA Prognostics Center of Excellence data repository) as Parquet with dataset_id, "
    "unit_id, cycle, rul and sensor columns, and name their folder with --data or ROADRISK_REAL_DATA_DIR."
)
DATASETS: Final = ("FD001", "FD003")
CAP: Final = 125.0
"""Remaining life beyond which nobody can tell engines apart; the published protocol's label is at most this."""
UNIT, CYCLE, REMAINING = "unit", "cycle", "remaining"


def load(data_dir: Path) -> tuple[dict[str, pd.DataFrame], str]:
    """Return the rows of training and test by part, and a hash of both files.

    Raises
    ------
    ConfigurationError
        If a file is not there.
    DataError
        If a file lacks a column.
    """
    found, digest = {}, hashlib.sha256()
    for part, name in FILES.items():
        path = data_dir / name
        if not path.is_file():
            raise ConfigurationError(f"no file {name}", where=str(data_dir), remedy=OBTAIN)
        digest.update(hashlib.sha256(path.read_bytes()).digest())
        found[part] = pd.read_parquet(path)
        missing = sorted({"dataset_id", "unit_id", "cycle", "rul"} - {*found[part].columns})
        if missing or not sensors(found[part]):
            raise DataError(f"columns {missing or ['sensor_*']} are missing", where=str(path), remedy=OBTAIN)
    return found, digest.hexdigest()


def sensors(frame: pd.DataFrame) -> list[str]:
    """Return the sensor columns in their order."""
    return [name for name in frame.columns if str(name).startswith("sensor_")]


def of_dataset(frame: pd.DataFrame, dataset: str, *, units: int | None = None) -> pd.DataFrame:
    """Return the rows of one record, in the order of unit and cycle, with `remaining` capped at `CAP`.

    Parameters
    ----------
    frame
        Rows of a file.
    dataset
        One of `DATASETS`.
    units
        Keep the first units only, for a cheaper run.
    """
    rows = frame.loc[frame["dataset_id"] == dataset].sort_values(["unit_id", "cycle"], ignore_index=True)
    if units is not None:
        rows = rows.loc[rows["unit_id"] <= units]
    named = rows.rename(columns={"unit_id": UNIT, "rul": "rul_uncapped"})
    return named.assign(**{REMAINING: named["rul_uncapped"].clip(upper=CAP).astype("float64")}).reset_index(drop=True)
