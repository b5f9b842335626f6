"""What a caller sends. Strict: no extra field, no silent conversion, no NaN; what is wrong is said without repeating it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from registry.access.duties import Ground
from registry.bundle import Manifest, ManifestFeature
from registry.codes import CODE_LISTS
from registry.errors import InvalidRequest
from registry.formats import normalise_plate, valid_plate, valid_uscc, valid_vin

BY_PLATE: Final = "by_plate"
BY_VIN: Final = "by_vin"
_UNION_TAGS: Final = frozenset((BY_PLATE, BY_VIN))
"""Parts of an error's path that name a branch, not a field."""

_COLORS: Final = CODE_LISTS["plate_color"].codes
_LIST_OF_COLORS: Final = ", ".join(f"{code} {zh}" for code, (zh, _) in _COLORS.items())


class Strict(BaseModel):
    """A part of a request: no further field, no silent conversion, no NaN, and errors without what was sent."""

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, frozen=True
    )


class PlateKey(Strict):
    """A vehicle by its number plate (车牌) and the plate's colour."""

    plate_no: str = Field(max_length=32, description="车牌号码, for example 赣A12345", examples=["赣A12345"])
    plate_color: str = Field(
        max_length=2, description=f"车牌颜色 code: {_LIST_OF_COLORS}", examples=["2"],
        json_schema_extra={"enum": list(_COLORS)},
    )

    @field_validator("plate_color")
    @classmethod
    def _known_color(cls, color: str) -> str:
        if color not in _COLORS:
            raise PydanticCustomError("plate_color", "is no code of a plate colour: " + _LIST_OF_COLORS)
        return color

    @field_validator("plate_no")
    @classmethod
    def _plate(cls, plate: str) -> str:
        if not valid_plate(plate):
            raise PydanticCustomError(
                "plate_no", "is no number plate: a province sign, a letter, then 5 or 6 letters or digits"
            )
        return plate

    @model_validator(mode="after")
    def _form_of_color(self) -> PlateKey:
        if not valid_plate(self.plate_no, self.plate_color):
            raise PydanticCustomError("plate_no", "plate_no has a form that its plate_color does not have")
        return self

    @property
    def key(self) -> dict[str, str]:
        """The natural key, normalised."""
        return {"plate_no": normalise_plate(self.plate_no), "plate_color": self.plate_color}


class VinKey(Strict):
    """A vehicle by its identification number (车架号)."""

    vin: str = Field(max_length=32, description="车辆识别代号, 17 signs", examples=["L99000248R0000017"])

    @field_validator("vin")
    @classmethod
    def _vin(cls, vin: str) -> str:
        written = _written(vin)
        if not valid_vin(written):
            raise PydanticCustomError("vin", "is no VIN: 17 digits and letters without I, O, Q, and a right check digit")
        return written

    @property
    def key(self) -> dict[str, str]:
        """The natural key, normalised."""
        return {"vin": self.vin}


class EnterpriseKey(Strict):
    """An enterprise by its unified social credit code (统一社会信用代码)."""

    uscc: str = Field(max_length=32, description="统一社会信用代码, 18 signs", examples=["913601000000001664"])

    @field_validator("uscc")
    @classmethod
    def _uscc(cls, uscc: str) -> str:
        written = _written(uscc)
        if not valid_uscc(written):
            raise PydanticCustomError("uscc", "is no credit code: 18 signs with a right check character")
        return written

    @property
    def key(self) -> dict[str, str]:
        """The natural key, normalised."""
        return {"uscc": self.uscc}


def _branch(entity: object) -> str:
    named = entity if isinstance(entity, Mapping) else {}
    return BY_VIN if isinstance(entity, VinKey) or "vin" in named else BY_PLATE


VehicleKey = Annotated[
    Annotated[PlateKey, Tag(BY_PLATE)] | Annotated[VinKey, Tag(BY_VIN)], Discriminator(_branch)
]


class _OfVehicle(Strict):
    entity: VehicleKey = Field(description="the vehicle, by plate or by VIN")


class _OfEnterprise(Strict):
    entity: EnterpriseKey = Field(description="the enterprise, by credit code")


class VehicleRequest(_OfVehicle):
    """A request for the score of one vehicle."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"entity": {"plate_no": "赣A12345", "plate_color": "2"}}, {"entity": {"vin": "L99000248R0000017"}},
    ]})


class EnterpriseRequest(_OfEnterprise):
    """A request for the score of one enterprise."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"entity": {"uscc": "913601000000001664"}}]})


ScoreRequest = VehicleRequest | EnterpriseRequest
REQUESTS: Final[dict[str, type[VehicleRequest] | type[EnterpriseRequest]]] = {
    "vehicle": VehicleRequest, "enterprise": EnterpriseRequest,
}
"""Entity id -> request."""


