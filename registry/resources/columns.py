"""Kinds of column, and the key columns that several resources share.

A coded value is always a string, also where the source sends digits: a code is a name, not a quantity. Every key
goes through this module, so that one identifier has one name, one format and one pseudonym namespace.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from registry.resources.schema import Column, Evidence, Pseudonym, Sensitivity


def text(
    column_id: str, zh: str, *, nullable: bool = True, sensitivity: Sensitivity = "business", evidence: Evidence = "F2",
    note: str = "",
) -> Column:
    """Declare a free text or an opaque number."""
    return Column(id=column_id, zh=zh, dtype="string", nullable=nullable, sensitivity=sensitivity, evidence=evidence,
                  note=note)


def personal(column_id: str, zh: str, *, evidence: Evidence = "F2", note: str = "") -> Column:
    """Declare a text about a natural person, dropped at the door."""
    return text(column_id, zh, sensitivity="personal", evidence=evidence, note=note)


def legal_name(column_id: str, zh: str, *, evidence: Evidence = "F2", note: str = "") -> Column:
    """Declare the name of an enterprise, or a name that may be one: it never enters the warehouse."""
    return text(column_id, zh, sensitivity="legal_name", evidence=evidence, note=note)


def coded(
    column_id: str, zh: str, codes: str, *, nullable: bool = True, evidence: Evidence = "F2", note: str = ""
) -> Column:
    """Declare a value of a code list."""
    return Column(id=column_id, zh=zh, dtype="string", codes=codes, nullable=nullable, evidence=evidence, note=note)


def flag(column_id: str, zh: str, *, nullable: bool = True, evidence: Evidence = "F2", note: str = "") -> Column:
    """Declare a yes or no."""
    return Column(id=column_id, zh=zh, dtype="bool", nullable=nullable, evidence=evidence, note=note)


def count(
    column_id: str, zh: str, maximum: float | None = None, *, nullable: bool = True, evidence: Evidence = "F2",
    note: str = "",
) -> Column:
    """Declare a count of things, 0 or more."""
    return Column(id=column_id, zh=zh, dtype="int", unit="1", nullable=nullable, minimum=0, maximum=maximum,
                  evidence=evidence, note=note)


def year(column_id: str, zh: str, *, nullable: bool = False, evidence: Evidence = "F2") -> Column:
    """Declare a calendar year."""
    return Column(id=column_id, zh=zh, dtype="int", nullable=nullable, minimum=2000, maximum=2100, evidence=evidence)


def quantity(
    column_id: str, zh: str, unit: str, maximum: float | None = None, *, minimum: float | None = 0.0,
    nullable: bool = True, evidence: Evidence = "F2", sensitivity: Sensitivity = "business", note: str = "",
) -> Column:
    """Declare a measured quantity; its bounds say what is possible, not what is allowed."""
    return Column(id=column_id, zh=zh, dtype="float", unit=unit, nullable=nullable, minimum=minimum, maximum=maximum,
                  evidence=evidence, sensitivity=sensitivity, note=note)


def day(column_id: str, zh: str, *, nullable: bool = True, evidence: Evidence = "F2", note: str = "") -> Column:
    """Declare a calendar day of Asia/Shanghai."""
    return Column(id=column_id, zh=zh, dtype="date", nullable=nullable, evidence=evidence, note=note)


def moment(column_id: str, zh: str, *, nullable: bool = True, evidence: Evidence = "F2", note: str = "") -> Column:
    """Declare an instant (an aware timestamp)."""
    return Column(id=column_id, zh=zh, dtype="timestamp", nullable=nullable, evidence=evidence, note=note)


def optional(column: Column) -> Column:
    """Return the column as one that may be null."""
    return replace(column, nullable=True)


PLATE_NO: Final = Column(id="plate_no", zh="车牌号", dtype="string", format="plate", nullable=False,
                         sensitivity="identifier")
PLATE_COLOR: Final = Column(id="plate_color", zh="车牌颜色", dtype="string", codes="plate_color", nullable=False,
                            sensitivity="identifier", note="part of the plate's identity, so it goes with it")
VIN: Final = Column(id="vin", zh="车架号", dtype="string", format="vin", nullable=False, sensitivity="identifier")
USCC: Final = Column(id="uscc", zh="统一社会信用代码", dtype="string", format="uscc", nullable=False,
                     sensitivity="identifier", note="older tables: 业户编码 or 组织机构代码")
QUALIFICATION_NO: Final = Column(id="qualification_no", zh="从业资格证号", dtype="string", nullable=False,
                                 sensitivity="identifier", note="the person key everywhere")
LICENCE_NO: Final = Column(id="licence_no", zh="经营许可证号", dtype="string", nullable=False, sensitivity="identifier")
CERT_NO: Final = Column(id="cert_no", zh="道路运输证号", dtype="string", nullable=False, sensitivity="identifier")
ID_CARD_NO: Final = Column(id="id_card_no", zh="身份证号", dtype="string", format="id_card", sensitivity="personal",
                           note="dropped at the door: the person key is the qualification number")
REGION_CODE: Final = Column(id="region_code", zh="行政区划代码", dtype="string", format="region", nullable=False,
                            note="GB/T 2260, six digits")
MODIFY_TIME: Final = moment("modify_time", "更新时间", nullable=False)

LON_PUBLIC: Final = quantity("lon_deg", "经度", "deg", 180, minimum=-180, sensitivity="public", evidence="G")
LAT_PUBLIC: Final = quantity("lat_deg", "纬度", "deg", 90, minimum=-90, sensitivity="public", evidence="G")

PLATE_ID: Final = Pseudonym(id="plate_id", namespace="plate", inputs=("plate_no", "plate_color"))
VEHICLE_ID: Final = Pseudonym(id="vehicle_id", namespace="vin", inputs=("vin",))
ENTERPRISE_ID: Final = Pseudonym(id="enterprise_id", namespace="uscc", inputs=("uscc",))
DRIVER_ID: Final = Pseudonym(id="driver_id", namespace="person", inputs=("qualification_no",))
LICENCE_ID: Final = Pseudonym(id="licence_id", namespace="licence", inputs=("licence_no",))
CERTIFICATE_ID: Final = Pseudonym(id="certificate_id", namespace="certificate", inputs=("cert_no",))
