"""Random streams: one per module and month, so that a new module never changes what another one draws."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """Stable numbers of the simulation's modules. A number is never reused and never renumbered."""

    OPERATORS = 1
    VEHICLES = 2
    DRIVERS = 3
    CITIES = 4
    ACTIVITY = 5
    ACCIDENTS = 6
    CONDITION = 7
    ENFORCEMENT = 8
    INSURANCE = 9
    PEOPLE = 10
    CREDIT = 11
    SNAPSHOTS = 12
    FATIGUE = 13
    POSITIONS = 14
    EMERGENCIES = 15
    SAMPLES = 16
    DELIVERY = 17
    IDENTITIES = 18
    ROADS = 19
    MESSAGES = 20
    DECLARED_ROUTES = 21


def generator(seed: int, stream: Stream, *path: int) -> np.random.Generator:
    """Return the generator of a module, optionally of one of its months or resources.

    Parameters
    ----------
    seed
        Seed of the whole simulation.
    stream
        The module.
    path
        Further stable numbers, such as the month's index.
    """
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, int(stream), *path])))
