from __future__ import annotations

import numpy as np
import pytest
from stdnum.cn import ric, uscc

from registry.formats import (
    FORMAT_CHECKS,
    JIANGXI_CITIES,
    make_plate,
    make_uscc,
    make_vin,
    normalise_plate,
    valid_id_card,
    valid_plate,
    valid_region,
    valid_uscc,
    valid_vin,
)

KNOWN_USCC = "91110000600037341L"
"""The vector of the documentation of `stdnum.cn.uscc`."""
KNOWN_VINS = ("1M8GDM9AXKP042788", "11111111111111111", "5GZCZ43D13S812715")
"""Vectors that explain the check digit of ISO 3779 in public documents."""
KNOWN_ID_CARD = "11010519491231002X"
"""The example of GB 11643."""
RNG = np.random.default_rng(11)
SERIALS = RNG.choice(30_000_000, size=400, replace=False).astype(np.int64)
REGIONS = RNG.choice(np.array(list(JIANGXI_CITIES)), size=400)


@pytest.mark.parametrize(
    ("plate", "color", "valid"),
    [
        ("赣A12345", None, True),
        ("赣A12345", "2", True),
        ("赣A12345", "94", False),
        ("赣a·12345 ", "2", True),
        ("赣Ａ１２３４５", "2", True),
        ("赣B1234挂", "2", True),
        ("赣AD12345", "94", True),
        ("赣A12345D", "93", True),
        ("赣A12345D", "2", False),
        ("赣A1234", None, False),
        ("赣A123456", None, False),
        ("赣I12345", None, False),
        ("赣A1234O", None, False),
        ("A12345", None, False),
        ("", None, False),
    ],
)
def test_plate(plate: str, color: str | None, valid: bool) -> None:
    assert valid_plate(plate, color) is valid


def test_written_forms_of_a_plate_are_one() -> None:
    forms = ("赣A12345", "赣A·12345", " 赣a 12345", "赣Ａ・１２３４５", "赣A-12345")
    assert {normalise_plate(form) for form in forms} == {"赣A12345"}


@pytest.mark.parametrize("vin", KNOWN_VINS)
def test_known_vins_hold(vin: str) -> None:
    assert valid_vin(vin)


@pytest.mark.parametrize("vin",
                         ["1M8GDM9A1KP042788", "1M8GDM9AXKP04278", "1M8GDM9AXKP04278O", "", "１M8GDM9AXKP042788"])
def test_broken_vins_are_refused(vin: str) -> None:
    assert not valid_vin(vin)


def test_credit_code_agrees_with_an_independent_implementation() -> None:
    assert valid_uscc(KNOWN_USCC)
    for place, sign in ((17, "M"), (9, "1"), (2, "2")):
        changed = KNOWN_USCC[:place] + sign + KNOWN_USCC[place + 1:]
        assert valid_uscc(changed) is uscc.is_valid(changed) is False
    assert not valid_uscc(KNOWN_USCC.lower())


def test_made_credit_codes_hold_and_are_distinct() -> None:
    codes = make_uscc(SERIALS, REGIONS).tolist()
    assert len(set(codes)) == len(codes)
    assert all(valid_uscc(code) and uscc.is_valid(code) for code in codes)
    assert [code[2:8] for code in codes] == REGIONS.tolist()


def test_made_vins_hold_and_are_distinct() -> None:
    vins = make_vin(SERIALS, np.full(400, 2021)).tolist()
    assert len(set(vins)) == len(vins)
    assert all(valid_vin(vin) and vin[9] == "M" for vin in vins)
    assert {vin[8] for vin in vins} == set("0123456789X")


def test_made_plates_hold_and_are_distinct() -> None:
    plates = make_plate(SERIALS, REGIONS).tolist()
    assert len(set(plates)) == len(plates)
    assert all(valid_plate(plate, "2") for plate in plates)
    assert [plate[:2] for plate in plates] == [JIANGXI_CITIES[region] for region in REGIONS.tolist()]


def test_nothing_made_from_nothing() -> None:
    none = np.array([], dtype=np.int64)
    assert make_vin(none, none).tolist() == []
    assert make_uscc(none, np.array([], dtype=np.str_)).tolist() == []


def test_a_serial_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"serials must lie in 0\.\.99999999"):
        make_uscc(np.array([10**8]), np.array(["360100"]))


@pytest.mark.parametrize(("region", "valid"), [
    ("360100", True), ("110000", True), ("990000", False), ("36010", False), ("３６０１００", False), ("36010A", False),
])
def test_region(region: str, valid: bool) -> None:
    assert valid_region(region) is valid


def test_identity_card_agrees_with_an_independent_implementation() -> None:
    assert valid_id_card(KNOWN_ID_CARD)
    assert ric.is_valid(KNOWN_ID_CARD)
    for broken in ("110105194912310021", "11010519491331002X", "99010519491231002X", "11010519491231002"):
        assert not valid_id_card(broken)
        assert not ric.is_valid(broken)


def test_every_format_has_a_check_that_refuses_rubbish() -> None:
    assert all(not check("rubbish") for check in FORMAT_CHECKS.values())
