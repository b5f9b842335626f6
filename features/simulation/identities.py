"""Natural keys and names of everybody: made up, with correct check digits, stable by seed.

No identity card numbers are made up: one could be somebody's. Names are made of common characters and are dropped at
the door of the platform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.cities import CITIES
from features.simulation.streams import Stream, generator
from features.simulation.world import INDIVIDUAL, Vehicles, World
from registry.formats import make_plate, make_uscc, make_vin

Texts = npt.NDArray[Any]
IntArray = npt.NDArray[np.integer[Any]]

SURNAMES: Final = tuple("王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁")
GIVEN: Final = tuple("伟强磊军洋勇杰涛超明刚平辉鹏华飞鑫波斌宇浩凯健俊帆帅旭宁龙林欢阳建亮成文志海国庆")
TRADE_NAMES: Final = ("顺达", "宏运", "安捷", "恒通", "赣通", "鑫源", "永盛", "万里", "联众", "华运", "长风", "远航")


@dataclass(frozen=True)
class Identities:
    """Natural keys by index of operator, vehicle and driver.

    A vehicle keeps its plate while it is in service. A few plates pass, weeks after their vehicle left, to a vehicle that
    enters: `previous_holder` is the vehicle that had the plate before, -1 where the plate is new. Whoever resolves a plate
    must therefore say on which day.
    """

    uscc: Texts
    licence_no: Texts
    operator_name: Texts
    legal_rep: Texts
    operator_region: Texts
    plate_no: Texts
    previous_holder: IntArray
    vin: Texts
    cert_no: Texts
    qualification_no: Texts
    driver_name: Texts

    @property
    def n_vehicles(self) -> int:
        """Number of vehicles."""
        return len(self.vin)

    def holder_on(self, vehicles: Vehicles, plate_no: str, day: np.datetime64) -> int | None:
        """Return the vehicle in service under a plate on a day, None where nobody has it then."""
        found = np.flatnonzero((self.plate_no == plate_no) & (vehicles.enters <= day) & (vehicles.leaves > day))
        return int(found[0]) if len(found) else None


PLATE_COLOR: Final = "2"
"""Medium and heavy commercial vehicles have yellow plates."""


def make_identities(world: World) -> Identities:
    """Return the natural keys of a world."""
    rng = generator(world.seed, Stream.IDENTITIES)
    n_operators, n_vehicles, n_drivers = len(world.operators), len(world.vehicles), len(world.drivers)
    codes = np.array([city.code for city in CITIES])
    region = codes[world.operators.city]
    previous = _previous_holders(world)
    legal_rep = _names(rng, n_operators)
    made_year = world.vehicles.registered.astype("datetime64[Y]").astype(np.int64) + 1970
    return Identities(
        uscc=make_uscc(_serials(rng, n_operators, 10**8), region).astype(object),
        licence_no=_numbers(rng, n_operators, "36"), operator_name=_operator_names(rng, world, legal_rep),
        legal_rep=legal_rep, operator_region=region.astype(object),
        plate_no=_passed_on(
            make_plate(_serials(rng, n_vehicles, 32**5), region[world.vehicles.operator]).astype(object), previous
        ),
        previous_holder=previous,
        vin=make_vin(_serials(rng, n_vehicles, 10**11), made_year).astype(object),
        cert_no=_numbers(rng, n_vehicles, "36"), qualification_no=_numbers(rng, n_drivers, "36"),
        driver_name=_names(rng, n_drivers),
    )


def _previous_holders(world: World) -> IntArray:
    """Choose which plates of leaving vehicles pass to entering vehicles of the same city: at least one where any can.

    Returns
    -------
    ndarray
        (n_vehicles,) the vehicle that had the plate before, -1 for none.
    """
    vehicles, assumed = world.vehicles, world.assumed.fleet
    rng = generator(world.seed, Stream.IDENTITIES, 1)
    previous = np.full(len(vehicles), -1)
    leaving = rng.permutation(np.flatnonzero(vehicles.leaves < world.end))
    entering = np.flatnonzero(vehicles.enters > world.start)
    free = np.ones(len(entering), dtype=np.bool_)
    city = world.vehicle_city
    wanted = math.ceil(assumed.plate_reuse_share * len(leaving))
    low, high = (np.timedelta64(days, "D") for days in assumed.plate_rest_d)
    for old in leaving.tolist():
        if wanted == 0:
            break
        rest = vehicles.enters[entering] - vehicles.leaves[old]
        fits = np.flatnonzero(free & (city[entering] == city[old]) & (rest >= low) & (rest <= high))
        if len(fits):
            previous[entering[fits[0]]] = old
            free[fits[0]] = False
            wanted -= 1
    return previous


def _passed_on(plate_no: Texts, previous: IntArray) -> Texts:
    result = plate_no.copy()
    inherited = previous >= 0
    result[inherited] = plate_no[previous[inherited]]
    return result


def _serials(rng: np.random.Generator, n: int, limit: int) -> npt.NDArray[np.int64]:
    """Return distinct serial numbers in random order: one per slot of equal width."""
    width = limit // max(n, 1)
    return rng.permutation(n) * width + rng.integers(0, width, n)


def _numbers(rng: np.random.Generator, n: int, prefix: str) -> Texts:
    return np.array([f"{prefix}{serial:010d}" for serial in _serials(rng, n, 10**10).tolist()], dtype=object)


def _names(rng: np.random.Generator, n: int) -> Texts:
    surname, first, second = rng.integers(0, len(SURNAMES), n), rng.integers(0, len(GIVEN), n), rng.integers(0, 60, n)
    texts = [
        SURNAMES[a] + GIVEN[b] + (GIVEN[c] if c < len(GIVEN) else "")
        for a, b, c in zip(surname.tolist(), first.tolist(), second.tolist(), strict=True)
    ]
    return np.array(texts, dtype=object)


def _operator_names(rng: np.random.Generator, world: World, legal_rep: Texts) -> Texts:
    trade = rng.integers(0, len(TRADE_NAMES), len(world.operators)).tolist()
    kind = ("物流有限公司", "旅游客运有限公司", "危险品运输有限公司")
    names = [
        f"{person}（个体）" if stratum == INDIVIDUAL
        else f"{CITIES[city].zh}{TRADE_NAMES[index]}{kind[business]}{number:05d}"
        for number, (person, stratum, city, index, business) in enumerate(zip(
            legal_rep.tolist(), world.operators.stratum.tolist(), world.operators.city.tolist(), trade,
            world.operators.business.tolist(), strict=True,
        ))
    ]
    return np.array(names, dtype=object)
