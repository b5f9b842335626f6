"""Declared routes as they come in: one JSON object a line, checked; a plate becomes its pseudonym at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.live.road_map import RoadMap
from features.pseudonyms import Keys, pseudonym
from features.supervision.corridors import WIDTH_KM, Declaration
from registry.errors import InvalidRequest

LONGEST_D: Final = 366
"""A permit of a route holds for a year at most. [A]"""
MAX_POINTS: Final = 2_000
_Lon = Annotated[float, Field(ge=-180.0, le=180.0)]
_Lat = Annotated[float, Field(ge=-90.0, le=90.0)]


class RouteLine(BaseModel):
    """One declaration.

    Parameters
    ----------
    plate_no, plate_color
        The vehicle, as in `vehicle_location`.
    begin, end
        When it holds (`from`, `until`), with a zone.
    roads
        Codes of roads.
    line
        Points of a line, longitude before latitude, as GeoJSON has them.
    width_km
        Half of the corridor's width.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    plate_no: str = Field(min_length=1, max_length=16)
    plate_color: str = Field(min_length=1, max_length=2)
    begin: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="until")
    roads: tuple[str, ...] = Field(default=(), max_length=200)
    line: tuple[tuple[_Lon, _Lat], ...] = Field(default=(), max_length=MAX_POINTS)
    width_km: float = Field(default=WIDTH_KM, ge=0.05, le=20.0)

    @model_validator(mode="after")
    def _sound(self) -> RouteLine:
        if not self.begin < self.end <= self.begin + timedelta(days=LONGEST_D):
            raise ValueError(f"until must lie after from, by {LONGEST_D} days at most")
        if len(self.line) == 1 or not (self.roads or self.line):
            raise ValueError("name roads, or a line of two points at least")
        return self


def declarations_of(lines: Iterable[bytes], keys: Keys, roads: RoadMap) -> list[Declaration]:
    """Return the declarations of lines; all or none.

    Raises
    ------
    InvalidRequest
        If one is wrong; it names the line and the field, never the plate.
    """
    known = {road.code for road in roads.roads}
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            one = RouteLine.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "line"
            raise InvalidRequest(
                f"line {number}: {field}: {first['msg']}", where="declared routes",
                remedy="Each line has plate_no, plate_color, from, until, and roads or line; see docs/supervision.md.",
            ) from None
        strange = sorted(set(one.roads) - known)
        if strange:
            raise InvalidRequest(
                f"line {number}: no road {strange[0][:40]!r} on the map", where="declared routes",
                remedy="Name roads by the code of the map, or give the way as a line.",
            )
        found.append(Declaration(
            plate_id=pseudonym(keys, "plate", one.plate_no, one.plate_color), from_s=int(one.begin.timestamp()),
            until_s=int(one.end.timestamp()), roads=one.roads, line=one.line, width_km=one.width_km,
        ))
    return found
