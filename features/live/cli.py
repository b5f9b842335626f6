"""The group `roadrisk live`: serve, or fold inside Spark; replay a simulated day, hold it against the batch, say how it goes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from features.cli import JSON_OPTION
from features.supervision.routes_cli import routes

if TYPE_CHECKING:
    from rich.console import RenderableType

SCORER: Final = "serving.fatigue.part:open_fatigue"
"""What scores fatigue: models are scored two floors up, so it is found by name, as the commands are."""
DEFAULT_URL = "http://127.0.0.1:8362"
PATH: Final = click.Path(path_type=Path)
URL_OPTION = click.option("--url", default=DEFAULT_URL, show_default=True, help="Address of the live service.")


@click.group(invoke_without_command=True)
@click.option(
    "--speed", type=click.FloatRange(0), help="Without a command: replay the newest simulated day, so many seconds a second.",
)
@click.option("--from", "from_time", help="Without a command: local time from which it is paced, as 06:30.")
@click.option("--vehicles", type=click.IntRange(1), help="Without a command: how many vehicles of the province.")
@click.pass_context
def live(ctx: click.Context, speed: float | None, from_time: str | None, vehicles: int | None) -> None:
    """Live driving: positions in, duty and fatigue out within seconds. `roadrisk live --speed 60` replays a simulated day."""
    given = {"speed": speed, "from_time": from_time, "vehicles": vehicles}
    wanted = {name: value for name, value in given.items() if value is not None}
    if ctx.invoked_subcommand is not None:
        if wanted:
            raise click.UsageError("options of a replay come without a command, or behind `replay`")
    elif wanted:
        ctx.invoke(replay, **wanted)
    else:
        click.echo(ctx.get_help())


live.add_command(routes)


@live.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65_535), default=8362, show_default=True, help="Port of the HTTP door.")
@click.option(
    "--jt809-port", type=click.IntRange(0, 65_535), default=0, show_default=True,
    help="Port of the JT/T 809 platform link; 0 opens none.",
)
@click.option("--kafka", is_flag=True, help="Read the topics of ROADRISK_KAFKA_TOPICS.")
@click.option("--replay", is_flag=True, help="Live in the time of the messages (simulated days of the past only).")
@click.option("--supervise/--no-supervise", default=True, show_default=True, help="Raise alerts into the book of alerts.")
@click.option("--score/--no-score", default=True, show_default=True, help="Score fatigue with the live model.")
@click.option("--checkpoint-s", type=click.FloatRange(1), default=120.0, show_default=True, help="From one checkpoint to the next.")
def serve(
    host: str, port: int, jt809_port: int, kafka: bool, replay: bool, supervise: bool, score: bool, checkpoint_s: float,
) -> None:
    """Receive positions and keep the state of every vehicle; asks for ROADRISK_PUSH_KEY."""
    from pkgutil import resolve_name

    import uvicorn

    from features.live.engine import EngineTimes
    from features.live.kafka_door import client_settings
    from features.live.service import open_service
    from features.supervision.fleet_door import fleet_routes
    from features.supervision.live_watch import watch_live
    from registry.settings import Settings

    settings = Settings()
    service = open_service(settings, replay=replay, times=EngineTimes(checkpoint_s=checkpoint_s))
    if score:
        service.fatigue = resolve_name(SCORER)(service, settings)
    watch = watch_live(service, settings, supervise=supervise) if supervise or score else None
    if watch is not None:
        watch.start()
    if kafka:
        client_settings(settings)  # what is missing is said before anything is opened
    further = () if service.fatigue is None else service.fatigue.routes()
    readers = fleet_routes(service, settings.live_reader_key)
    app = service.app([*readers, *further], jt809=(host, jt809_port) if jt809_port else None, kafka=kafka)
    also = f" and for JT/T 809 on port {jt809_port}" if jt809_port else ""
    also += f", reading {', '.join(settings.kafka_topics)} from Kafka" if kafka else ""
    click.echo(f"listening on http://{host}:{port}{also}", err=True)
    uvicorn.run(
        app, host=host, port=port, access_log=False, log_level="error", server_header=False, limit_concurrency=256,
        timeout_keep_alive=30, timeout_graceful_shutdown=10, h11_max_incomplete_event_size=16_384,
    )
    if watch is not None:
        watch.stop()


@live.command()
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="First local day; by default the newest of the province.")
@click.option("--days", type=click.IntRange(1, 14), default=1, show_default=True, help="How many days of one month.")
@click.option(
    "--speed", type=click.FloatRange(0), default=60.0, show_default=True, help="Simulated seconds a second; 0: as fast as taken.",
)
@click.option("--from", "from_time", default="00:00", show_default=True, help="Local time from which it is paced.")
@click.option("--vehicles", type=click.IntRange(1), default=200, show_default=True, help="How many vehicles of the province.")
@click.option("--out", type=PATH, help="Write files for `live spark` into this folder instead of sending anything.")
@URL_OPTION
@JSON_OPTION
def replay(
    day: datetime | None, days: int, speed: float, from_time: str, vehicles: int, out: Path | None, url: str, as_json: bool
) -> None:
    """Send days of the simulated province (simulated data) to a service that runs with --replay."""
    from dataclasses import asdict

    from features.live.replay import files_of, instant_of, replay_from
    from features.simulation.day import day_of_messages, newest_day
    from features.simulation.marker import province_of
    from registry.errors import NotFound
    from registry.output import emit, progress, record
    from registry.settings import Settings

    settings = Settings()
    known = province_of(settings.home)
    if known is None:
        raise NotFound("no simulated province", where=str(settings.home), remedy="Run `roadrisk simulate` first.")
    first = newest_day(known["preset"], known["seed"], days=days) if day is None else day.date()
    begin = instant_of(first, from_time)
    with progress("replay") as report:
        report("expand the plan into messages", 0.0)
        messages = day_of_messages(known["preset"], known["seed"], first, vehicles, days=days)
        if out is not None:
            written = {"messages": len(messages), "files": files_of(messages, out, progress=report)}
            emit({"simulated": True, "day": str(first), "out": str(out), **written}, as_json, record)
            return
        done = replay_from(messages, begin, url, settings.push_key.get_secret_value(), speed=speed, progress=report)
    emit({"simulated": True, "day": str(first), **asdict(done)}, as_json, record)


@live.command()
@click.option("--day", required=True, type=click.DateTime(["%Y-%m-%d"]), help="First local day that was replayed.")
@click.option("--days", type=click.IntRange(1, 14), default=1, show_default=True, help="How many days of one month.")
@click.option("--vehicles", type=click.IntRange(1), default=200, show_default=True, help="How many vehicles of the province.")
@click.option("--spark", "by_spark", is_flag=True, help="The rows are those of `live spark`, which keeps its state elsewhere.")
@JSON_OPTION
@click.pass_context
def verify(ctx: click.Context, day: datetime, days: int, vehicles: int, by_spark: bool, as_json: bool) -> None:
    """Compare the rows of replayed days in the online store with the batch of the same messages, value by value."""
    from dataclasses import asdict

    from features.live.agreement import verified
    from features.live.checkpoint import read_checkpoint
    from features.live.online_push import OnlinePush
    from features.live.roster import read_roster
    from features.packed.rows import settled_rows
    from features.simulation.day import day_of_messages
    from features.simulation.marker import province_of
    from features.views import PROJECT
    from registry.errors import IntegrityError, NotFound
    from registry.generation import epoch_of
    from registry.output import emit, progress, record
    from registry.settings import Settings
    from registry.signing import pseudonym_keys

    settings = Settings()
    known = province_of(settings.home)
    if known is None:
        raise NotFound("no simulated province", where=str(settings.home), remedy="Run `roadrisk simulate` first.")
    roster = read_roster(settings.feature_dir, pseudonym_keys(settings.keys_dir, epoch_of(settings.warehouse_dir)))
    checkpoint = None if by_spark else read_checkpoint(settings.live_dir)
    if checkpoint is None and not by_spark:
        raise NotFound("no live state", where=str(settings.live_dir), remedy="Run `roadrisk live serve --replay` and stop it.")
    push = OnlinePush(settled_rows(settings, PROJECT), roster.vehicle_id)
    with progress("verify") as report:
        report("expand the plan into messages", 0.0)
        messages = day_of_messages(known["preset"], known["seed"], day.date(), vehicles, days=days)
        found = verified(roster, push, checkpoint, messages, report)
    push.close()
    emit(asdict(found), as_json, record)
    if found.different:
        ctx.exit(IntegrityError.exit_code)


@live.command()
@click.option("--source", required=True, type=PATH, help="Folder that files of positions are written to.")
@click.option(
    "--format", "kind", type=click.Choice(["parquet", "ndjson"]), default="parquet", show_default=True, help="Format of the files.",
)
@click.option("--checkpoint", type=PATH, help="Folder of checkpoints; by default in the live state of the home.")
@click.option("--follow-s", type=click.FloatRange(1), help="Go on, a micro-batch so often; by default what is there is taken.")
@click.option(
    "--buckets", type=click.IntRange(1, 65_536), default=64, show_default=True,
    help="Over how many buckets vehicles lie, as long as the checkpoints live.",
)
@click.option("--files-at-once", type=click.IntRange(1), default=1_000, show_default=True, help="Files of a micro-batch, at most.")
@click.option("--master", default="local[2]", show_default=True, help="Where Spark runs.")
@click.option(
    "--partitions", type=click.IntRange(1), default=2, show_default=True, help="Tasks that fold at once, fixed like the buckets.",
)
@click.option("--memory", default="2g", show_default=True, help="Heap of Spark's driver.")
@JSON_OPTION
def spark(
    source: Path, kind: str, checkpoint: Path | None, follow_s: float | None, buckets: int, files_at_once: int, master: str,
    partitions: int, memory: str, as_json: bool,
) -> None:
    """Fold files of positions inside Spark, and push rows as `serve` does: for more vehicles than one process holds."""
    from dataclasses import asdict
    from tempfile import TemporaryDirectory

    from features.live.spark_run import FOLDER, StreamPlan, run_stream
    from features.spark import close_spark, connect_spark
    from registry.output import emit, progress, record
    from registry.settings import Settings

    settings = Settings()
    plan = StreamPlan(
        source=source, checkpoint=checkpoint or settings.live_dir / FOLDER, kind=kind, n_buckets=buckets,
        files_at_once=files_at_once, every_s=follow_s,
    )
    with TemporaryDirectory(prefix="roadrisk-spark-") as folder, progress("spark") as report:
        report("begin a session", 0.0)
        engine: Any = connect_spark(Path(folder), master=master, memory=memory, spark_sql_shuffle_partitions=str(partitions))
        try:
            done = run_stream(engine._session, settings, plan, progress=report)
        finally:
            close_spark(engine)
    emit(asdict(done), as_json, record)


@live.command()
@click.option("--vehicle", help="Id of a vehicle: its duty now instead of the service's state.")
@URL_OPTION
@JSON_OPTION
def status(vehicle: str | None, url: str, as_json: bool) -> None:
    """Say what came in, how fresh the rows are, or what one vehicle may still drive."""
    import httpx

    from features.door.source import KEY_HEADER
    from registry.errors import NotFound, ServiceUnavailable
    from registry.output import emit, record
    from registry.settings import Settings

    path = f"/v1/live/vehicles/{vehicle}" if vehicle else "/v1/live/status"
    try:
        answer = httpx.get(url + path, headers={KEY_HEADER: Settings().push_key.get_secret_value()}, timeout=10)
    except httpx.TransportError as error:
        raise ServiceUnavailable(
            f"the live service does not answer ({type(error).__name__})", where=url, remedy="Run `roadrisk live serve`.",
        ) from error
    found: dict[str, Any] = answer.json()
    if answer.is_error:
        kind = NotFound if answer.status_code == httpx.codes.NOT_FOUND else ServiceUnavailable
        raise kind(found["detail"], where=url, remedy=found.get("remedy", ""))
    emit(found, as_json, _duty if vehicle else record)


def _duty(found: dict[str, Any]) -> RenderableType:
    from registry.output import table

    columns = ("rule", "zh", "used_s", "remaining_s", "reached_at", "unobserved_s", "complete")
    rows = [[limit[column] for column in columns] for limit in found["limits"]]
    title = f"{found['zh']} {found['en']}"
    fatigue = found.get("fatigue")
    if fatigue is not None:
        score = "" if fatigue["score"] is None else f" {fatigue['score']:g}"
        title += f"\n疲劳 fatigue: {fatigue['tier']['zh']} {fatigue['tier']['code']}{score}; {fatigue['why']['zh']}"
        title += "".join(f"\n  {reason['zh']}" for reason in fatigue["reasons"])
        title += f"\n{fatigue['forecast']['zh']}" if fatigue["forecast"] else ""
    if found.get("driver") is not None:
        left = min((limit["remaining_s"] for limit in found["driver"]["limits"]), default=0)
        title += f"\n插卡驾驶员 driver {found['driver']['driver_id']}: {left // 60} min"
    return table(columns, rows, title=title)
