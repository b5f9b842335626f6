"""Ways to cut rows into segments: city, type of owner, size of the fleet, class and age of the vehicle, age of the driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from features.judged_context import CITY
from registry.codes import CODE_LISTS
from registry.fleet_size import FLEET_SIZE_EDGES
from registry.formats import JIANGXI_CITIES


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One way to cut rows into segments.

    Parameters
    ----------
    id, zh, en
        Name and wording.
    column
        Column of the frame.
    name
        Column -> (n,) names of segments, null where the value is not known.
    """

    id: str
    zh: str
    en: str
    column: str
    name: Callable[[pd.Series], pd.Series]


def banded(edges: Sequence[float], unit: str = "") -> Callable[[pd.Series], pd.Series]:
    """Return a cut into bands that begin at these ascending values."""
    limits = [-np.inf, *edges[1:], np.inf]
    names = [f"{a:g} to under {b:g}{unit}" for a, b in pairwise(edges)] + [f"{edges[-1]:g}{unit} and more"]

    def cut(column: pd.Series) -> pd.Series:
        return pd.cut(column.astype("float64"), limits, labels=names, right=False).astype(object)

    return cut


def _owner(column: pd.Series) -> pd.Series:
    return column.map({1.0: "个体 individual", 0.0: "企业 enterprise"})


def _vehicle_class(column: pd.Series) -> pd.Series:
    """Return the letter and size digit of GA/T 16.4 with the wording of its first code."""
    codes = CODE_LISTS["vehicle_type"].codes
    first: dict[str, str] = {}
    for code, (zh, en) in sorted(codes.items()):
        first.setdefault(code[:2], f"{code[:2]} {zh} {en}, and the like")
    return column.map(lambda code: first.get(str(code)[:2], str(code)[:2]), na_action="ignore")


def _city(column: pd.Series) -> pd.Series:
    plates = {code[:4]: f"{code} {plate}" for code, plate in JIANGXI_CITIES.items()}
    return column.map(lambda code: plates.get(code, "outside Jiangxi"), na_action="ignore")


DIMENSIONS: Final = (
    Dimension(id="city", zh="地市", en="city", column=CITY, name=_city),
    Dimension(id="owner", zh="业户类型", en="type of owner", column="is_individual", name=_owner),
    Dimension(id="fleet_size", zh="车队规模", en="size of the fleet", column="fleet_size", name=banded((0, *FLEET_SIZE_EDGES))),
    Dimension(id="vehicle_class", zh="车型", en="class of vehicle", column="vehicle_type", name=_vehicle_class),
    Dimension(id="vehicle_age", zh="车龄", en="age of the vehicle", column="vehicle_age_year",
              name=banded((0, 3, 6, 9, 12), " years")),
    Dimension(id="fleet_age", zh="平均车龄", en="mean age of the fleet", column="mean_vehicle_age_year",
              name=banded((0, 3, 6, 9, 12), " years")),
    Dimension(id="driver_age", zh="驾驶员年龄", en="age of the driver", column="driver_age_year",
              name=banded((18, 25, 35, 45, 55), " years")),
    Dimension(id="driver_experience", zh="驾驶员驾龄", en="experience of the drivers", column="driver_experience_year",
              name=banded((0, 3, 6, 10, 15), " years")),
)
"""Bands are assumptions [A]; fleet sizes are the groups of the adapted SMS."""
