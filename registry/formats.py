"""Named formats of natural keys: validity, normalisation, and numbers made with correct check digits.

Credit code (统一社会信用代码): GB 32100-2015, check character modulo 31; its organisation part: GB 11714, modulo 11.
VIN (车架号): GB 16735 / ISO 3779, check digit in position 9, modulo 11. Identity card (身份证号): GB 11643,
modulo 11-2.
Plate (车牌号): GA 36 in practice. Division (行政区划代码): GB/T 2260, province part only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from operator import mul
from typing import Final

import numpy as np
import numpy.typing as npt

from registry.resources.schema import Format

IntArray = npt.NDArray[np.int64]
TextArray = npt.NDArray[np.str_]

JIANGXI_CITIES: Final[dict[str, str]] = {
    "360100": "赣A", "360200": "赣H", "360300": "赣J", "360400": "赣G", "360500": "赣K", "360600": "赣L",
    "360700": "赣B", "360800": "赣D", "360900": "赣C", "361000": "赣F", "361100": "赣E",
}
"""Division code of each city of Jiangxi -> the beginning of its plates. [G]"""
CITY_NAMES: Final[dict[str, tuple[str, str]]] = {
    "360100": ("南昌市", "Nanchang"), "360200": ("景德镇市", "Jingdezhen"), "360300": ("萍乡市", "Pingxiang"),
    "360400": ("九江市", "Jiujiang"), "360500": ("新余市", "Xinyu"), "360600": ("鹰潭市", "Yingtan"),
    "360700": ("赣州市", "Ganzhou"), "360800": ("吉安市", "Ji'an"), "360900": ("宜春市", "Yichun"),
    "361000": ("抚州市", "Fuzhou"), "361100": ("上饶市", "Shangrao"),
}
"""Division code of each city of Jiangxi -> its name in Chinese and English. [G]"""
SIMULATED_MAKER: Final = "L99"
"""World manufacturer identifier of made-up vehicles: 9 marks a maker of few vehicles, so no series truck has it."""

_PROVINCES: Final = frozenset(
    str(code)
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 82))
    for code in range(first, last + 1)
)
_PROVINCE_SIGNS: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PLATE: Final = re.compile(rf"[{_PROVINCE_SIGNS}][A-HJ-NP-Z][A-HJ-NP-Z0-9]{{4}}[A-HJ-NP-Z0-9挂学警港澳]")
_PLATE_NEW_ENERGY: Final = re.compile(
    rf"[{_PROVINCE_SIGNS}][A-HJ-NP-Z](?:[A-HJK][A-HJ-NP-Z0-9][0-9]{{4}}|[0-9]{{5}}[A-HJK])"
)
_NEW_ENERGY_COLORS: Final = frozenset(("5", "9", "93", "94"))
_ONLY_NEW_ENERGY: Final = frozenset(("93", "94"))
_BETWEEN: Final = re.compile(r"[\s·•・.\-]+")

_USCC_SIGNS: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC: Final = re.compile(rf"[{_USCC_SIGNS}]{{2}}[0-9]{{6}}[{_USCC_SIGNS}]{{10}}")
_USCC_WEIGHTS: Final = np.array([pow(3, place, 31) for place in range(17)], dtype=np.int64)
_USCC_WEIGHT_LIST: Final = _USCC_WEIGHTS.tolist()
_ORGANISATION_WEIGHTS: Final = np.array([3, 7, 9, 10, 5, 8, 4, 2], dtype=np.int64)

_VIN: Final = re.compile(r"[A-HJ-NPR-Z0-9]{17}")
_VIN_SIGNS: Final = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
_VIN_VALUES: Final = np.array([*range(10), 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9])
_VIN_WEIGHTS: Final = np.array([8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2])
_VIN_VALUE_OF: Final = dict(zip(_VIN_SIGNS, _VIN_VALUES.tolist(), strict=True))
_VIN_WEIGHT_LIST: Final = _VIN_WEIGHTS.tolist()
_VIN_YEARS: Final = "ABCDEFGHJKLMNPRSTVWXY123456789"
_VIN_FIRST_YEAR: Final = 1980

_ID_CARD: Final = re.compile(r"[0-9]{17}[0-9X]")
_ID_CARD_WEIGHTS: Final = tuple(pow(2, 17 - place, 11) for place in range(17))


def normalise_plate(text: str) -> str:
    """Return the written form under which keys join: NFKC, upper case, without blanks, dots or hyphens.

    >>> normalise_plate(" 赣ａ·12345 ")
    '赣A12345'
    """
    return _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).upper()


def valid_plate(plate: str, color: str | None = None) -> bool:
    """Return whether a plate, normalised, has a form that exists, and one that its colour (code list) allows."""
    written = normalise_plate(plate)
    if _PLATE_NEW_ENERGY.fullmatch(written):
        return color is None or color in _NEW_ENERGY_COLORS
    return bool(_PLATE.fullmatch(written)) and color not in _ONLY_NEW_ENERGY


def valid_vin(vin: str) -> bool:
    """Return whether a VIN has 17 permitted signs and a correct check digit."""
    if not _VIN.fullmatch(vin):
        return False
    # One number at a time: an array of 17 costs several times this.
    return vin[8] == "0123456789X"[sum(map(mul, map(_VIN_VALUE_OF.__getitem__, vin), _VIN_WEIGHT_LIST)) % 11]


def valid_uscc(uscc: str) -> bool:
    """Return whether a credit code has its form and a correct check character."""
    if not _USCC.fullmatch(uscc):
        return False
    return uscc[17] == _USCC_SIGNS[-sum(map(mul, map(_USCC_SIGNS.index, uscc[:17]), _USCC_WEIGHT_LIST)) % 31]


def valid_region(region: str) -> bool:
    """Return whether a division code has six digits that begin with a province."""
    return len(region) == 6 and region.isascii() and region.isdigit() and region[:2] in _PROVINCES


def valid_id_card(id_card: str) -> bool:
    """Return whether an identity card number has a province, a birth date and a correct check character."""
    if not _ID_CARD.fullmatch(id_card) or id_card[:2] not in _PROVINCES:
        return False
    try:
        date(int(id_card[6:10]), int(id_card[10:12]), int(id_card[12:14]))
    except ValueError:
        return False
    total = sum(int(sign) * weight for sign, weight in zip(id_card[:17], _ID_CARD_WEIGHTS, strict=True))
    return id_card[17] == "10X98765432"[total % 11]


FORMAT_CHECKS: Final[Mapping[Format, Callable[[str], bool]]] = {
    "uscc": valid_uscc, "vin": valid_vin, "plate": valid_plate, "region": valid_region, "id_card": valid_id_card,
}
"""Format -> its check of one value."""


def make_uscc(serial: IntArray, region: TextArray) -> TextArray:
    """Return credit codes of enterprises (91...) with both check characters correct.

    Parameters
    ----------
    serial
        Distinct numbers from 0 to 99 999 999, shape (n,): they become the organisation part.
    region
        Division code of each, six digits, shape (n,).

    Raises
    ------
    ValueError
        If a serial is outside its range.
    """
    _within(serial, 10**8)
    organisation = _digits(serial, 8)
    check = (-(organisation @ _ORGANISATION_WEIGHTS)) % 11
    regions = np.array([[int(sign) for sign in code] for code in region.tolist()], dtype=np.int64).reshape(-1, 6)
    head = np.tile(np.array([9, 1], dtype=np.int64), (len(serial), 1))
    values = np.column_stack([head, regions, organisation, np.where(check == 10, _USCC_SIGNS.index("X"), check)])
    return _join(_USCC_SIGNS, np.column_stack([values, -(values @ _USCC_WEIGHTS) % 31]))


def make_vin(serial: IntArray, model_year: IntArray, *, maker: str = SIMULATED_MAKER) -> TextArray:
    """Return VINs with a correct check digit; distinct serials give distinct VINs.

    Parameters
    ----------
    serial
        Distinct numbers from 0 to 99 999 999 999, shape (n,): five digits describe, six number the vehicle.
    model_year
        Model year of each, shape (n,); its sign repeats every 30 years.
    maker
        World manufacturer identifier, three signs.

    Raises
    ------
    ValueError
        If a serial is outside its range.
    """
    _within(serial, 10**11)
    digits = _digits(serial, 11)
    years = [_VIN_SIGNS.index(_VIN_YEARS[year]) for year in ((model_year - _VIN_FIRST_YEAR) % 30).tolist()]
    blank = np.zeros(len(serial), dtype=np.int64)
    front = np.tile(np.array([_VIN_SIGNS.index(sign) for sign in maker], dtype=np.int64), (len(serial), 1))
    signs = np.column_stack([front, digits[:, :5], blank, np.array(years, dtype=np.int64), blank, digits[:, 5:]])
    check = (_VIN_VALUES[signs] @ _VIN_WEIGHTS) % 11
    signs[:, 8] = np.where(check == 10, _VIN_SIGNS.index("X"), check)
    return _join(_VIN_SIGNS, signs)


def make_plate(serial: IntArray, region: TextArray) -> TextArray:
    """Return seven-sign plates of Jiangxi's cities; distinct serials give distinct plates within a city.

    Parameters
    ----------
    serial
        Distinct numbers from 0 to 33 554 431, shape (n,).
    region
        City code of each (`JIANGXI_CITIES`), shape (n,).

    Raises
    ------
    ValueError
        If a serial is outside its range.
    """
    _within(serial, 32**5)
    alphabet = "0123456789ABCDEFGHJKLMNPQRSTUVWX"
    tail = _join(alphabet, np.column_stack([serial // 32**place % 32 for place in (4, 3, 2, 1, 0)]))
    return np.char.add(np.array([JIANGXI_CITIES[code] for code in region.tolist()], dtype=np.str_), tail)


def _within(serial: IntArray, limit: int) -> None:
    if len(serial) and (serial.min() < 0 or serial.max() >= limit):
        raise ValueError(f"serials must lie in 0..{limit - 1}, met {serial.min()}..{serial.max()}")


def _digits(serial: IntArray, places: int) -> IntArray:
    return np.column_stack([serial // 10**place % 10 for place in reversed(range(places))])


def _join(alphabet: str, positions: IntArray) -> TextArray:
    signs = np.ascontiguousarray(np.array(list(alphabet))[positions])
    return signs.view(f"<U{signs.shape[1]}").ravel()
