"""Runs the whole simulation: `simulate_province` writes what is delivered and, apart from it, what is true."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from features.simulation.accidents import AccidentModel, accident_model
from features.simulation.activity import Fleet, fleet_of
from features.simulation.assumptions import Assumptions
from features.simulation.clock import Month
from features.simulation.condition import Condition, initial_condition, simulate_condition
from features.simulation.credit import (
    PUBLISH_MONTH,
    OperatorRecords,
    count_operator_month,
    credit_list_batches,
    initial_operator_records,
    rating_batch,
)
from features.simulation.deliveries import Batch, Outbox
from features.simulation.emergencies import emergency_batch
from features.simulation.enforcement import ViolationModel, simulate_cases, violation_model
from features.simulation.events import scheduled_events, wrong_case_events
from features.simulation.examples import example_keys
from features.simulation.fatigue import DrivingHours, simulate_fatigue
from features.simulation.identities import Identities, make_identities
from features.simulation.insurance import Portfolio, claim_intensities, simulate_claims, write_policies
from features.simulation.moving import move_month
from features.simulation.people import (
    DriverRecords,
    count_month,
    first_ratings,
    initial_driver_records,
    monthly_ratings,
)
from features.simulation.positions import position_batch
from features.simulation.presets import Preset
from features.simulation.records_activity import driving_hour_batch
from features.simulation.records_condition import condition_batches
from features.simulation.records_enforcement import enforcement_batches
from features.simulation.records_insurance import claim_batches, policy_batch, policy_numbers
from features.simulation.registers import VehicleRegister, first_snapshots, initial_register, monthly_changes
from features.simulation.samples import sample_batches
from features.simulation.truth import TruthWriter
from features.simulation.world import World, build_world
from registry.errors import ConfigurationError
from registry.resources import RESOURCES

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class SimulationSummary:
    """What a simulation delivered.

    Parameters
    ----------
    preset, seed
        What was run.
    n_operators, n_vehicles, n_drivers
        Population.
    rows
        Resource id -> delivered rows, versions and repetitions included.
    seconds
        Time taken.
    """

    preset: str
    seed: int
    n_operators: int
    n_vehicles: int
    n_drivers: int
    rows: dict[str, int]
    seconds: float


@dataclass
class _Run:
    """Everything that the months carry forward."""

    world: World
    identities: Identities
    outbox: Outbox
    truth: TruthWriter
    fleet: Fleet
    accident_model: AccidentModel
    violation_model: ViolationModel
    portfolio: Portfolio
    policy_numbers: npt.NDArray[np.object_]
    condition: Condition
    register: VehicleRegister
    drivers: DriverRecords
    operators: OperatorRecords
    hours: DrivingHours = field(repr=False)

    def put(self, *batches: Batch) -> None:
        """Hand batches to the outbox."""
        for batch in batches:
            self.outbox.put(batch)


def simulate_province(
    preset: Preset, *, seed: int, outbox: Path, truth: Path, progress: Progress | None = None,
    assumptions: Assumptions | None = None,
) -> SimulationSummary:
    """Simulate a province and write its deliveries and its truth; the same seed gives the same bytes.

    Both folders are replaced whole once everything is written, so a run that is killed changes nothing. Beside the
    outbox, `examples.json` names a few ordinary entities that a client may ask for.

    Parameters
    ----------
    preset
        Size and window.
    seed
        Seed of all chance.
    outbox
        Folder of the deliveries: ``<resource>/<resource>-<YYYYMM>.parquet``, in parts where a
        month is large.
    truth
        Folder of the true intensities; neither features nor training may read it.
    progress
        Called with a step's name and the share done, 0 to 1.
    assumptions
        Magnitudes; the defaults where None.

    Raises
    ------
    ConfigurationError
        If a folder to be replaced holds anything that no simulation wrote.
    """
    began = time.perf_counter()
    tell = progress or (lambda _step, _share: None)
    with _replacing(outbox, frozenset(RESOURCES)) as new_outbox, _replacing(truth, _TRUTH_FILES) as new_truth:
        run = _begin(preset, seed, new_outbox, new_truth, assumptions or Assumptions())
        for month in run.world.months:
            tell(f"month {month.label}", month.index / len(run.world.months))
            _simulate_month(run, month)
        run.truth.close()
    keys = example_keys(run.world, run.identities, run.hours)
    draft = outbox.parent / ".examples.json.draft"
    draft.write_text(json.dumps(keys, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    draft.replace(outbox.parent / "examples.json")
    tell("delivered", 1.0)
    return SimulationSummary(
        preset=preset.name, seed=seed, n_operators=len(run.world.operators), n_vehicles=len(run.world.vehicles),
        n_drivers=len(run.world.drivers), rows=dict(sorted(run.outbox.rows.items())),
        seconds=time.perf_counter() - began,
    )


_TRUTH_FILES = frozenset(
    f"{name}.parquet" for name in ("vehicle_month", "operator", "vehicle", "driver", "city", "driving_hour", "events")
)


@contextmanager
def _replacing(target: Path, ours: frozenset[str]) -> Iterator[Path]:
    """Yield an empty folder that takes the target's place when the block ends without an error."""
    foreign = sorted(path.name for path in target.iterdir() if path.name not in ours) if target.is_dir() else []
    if foreign or (target.exists() and not target.is_dir()):
        raise ConfigurationError(
            f"{target.name!r} holds {foreign[:3] or 'a file'}, which no simulation wrote", where=str(target),
            remedy="Name another folder; this one would be replaced whole.",
        )
    draft, old = target.with_name(f".{target.name}.draft"), target.with_name(f".{target.name}.old")
    for leftover in (draft, old):
        shutil.rmtree(leftover, ignore_errors=True)
    draft.mkdir(parents=True)
    yield draft
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _begin(preset: Preset, seed: int, outbox: Path, truth: Path, assumed: Assumptions) -> _Run:
    """Build the world and deliver what is known on its first day."""
    world = build_world(preset, seed, assumed)
    identities, model = make_identities(world), accident_model(world)
    fleet = fleet_of(world)
    portfolio, hours = write_policies(world), simulate_fatigue(world, fleet)
    run = _Run(
        world=world, identities=identities, outbox=Outbox(outbox, world.months, seed, assumed.delivery),
        truth=TruthWriter(truth, identities), fleet=fleet, accident_model=model, violation_model=violation_model(world),
        portfolio=portfolio, policy_numbers=policy_numbers(portfolio.policies), condition=initial_condition(world),
        register=initial_register(world, model), drivers=initial_driver_records(world, model),
        operators=initial_operator_records(world), hours=hours,
    )
    run.put(rating_batch(world, identities, None, run.operators, year_share=0.0))
    run.put(*first_snapshots(world, identities, run.register, run.condition, run.operators))
    run.put(first_ratings(world, identities, run.drivers))
    run.put(policy_batch(world, identities, portfolio.policies, run.policy_numbers))
    run.put(driving_hour_batch(world, identities, hours), position_batch(world, identities, hours, fleet))
    run.put(*sample_batches(world, identities))
    run.truth.write_traits(world)
    run.truth.note(*scheduled_events(world, identities))
    run.truth.write_hours(hours)
    return run


