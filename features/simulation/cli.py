"""The command that writes the raw messages of any vehicle-day of the simulated province, on demand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")


@click.command("simulate-positions")
@click.option("--vehicle", required=True, help="Plate, or the vehicle's number from 0.")
@click.option("--day", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Local day.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Parquet file to write.")
@click.option("--preset", type=click.Choice(["tiny", "demo", "quarter", "province"]), help="The one of this home by default.")
@click.option("--seed", type=int, help="That of this home by default.")
@JSON_OPTION
def positions(
    vehicle: str, day: datetime, out: Path | None, preset: str | None, seed: int | None, as_json: bool
) -> None:
    """Expand the raw 30-second messages of one vehicle-day (simulated), consistent with its row of vehicle_day."""
    import numpy as np
    import pyarrow.parquet as pq

    from features.simulation.marker import province_of
    from features.simulation.on_demand import vehicle_day_messages
    from registry.output import emit, record
    from registry.settings import Settings

    settings = Settings()
    known = province_of(settings.home) or {"preset": "demo", "seed": settings.seed}
    found = vehicle_day_messages(
        preset or known["preset"], known["seed"] if seed is None else seed, vehicle, np.datetime64(day.date())
    )
    if out is not None:
        pq.write_table(found.messages, out, compression="zstd", write_page_checksum=True, coerce_timestamps="us")
    emit(
        {"simulated": True, "plate_no": found.plate_no, "vehicle": found.vehicle, "day": str(day.date()),
         "messages": len(found.messages), "out": None if out is None else str(out), "vehicle_day": found.planned},
        as_json, record,
    )
