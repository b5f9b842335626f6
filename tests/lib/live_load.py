"""A live service with many made-up vehicles that drive, and the requests that keep them driving.

`python -m tests.lib.live_load FOLDER N PORT` serves one in which each vehicle has driven for an hour; `/cost` says what it used.
"""

from __future__ import annotations

import gzip
import resource
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from features.door.source import KEY_HEADER
from features.live.engine import EngineTimes
from features.live.positions import POSITION, Records
from features.live.replay import lines_of
from features.live.roster import Roster
from features.live.service import LiveService, open_service
from features.supervision.fleet_door import fleet_routes
from registry.settings import Settings
from registry.signing import init_keys

CYCLE_S = 30
"""Each vehicle is heard so often."""
BEGIN_S = 1_772_409_600
HISTORY_S = 3_900
KEY = "secret"
HEADERS = {KEY_HEADER: KEY, "Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
PER_REQUEST = 1_000
_METRES = 500


class MadeUpRoster(Roster):
    """Vehicles whose plate is their number, so that half a million pseudonyms need not be made before anything is measured."""

    def number(self, plate_no: str, plate_color: str) -> int:
        """Return the number of a plate."""
        return int(plate_no[2:]) + 1


def roster_for(count: int) -> MadeUpRoster:
    """Return the roster of made-up vehicles."""
    ids = tuple(f"{n + 1:016x}00000000" for n in range(count))
    return MadeUpRoster(ids, ids, ("e",) * count, ("freight",) * count, b"k" * 32)


def columns_of(slots: np.typing.NDArray[np.int64], at_s: int) -> dict[str, np.typing.NDArray[np.int64]]:
    """Return what vehicles send at an instant: they drive south on a line of their own, and turn."""
    turn = (at_s - BEGIN_S) // CYCLE_S
    there = np.abs(turn % 200 - 100)
    return {
        "lon_e6": 114_500_000 + slots % 3_000 * 1_000, "lat_e6": 28_900_000 - there * 4_500 + slots % 7,
        "speed": 550 + (slots * 7 + turn * 13) % 100, "odometer_m": 1_000_000 + turn * _METRES + slots % 1_000,
    }


def records_at(slots: np.typing.NDArray[np.int64], at_s: int) -> Records:
    """Return the messages of vehicles at an instant as records."""
    records = np.zeros(len(slots), POSITION)
    for name, values in columns_of(slots, at_s).items():
        records[name] = values
    records["vehicle"], records["time_s"], records["status_bits"] = slots + 1, at_s, 3
    records["received_us"], records["recorder"] = (at_s + 1) * 1_000_000, 0
    return records


def bodies(n_vehicles: int, *, first: int, count: int) -> list[bytes]:
    """Return requests from the first-th on, in the order in which vehicles are due."""
    made = []
    for place in range(first, first + count):
        slots = np.arange(place * PER_REQUEST, (place + 1) * PER_REQUEST) % n_vehicles
        at_s = BEGIN_S + HISTORY_S + place * PER_REQUEST // n_vehicles * CYCLE_S
        columns = columns_of(slots, at_s)
        sent, received = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for at in (at_s, at_s + 1))
        made.append(gzip.compress(lines_of(pa.table({
            "plate_no": [f"赣A{slot}" for slot in slots.tolist()], "plate_color": ["2"] * len(slots),
            "gps_time": [sent] * len(slots), "recv_time": [received] * len(slots), "lon_deg": columns["lon_e6"] / 1e6,
            "lat_deg": columns["lat_e6"] / 1e6,
            "speed_kmh": columns["speed"] / 10.0, "vec2_kmh": [0.0] * len(slots), "odometer_km": columns["odometer_m"] / 1000.0,
            "heading_deg": [180.0] * len(slots), "altitude_m": [80.0] * len(slots), "status_bits": [3] * len(slots),
            "alarm_bits": [0] * len(slots), "warn_type": [None] * len(slots), "satellites": [12] * len(slots),
        })), 1))
    return made


def prepared(folder: Path, n_vehicles: int) -> LiveService:
    """Return a service whose vehicles have driven for an hour."""
    settings = Settings(home=folder / "home", keys_dir=folder / "keys", push_key=SecretStr(KEY), store_timeout_s=30.0)
    init_keys(settings.keys_dir)
    service = open_service(settings, replay=True, roster=roster_for(n_vehicles), times=EngineTimes(checkpoint_s=3600.0))
    slots = np.arange(n_vehicles)
    for at_s in range(BEGIN_S, BEGIN_S + HISTORY_S, 60):
        service.engine.fold.apply(slots, records_at(slots, at_s))
    return service


def main(folder: Path, n_vehicles: int, port: int) -> None:
    """Serve until the process is ended."""
    import uvicorn

    service = prepared(folder, n_vehicles)

    async def cost(_: Request) -> Response:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return JSONResponse({"cpu_s": used.ru_utime + used.ru_stime, "rss_gb": psutil.Process().memory_info().rss / 1e9})

    server = uvicorn.Server(uvicorn.Config(
        service.app([Route("/cost", cost), *fleet_routes(service, KEY)]), port=port, log_level="critical", access_log=False,
    ))
    started = server.startup

    async def startup(sockets: object = None) -> None:
        await started(sockets)  # type: ignore[arg-type]
        print("ready", flush=True)

    server.startup = startup  # type: ignore[method-assign,assignment]
    server.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
