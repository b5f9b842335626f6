"""The OpenAPI document of the live service's own port: every path that `roadrisk live serve` answers, and nothing else.

The service is plain ASGI, so the operations are declared here; a test holds them against the routes of a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from registry.data_products import SUPERVISION
from registry.products import DRIVER_FATIGUE
from registry.resources import RESOURCES
from serving.app_version import API_VERSION
from serving.documents import PROBLEMS, SECURITY
from serving.fatigue.stream import MEDIA_TYPE as EVENTS
from serving.live_schemas import (
    CardsTaken,
    DriverDutyOut,
    DutyOut,
    LiveProblemOut,
    LiveScoreOut,
    LiveStatus,
    MinuteScoreOut,
    PositionsTaken,
    Ready,
    RosterOut,
    SeenVehicle,
)
from serving.problems import MEDIA_TYPE as PROBLEM

LINES: Final = "application/x-ndjson"
FRAME: Final = "application/octet-stream"
REF: Final = "#/components/schemas/{model}"
_PROVIDER, _READER, _CONSUMER = "provider", "reader", "consumer"
_TEXT: Final = {"type": "string"}
_TYPES: Final[dict[str, dict[str, Any]]] = {
    "string": {"type": "string"}, "int": {"type": "integer"}, "float": {"type": "number"}, "bool": {"type": "boolean"},
    "timestamp": {"type": "string", "format": "date-time"}, "date": {"type": "string", "format": "date"},
}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation.

    Parameters
    ----------
    path, method, id, summary
        What it is.
    who
        Whose key it asks for; empty for nobody's.
    answers
        Status -> model, or media type where the answer is no JSON object.
    problems
        Statuses of problem documents.
    description, body, parameters
        Further parts as OpenAPI has them.
    """

    path: str
    method: str = "get"
    id: str
    summary: str
    who: str
    answers: Mapping[int, type[BaseModel] | str]
    problems: tuple[int, ...] = (401,)
    description: str = ""
    body: Mapping[str, Any] | None = None
    parameters: tuple[Mapping[str, Any], ...] = ()


def _query(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": "integer", "minimum": 0}, "description": text}


_SCENARIO: Final = {
    "name": "X-Scenario", "in": "header", "required": False, "schema": _TEXT,
    "description": "scenario under which it is read; needed where several fit",
}
_CARD: Final = {
    "type": "object", "additionalProperties": False,
    "required": ["plate_no", "plate_color", "qualification_no", "card_time", "event"],
    "properties": {
        "plate_no": _TEXT, "plate_color": _TEXT, "qualification_no": {**_TEXT, "description": "becomes a pseudonym at once"},
        "card_time": _TYPES["timestamp"], "event": {"enum": ["in", "out"]},
    },
}
_READS: Final = (401, 403, 404, 429, 503)

OPERATIONS: Final = (
    Operation(
        path="/v1/live/positions", method="post", id="push_positions", summary="positions of vehicles", who=_PROVIDER,
        answers={202: PositionsTaken, 422: PositionsTaken}, problems=(400, 401, 408, 415, 422, 429, 503),
        body={"schema": "Position"},
        description="NDJSON, plain or with Content-Encoding: gzip, at most 20,000 rows and 16 MiB. A message is known by its "
        "vehicle and device time and counts once: whatever got no answer is sent again. 422 is a problem where the body is none, "
        "and has counts where no row of it could be taken.",
    ),
    Operation(
        path="/v1/live/cards", method="post", id="push_cards", summary="cards that drivers put in and take out", who=_PROVIDER,
        answers={200: CardsTaken}, problems=(401, 408, 422, 503), body={"schema": "CardEvent"},
    ),
    Operation(path="/v1/live/status", id="live_status", summary="what came in, and how fresh the rows are", who=_PROVIDER,
              answers={200: LiveStatus}),
    Operation(path="/v1/live/vehicles/{vehicle_id}", id="live_vehicle", summary="the duty of one vehicle now", who=_PROVIDER,
              answers={200: DutyOut}, problems=(401, 404)),
    Operation(path="/v1/live/drivers/{driver_id}", id="live_driver", summary="the duty of one driver by his card", who=_PROVIDER,
              answers={200: DriverDutyOut}, problems=(401, 404)),
    Operation(path="/readyz", id="ready", summary="whether positions are taken", who="", answers={200: Ready, 503: Ready},
              problems=()),
    Operation(
        path="/v1/live/fleet", id="fleet_frame", summary="what changed of the whole fleet behind a frame", who=_READER,
        answers={200: FRAME}, problems=(401, 422),
        parameters=(_query("run", "run of the last frame that was seen"), _query("after", "its number")),
        description="A JSON head that names the columns, then each column as bytes.",
    ),
    Operation(path="/v1/live/fleet/roster", id="fleet_roster", summary="whose the slots of a frame are", who=_READER,
              answers={200: RosterOut}),
    Operation(path="/v1/live/fleet/vehicles/{vehicle_id}", id="fleet_vehicle", summary="one vehicle with its last 24 hours",
              who=_READER, answers={200: SeenVehicle}, problems=(401, 404)),
    Operation(path="/v1/live/fleet/drivers/{driver_id}", id="fleet_driver", summary="one driver by his card, for his own page",
              who=_READER, answers={200: DriverDutyOut}, problems=(401, 404)),
    Operation(
        path=f"/v1/{SUPERVISION}/live/vehicles/{{vehicle_id}}", id="read_live_duty", who=_CONSUMER, parameters=(_SCENARIO,),
        summary="the duty ledger of one vehicle, and its score where the scenario covers it", answers={200: DutyOut},
        problems=_READS,
    ),
    Operation(
        path=f"/v1/{DRIVER_FATIGUE.id}/live/vehicles/{{vehicle_id}}", id="read_live_score", who=_CONSUMER, parameters=(_SCENARIO,),
        summary="the live score of one vehicle, recorded", answers={200: LiveScoreOut}, problems=_READS,
    ),
    Operation(
        path=f"/v1/{DRIVER_FATIGUE.id}/live/stream", id="stream_minute_scores", who=_CONSUMER,
        parameters=(_SCENARIO, {
            "name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"},
            "description": "id of the last event that was seen; an EventSource sends it by itself",
        }),
        summary="minute scores as Server-Sent Events", answers={200: EVENTS}, problems=(401, 403, 422, 429, 503),
        description="Events `score` with the newest value of each vehicle that changed (MinuteScoreOut). Nothing is queued: what "
        "changed twice comes once. The stream ends after less than a minute; an EventSource comes back by itself.",
    ),
)
"""In the order in which they are shown."""
_MODELS: Final[tuple[type[BaseModel], ...]] = (LiveProblemOut, MinuteScoreOut)