Change = float | str
"""A value of a what-if question: a number, or one of the categories."""


class _WhatIf(Strict):
    changes: dict[str, Change] = Field(
        min_length=1, max_length=50, description="inputs that the subject can change, by name (GET /v1/models marks them)"
    )


class VehicleWhatIf(_OfVehicle, _WhatIf):
    """A what-if question about one vehicle."""


class EnterpriseWhatIf(_OfEnterprise, _WhatIf):
    """A what-if question about one enterprise."""


WhatIfRequest = VehicleWhatIf | EnterpriseWhatIf
WHAT_IFS: Final[dict[str, type[VehicleWhatIf] | type[EnterpriseWhatIf]]] = {
    "vehicle": VehicleWhatIf, "enterprise": EnterpriseWhatIf,
}
"""Entity id -> what-if request."""


class _Recourse(Strict):
    target_tier: Literal["orange", "yellow", "blue"] | None = Field(
        default=None, description="the tier that is aimed at; without it the one below the current"
    )


class VehicleRecourse(_OfVehicle, _Recourse):
    """A question about what would bring one vehicle into a lower tier."""


class EnterpriseRecourse(_OfEnterprise, _Recourse):
    """A question about what would bring one enterprise into a lower tier."""


RecourseRequest = VehicleRecourse | EnterpriseRecourse
RECOURSES: Final[dict[str, type[VehicleRecourse] | type[EnterpriseRecourse]]] = {
    "vehicle": VehicleRecourse, "enterprise": EnterpriseRecourse,
}
"""Entity id -> recourse request."""


class ReviewRequest(Strict):
    """A request for human review. No free text: it would carry what nobody needs to keep."""

    reference: str = Field(pattern="^[A-Za-z0-9._-]{1,64}$", description="number of the case file that holds the rest")


class ObjectionRequest(ReviewRequest):
    """An objection to a decision."""

    ground: Ground = Field(description="why")


class PortfolioRequest(Strict):
    """A request for the score of one row of a portfolio; the caller sends every input by name."""

    features: dict[str, Any] = Field(
        description="every input of the portfolio's model by name (GET /v1/models lists them): a number, a text for a "
        "category, or null where it is not known",
        json_schema_extra={"additionalProperties": {"type": ["number", "string", "null"]}},
    )
    exposure: float | None = Field(
        default=None, gt=0, description="exposure in the model's unit; only a rate uses it"
    )


def check_features(manifest: Manifest, features: Mapping[str, Any]) -> dict[str, float | str | None]:
    """Return the inputs of a portfolio's model.

    Raises
    ------
    InvalidRequest
        If a name is missing or unknown or a value is of the wrong kind; the details list all of them.
    """
    declared = {feature.name: feature for feature in manifest.features}
    errors = [_error(name, "is missing", "nothing") for name in declared if name not in features]
    errors += [_error(name, "is no input of this model", json_type(features[name])) for name in features
               if name not in declared]
    for name, feature in declared.items():
        if name in features and (problem := _mismatch(feature, features[name])):
            errors.append(_error(name, problem, json_type(features[name])))
    if errors:
        shown = "; ".join(f"{error['field']} {error['problem']}" for error in errors[:5])
        more = f"; and {len(errors) - 5} more" if len(errors) > 5 else ""
        raise InvalidRequest(
            f"inputs do not match the model: {shown}{more}",
            remedy="Send every input that GET /v1/models lists by name; null says that it is not known.",
            details={"errors": errors},
        )
    return {name: value if isinstance(value, str) or value is None else float(value) for name, value in features.items()}


def field_parts(loc: Sequence[int | str]) -> list[str]:
    """Return the path of a validation error as parts of bounded length."""
    return [str(part)[:64] for part in loc if part not in _UNION_TAGS]


def field_problem(error: Mapping[str, Any], path: str) -> dict[str, str]:
    """Return what a validation error says about the field at a path, without what was sent."""
    if error["type"] == "missing":
        return {"field": path, "problem": "is missing", "met": "nothing"}
    return {"field": path, "problem": str(error["msg"]), "met": json_type(error.get("input"))}


def json_type(value: object) -> str:
    """Return the JSON type of a value: what may be said about it without repeating it."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    for kind, name in ((int | float, "number"), (str, "text"), (Mapping, "object"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "value"


def _error(name: str, problem: str, met: str) -> dict[str, str]:
    # The name is the caller's when it is unknown; names are no personal data, but their length is bounded.
    return {"field": f"features.{name[:64]}", "problem": problem, "met": met}


def _mismatch(feature: ManifestFeature, value: object) -> str:
    if value is None:
        return "is required and may not be null" if feature.null_rule == "required" else ""
    if feature.dtype == "category":
        return "" if isinstance(value, str) else "must be text or null"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a number or null"
    return "" if math.isfinite(value) else "must be finite"


def _written(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().upper()
