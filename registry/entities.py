"""Whom a score is about, and by which natural keys a caller may name them.

Natural keys enter pseudonymisation at the door (`features.pseudonyms`); inside the platform only the keyed pseudonym
in `id_column` exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Entity:
    """An entity of the feature store.

    Parameters
    ----------
    id
        Identifier used in code and in Feast.
    zh, en
        Chinese and English wording.
    id_column
        Column that holds the pseudonym.
    namespace
        Pseudonym namespace: equal raw values in two namespaces give unrelated pseudonyms.
    natural_keys
        Alternative sets of request fields that name one entity.
    """

    id: str
    zh: str
    en: str
    id_column: str
    namespace: str
    natural_keys: tuple[tuple[str, ...], ...]


ENTERPRISE: Final = Entity(
    id="enterprise", zh="道路运输业户", en="road-transport operator", id_column="enterprise_id", namespace="uscc",
    natural_keys=(("uscc",),),
)
VEHICLE: Final = Entity(
    id="vehicle", zh="营运车辆", en="commercial vehicle", id_column="vehicle_id", namespace="vin",
    natural_keys=(("plate_no", "plate_color"), ("vin",)),
)
DRIVER: Final = Entity(
    id="driver", zh="从业驾驶员", en="professional driver", id_column="driver_id", namespace="person",
    natural_keys=(("qualification_no",),),
)

ENTITIES: Final[dict[str, Entity]] = {entity.id: entity for entity in (ENTERPRISE, VEHICLE, DRIVER)}