def live_contract() -> dict[str, Any]:
    """Return the document."""
    used: set[type[BaseModel]] = {
        one for operation in OPERATIONS for one in operation.answers.values() if not isinstance(one, str)
    }
    models = sorted({*used, *_MODELS}, key=lambda model: model.__name__)
    _, defined = models_json_schema([(model, "serialization") for model in models], ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    schemas = {**defined["$defs"], "Position": _position(), "CardEvent": _CARD}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "道路运输实时服务 Live service of road transport", "version": API_VERSION,
            "description": "The port of `roadrisk live serve`: positions in, duty and fatigue out. Every answer that is not 2xx is "
            "`application/problem+json`, but for /readyz.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                _PROVIDER: {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "ROADRISK_PUSH_KEY"},
                _READER: {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "ROADRISK_LIVE_KEY"},
                **SECURITY,
            },
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    named = [part[1:-1] for part in one.path.split("/") if part.startswith("{")]
    places = [{"name": name, "in": "path", "required": True, "schema": _TEXT, "description": "pseudonym"} for name in named]
    keys: list[dict[str, list[str]]] = [{"key": []}, {"header": []}] if one.who == _CONSUMER else [{one.who: []}] if one.who else []
    answers = {str(status): _answer(model) for status, model in one.answers.items()}
    for status in one.problems:
        problem = _problem(status)
        known = answers.setdefault(str(status), problem)
        known["content"] = {**known["content"], **problem["content"]}
    found: dict[str, Any] = {
        "operationId": one.id, "summary": one.summary, "security": keys, "parameters": [*places, *one.parameters],
        "responses": dict(sorted(answers.items())),
    }
    if one.description:
        found["description"] = one.description
    if one.body is not None:
        schema = {"$ref": REF.format(model=one.body["schema"])}
        found["requestBody"] = {
            "required": True, "description": "one object a line", "content": {LINES: {"schema": schema}},
        }
    return found


def _answer(model: type[BaseModel] | str) -> dict[str, Any]:
    if isinstance(model, str):
        return {"description": "OK", "content": {model: {"schema": {"type": "string"}}}}
    return {"description": "OK", "content": {"application/json": {"schema": {"$ref": REF.format(model=model.__name__)}}}}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": REF.format(model=LiveProblemOut.__name__)}
    return {"description": PROBLEMS[status][1], "content": {PROBLEM: {"schema": schema}}}


def _position() -> dict[str, Any]:
    columns = RESOURCES["vehicle_location"].columns
    return {
        "type": "object", "additionalProperties": False, "description": RESOURCES["vehicle_location"].zh,
        "required": [column.id for column in columns if not column.nullable],
        "properties": {
            column.id: {**_nullable(_TYPES[column.dtype], column.nullable), "title": column.zh} for column in columns
        },
    }


def _nullable(schema: dict[str, Any], nullable: bool) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]} if nullable else schema