def _simulate_month(run: _Run, month: Month) -> None:
    """Simulate a month, deliver its rows and write the files of what arrived in it."""
    world, ids = run.world, run.identities
    moved = move_month(world, ids, month, run.fleet, run.accident_model, run.outbox)
    accidents, km = moved.accidents, moved.km
    condition = simulate_condition(world, month, run.condition, km)
    run.put(*condition_batches(world, ids, month, condition.inspections, condition.reviews, condition.breakdowns))
    cases, enforcement = simulate_cases(world, month, run.violation_model, km, run.condition)
    run.put(*enforcement_batches(world, ids, month, cases), emergency_batch(world, month, accidents))
    run.truth.note(*wrong_case_events(world, ids, month, cases))
    claims = simulate_claims(world, month, run.portfolio, accidents, km)
    run.put(*claim_batches(world, ids, month, claims, run.policy_numbers))
    count_month(run.drivers, cases, accidents)
    count_operator_month(world, run.operators, cases, accidents)
    run.put(monthly_ratings(world, ids, month, run.drivers), *credit_list_batches(world, ids, month, cases, accidents))
    rated = month.label.endswith(f"{PUBLISH_MONTH:02d}")
    if rated:
        run.put(rating_batch(world, ids, month, run.operators, year_share=min(1.0, (month.index + 1) / 12.0)))
    touched = np.unique(np.concatenate([
        condition.maintained, condition.inspections.vehicle, condition.reviews.vehicle,
    ]))
    run.put(*monthly_changes(
        world, ids, month, run.register, run.condition, run.operators, touched, cases, accidents, rated=rated
    ))
    run.outbox.flush(month)
    _write_truth(run, month, moved.accident_rate, condition.breakdown_rate, {
        "km": km, "fail_probability": condition.fail_probability, "reported_failure_rate": condition.failure_rate, **enforcement,
    })


def _write_truth(
    run: _Run, month: Month, accident_rate: npt.NDArray[np.float64], breakdown_rate: npt.NDArray[Any],
    others: dict[str, npt.NDArray[Any]],
) -> None:
    claims = claim_intensities(run.world, month, run.portfolio, accident_rate, others["km"])
    assumed = run.world.assumed.accidents
    registered = float(np.dot(assumed.severity_shares, assumed.registered))
    run.truth.write_month(month, {
        "accident_rate": accident_rate, "registered_accident_rate": accident_rate * registered,
        **{f"claim_rate_{line}": rate for line, rate in claims.items()},
        "breakdown_rate": breakdown_rate, **others,
    })
