"""One month of motion, block by block: delivers its vehicle-days and keeps only what the other processes need of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from features.simulation.accidents import AccidentModel, Accidents, all_accidents, daily_intensity, simulate_accidents
from features.simulation.activity import ActivityMonth, Fleet, simulate_activity
from features.simulation.clock import Month
from features.simulation.deliveries import Outbox
from features.simulation.identities import Identities
from features.simulation.records_activity import vehicle_day_batch
from features.simulation.world import World

FloatArray = npt.NDArray[np.float64]

BLOCKS_PER_PART: Final = 4
"""A file of a month holds the vehicle-days of about 33,000 vehicles."""
THREADS: Final = 2


@dataclass(frozen=True)
class MovedMonth:
    """What a month of motion leaves behind.

    Parameters
    ----------
    km, accident_rate
        Kilometres and expected accidents by vehicle, shape (n_vehicles,).
    accidents
        Those that happened.
    """

    km: FloatArray
    accident_rate: FloatArray
    accidents: Accidents


def move_month(
    world: World, identities: Identities, month: Month, fleet: Fleet, model: AccidentModel, outbox: Outbox
) -> MovedMonth:
    """Simulate a month of motion, deliver its vehicle-days, and return what the other processes need."""
    n = len(world.vehicles)
    km, rate, accidents = np.zeros(n), np.zeros(n), []
    parts = _parts(fleet)
    for part, activity in enumerate(_planned(world, month, fleet, parts)):
        intensity = daily_intensity(world, model, activity)
        accidents.append(simulate_accidents(world, activity, intensity, part))
        km += activity.per_vehicle(activity.columns["distance_km"], n)
        rate += activity.per_vehicle(intensity, n)
        batch = vehicle_day_batch(world, identities, activity, part)
        if len(parts) == 1:
            outbox.put(batch)
        else:
            outbox.put_part(batch, month)
    return MovedMonth(km, rate, all_accidents(accidents))


def _parts(fleet: Fleet) -> list[range]:
    blocks = range(fleet.motion.n_blocks)
    return [blocks[first : first + BLOCKS_PER_PART] for first in range(0, len(blocks), BLOCKS_PER_PART)]


def _planned(world: World, month: Month, fleet: Fleet, parts: list[range]) -> Iterator[ActivityMonth]:
    """Yield the parts of a month in order while threads plan the next ones; a block's chance is its own."""
    with ThreadPoolExecutor(THREADS) as pool:
        ahead: deque[Future[ActivityMonth]] = deque()
        waiting = iter(parts)
        for blocks in waiting:
            ahead.append(pool.submit(simulate_activity, world, month, fleet, blocks))
            if len(ahead) == THREADS:
                break
        while ahead:
            done = ahead.popleft().result()
            following = next(waiting, None)
            if following is not None:
                ahead.append(pool.submit(simulate_activity, world, month, fleet, following))
            yield done
