"""The French motor third-party liability portfolio (freMTPL2), read as its two published protocols read it.

Rows and amounts: R package CASdatasets (Dutang and Charpentier), also OpenML data sets 41214 and 41215. The protocols
are those of the scikit-learn 1.5 documentation, "Poisson regression and non-normal loss" (frequency) and "Tweedie
regression on insurance claims" (severity and pure premium).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from registry.errors import ConfigurationError, DataError
from registry.feature_spec import Feature

FREQUENCY_FILE: Final = "insurance/freMTPL2freq.parquet"
SEVERITY_FILE: Final = "insurance/freMTPL2sev.csv.gz"
OBTAIN: Final = (
    "Get freMTPL2freq and freMTPL2sev (OpenML 41214 and 41215, or the R package CASdatasets) and name their folder "
    "with --data or ROADRISK_REAL_DATA_DIR."
)
COLUMNS: Final = {
    "VehPower": "veh_power", "VehAge": "veh_age_year", "DrivAge": "driv_age_year", "BonusMalus": "bonus_malus",
    "Density": "density", "Area": "area", "VehBrand": "veh_brand", "VehGas": "veh_gas", "Region": "region",
    "ClaimNb": "claims", "Exposure": "exposure_year", "IDpol": "policy_id",
}
CATEGORIES: Final = ("area", "veh_brand", "veh_gas", "region")
MAX_CLAIMS, MAX_EXPOSURE_YEAR, MAX_AMOUNT = 4, 1.0, 200_000.0
"""Limits of the pure premium protocol: claims and exposure per policy, and amount per policy."""


def load(data_dir: Path) -> tuple[pd.DataFrame, str]:
    """Return one row per policy in the file's order with its total claim amount, and a hash of both files.

    Raises
    ------
    ConfigurationError
        If a file is not there.
    DataError
        If a file lacks a column.
    """
    digest = hashlib.sha256()
    for name in (FREQUENCY_FILE, SEVERITY_FILE):
        if not (data_dir / name).is_file():
            raise ConfigurationError(f"no file {name}", where=str(data_dir), remedy=OBTAIN)
        digest.update(hashlib.sha256((data_dir / name).read_bytes()).digest())
    policies = pd.read_parquet(data_dir / FREQUENCY_FILE)
    claims = pd.read_csv(data_dir / SEVERITY_FILE)
    missing = sorted({*COLUMNS} - {*policies.columns}) + sorted({"IDpol", "ClaimAmount"} - {*claims.columns})
    if missing:
        raise DataError(f"columns {missing} are missing", where=str(data_dir), remedy=OBTAIN)
    frame = policies[list(COLUMNS)].rename(columns=COLUMNS)
    floats = [name for name in frame.columns if name not in (*CATEGORIES, "policy_id")]
    frame = frame.astype({**dict.fromkeys(floats, np.float64), **dict.fromkeys(CATEGORIES, object)})
    # 195 amounts belong to no policy of the frequency file; a policy without an amount has none.
    amounts = claims.groupby("IDpol")["ClaimAmount"].sum()
    frame["amount"] = frame["policy_id"].map(amounts).fillna(0.0)
    return frame, digest.hexdigest()


def clipped(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as the pure premium protocol wants it: clipped, and a claim without an amount is no claim."""
    amount = frame["amount"].clip(upper=MAX_AMOUNT)
    claims = frame["claims"].clip(upper=MAX_CLAIMS).mask(amount == 0, 0.0)
    return frame.assign(
        claims=claims, exposure_year=frame["exposure_year"].clip(upper=MAX_EXPOSURE_YEAR), amount=amount,
        average_amount=amount / np.fmax(claims, 1.0), has_amount=amount > 0,
    )


def is_test(n_rows: int, *, share: float | None) -> pd.Series:
    """Return the published test rows: scikit-learn's split with random_state 0, at its default share where None."""
    from sklearn.model_selection import train_test_split

    _, test = train_test_split(np.arange(n_rows), test_size=share, random_state=0)
    marked = np.zeros(n_rows, dtype=bool)
    marked[test] = True
    return pd.Series(marked)


def features(frame: pd.DataFrame) -> tuple[Feature, ...]:
    """Return the nine inputs of the published models; vocabularies are the portfolio's own categories."""
    vocabulary = {name: tuple(sorted(frame[name].unique())) for name in CATEGORIES}
    return (
        Feature(name="bonus_malus", entity="request", zh="奖惩系数", en="bonus-malus coefficient, 50 to 350",
                group="policy", unit="score", reason_code="R20", sensitivity="personal"),
        Feature(name="driv_age_year", entity="request", zh="驾驶人年龄", en="age of the driver", group="people",
                unit="year", reason_code="R12", sensitivity="personal"),
        Feature(name="veh_age_year", entity="request", zh="车龄", en="age of the vehicle", group="condition",
                unit="year", reason_code="R13"),
        Feature(name="veh_power", entity="request", zh="车辆功率级别", en="power class of the vehicle",
                group="condition", reason_code="R17"),
        Feature(name="density", entity="request", zh="居住地人口密度", en="inhabitants per square kilometre at home",
                group="area", reason_code="R19"),
        Feature(name="area", entity="request", zh="地区类别", en="area class, A rural to F urban centre", group="area",
                dtype="category", vocabulary=vocabulary["area"], reason_code="R19"),
        Feature(name="region", entity="request", zh="行政大区", en="region of the policy", group="area",
                dtype="category", vocabulary=vocabulary["region"], reason_code="R19"),
        Feature(name="veh_brand", entity="request", zh="车辆品牌组", en="brand group of the vehicle",
                group="condition", dtype="category", vocabulary=vocabulary["veh_brand"], reason_code="R17"),
        Feature(name="veh_gas", entity="request", zh="燃料", en="fuel", group="condition", dtype="category",
                vocabulary=vocabulary["veh_gas"], reason_code="R17"),
    )
